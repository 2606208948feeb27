"""Keeps models in memory: loads each once, within a byte budget, and never moves one that is in use.

Importing this loads nothing heavy; torch is asked for only when a model is first used. Knows no page, no picture and no
settings.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from captioner.contract import ModelSpec
from captioner.errors import CaptionerError, OutOfMemory
from captioner.events import tell
from captioner.freed import Rest, searches_paused
from captioner.models import memory, sources
from captioner.models.cards import lost_card_is_said
from captioner.models.devices import resolve_device, why_on_cpu
from captioner.models.download import Progress
from captioner.models.downloads import Downloads
from captioner.models.forecasts import forecast_folder
from captioner.models.memory import free_cached_memory, is_out_of_memory
from captioner.models.residents import Key, MemoryReport, Resident, Residents
from captioner.models.sources import ModelSource

_log = logging.getLogger(__name__)

_REST_S = 5.0
"""How long nobody has worked until what work took goes back to the system: at once, the next would be 3 % slower."""
_REST_AT_LEAST_EVERY_S = 30.0

Result = TypeVar("Result")
ModelState = Literal["loaded", "offloaded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """What the manager says about one model it keeps.

    place: the folder, name or address it was loaded from. device, precision, runtime: as the model itself reports them,
    so a provider that fell back to the CPU shows. size_bytes: what it takes where it is, with what it remembers.
    is_in_use: work is going on with it. last_used: seconds since 1970. warning: a sentence that the person who uses it
    should see, with the model's name where it is about that model alone; "" when all is well. note: what else was found
    out about how it runs, to stand after its name; "" for nothing.
    """

    name: str
    family: str
    place: str
    state: ModelState
    device: str
    precision: str
    runtime: str
    revision: str
    size_bytes: int
    is_in_use: bool
    last_used: float
    warning: str = ""
    note: str = ""


class ModelManager:
    """Loads models when they are first used and keeps them; safe to share between threads.

    When more is used than the budget allows, the least recently used models that nobody uses step back: from a CUDA
    device to the CPU's memory, from the CPU out of memory, to be loaded again. A model that does not fit into a budget
    that somebody gave is refused; one above the default budget is tried, alone.
    """

    def __init__(
        self,
        *,
        models: str = "auto",
        device: str = "auto",
        vram_bytes: int | None = None,
        ram_bytes: int | None = None,
        idle_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Args:
        models: auto, hub, demo or a folder (see `sources.find_model`).
        device: auto (CUDA when there is one, else the CPU), cpu, cuda or cuda:N; checked on first use.
        vram_bytes: what models may take of a card, None: most of it (see `devices.Memory`). ram_bytes: of the
            processor's memory, those that stepped back from a card and, without a card, all; None without a limit.
        idle_s: how long a model stays that nobody uses; None for ever. clock: seconds since 1970.
        """
        self.models = models
        self.downloads = Downloads()
        self._device_wish = device
        self._idle_s = idle_s
        self._clock = clock
        self._device: str | None = None
        self._why_on_cpu = ""
        self._residents = Residents(lambda: self.device, vram_bytes, ram_bytes)
        self._loading: set[Key] = set()
        self._failures: dict[Key, str] = {}
        self._lock = threading.RLock()  # held while loading and moving: one load at a time
        self._table = threading.Lock()  # held for a moment around what reports read
        self._timer: threading.Timer | None = None
        self._rest = Rest(_REST_S, at_least_every_s=_REST_AT_LEAST_EVERY_S)

    @property
    def device(self) -> str:
        """The device models are put on: cpu, cuda or cuda:N. Asks torch the first time.

        Raises: CaptionerError: no such device here. MissingPackage: a CUDA device without torch.
        """
        if self._device is None:
            with self._lock:
                device = resolve_device(self._device_wish)
                if device == "cpu" and self._device_wish == "auto":
                    self._why_on_cpu = why_on_cpu()
                self._device = device
        return self._device

    @property
    def budget_bytes(self) -> int | None:
        """What models on the device may take; None without a limit. Asks a card what other programs leave."""
        return self._residents.budget_bytes

    @contextlib.contextmanager
    def use(self, name_or_folder: str, family: str, *, progress: Progress | None = None) -> Iterator[Any]:
        """The model, loaded and on its device, and not moved until the block ends.

        Where work within the block runs out of memory, the models that nobody uses step back (`memory.Room`).

        Args: progress: told the bytes of a download, where `models` allows one.
        Raises:
            ModelNotFound, BadModel, MissingPackage: as `sources.find_model` and the model's `load`.
            OutOfMemory: it does not fit, even after all idle models stepped back.
            CardLost: the card failed for good.
        """
        self._rest.work_began()
        try:
            with lost_card_is_said(), self._using((family, name_or_folder), progress) as model:
                yield model
        finally:
            self._rest.work_ended()

    @contextlib.contextmanager
    def _using(self, key: Key, progress: Progress | None) -> Iterator[Any]:
        kept = self._take(key, progress)
        try:
            with memory.room(self._step_back_idle, self._make_room):
                yield kept.model
        finally:
            with self._lock:
                kept.users -= 1
                kept.last_used = self._clock()
                if not kept.users and self._residents.get(key) is kept:
                    if kept.is_unwanted:
                        self._residents.step_back(key)
                    self._residents.make_room(0, stays=key)
            self._watch_idle()

    def source(self, name_or_folder: str, family: str) -> ModelSource:
        """Where a model's files are, without loading it."""
        return sources.find_model(name_or_folder, family, self.models)

    def to_download(self, name_or_folder: str, family: str) -> ModelSpec | None:
        """The hub model that must be fetched before this one is used, None where it is here (`sources.to_download`)."""
        is_known = self._residents.get((family, name_or_folder)) is not None
        return None if is_known else sources.to_download(name_or_folder, family, self.models)

    def fetch_steps(self, spec: ModelSpec) -> Iterator[tuple[int, int]]:
        """Fetch a hub model, once however many ask for it (`Downloads.steps`)."""
        return self.downloads.steps(spec)

    def report(self) -> list[ModelReport]:
        """The models in memory, most recently used first. Waits for nothing, not even a model that is loading."""
        return [
            ModelReport(
                name=kept.source.name,
                family=kept.source.family,
                place=str(kept.source.place),
                state="offloaded" if kept.is_offloaded else "loaded",
                device=kept.model.device,
                precision=kept.model.precision,
                runtime=kept.model.runtime,
                revision=kept.model.revision,
                size_bytes=kept.model.size_bytes,
                is_in_use=kept.users > 0,
                last_used=kept.last_used,
                warning=self._warning(kept),
                note=kept.model.note,
            )
            for _, kept in reversed(self._residents.items())
        ]

    def _warning(self, kept: Resident) -> str:
        if kept.model.warning:
            return f"{kept.source.name} {kept.model.warning}"
        return "" if kept.model.is_remote else self._why_on_cpu

    def loading(self) -> frozenset[Key]:
        """The models that are being loaded or brought back now."""
        with self._table:
            return frozenset(self._loading)

    def failures(self) -> dict[Key, str]:
        """Why the last try to load a model ended, of those that it did not bring here."""
        with self._table:
            return dict(self._failures)

    def memory_report(self) -> MemoryReport:
        """What models take in all. Asks for the device, which torch may have to be loaded for."""
        return self._residents.report()

    def would_step_back(self, name_or_folder: str, family: str, size_bytes: int) -> list[str]:
        """The names of models that would step back for one that is to come and takes so many bytes."""
        return self._residents.would_step_back((family, name_or_folder), size_bytes)

    def free(self) -> list[str]:
        """Take all models off the device: those in use when their users are done. They come back when they are used.

        Returns: the names of those that went at once.
        """
        with self._lock:
            return self._residents.step_back_all()

    def unload(self, name_or_folder: str, family: str) -> bool:
        """Let go of a model, whether on the device or offloaded. Returns: False where it is in use or not in memory."""
        key = (family, name_or_folder)
        with self._lock:
            kept = self._residents.get(key)
            if kept is None or kept.users:
                return False
            del kept  # else it would still be in memory when what is free is given back
            self._residents.drop(key)
            return True

    def step_back_unused(self) -> list[str]:
        """Take off the device what nobody has used for `idle_s`. Returns: their names."""
        if self._idle_s is None:
            return []
        with self._lock:
            return self._residents.step_back_idle(unused_since=self._clock() - self._idle_s)

    def close(self) -> None:
        """Let go of every model. One in use is freed when its block ends."""
        with self._lock:
            self._residents.clear()
            self.downloads.close()
            with self._table:
                timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            self._rest.work_began()

    def _watch_idle(self) -> None:
        """Look again later whether models have become idle, while there are some."""
        if self._idle_s is None:
            return
        with self._table:
            if self._timer is None:
                self._timer = threading.Timer(max(0.1, self._idle_s / 4), self._look_for_idle)
                self._timer.daemon = True
                self._timer.start()

    def _look_for_idle(self) -> None:
        try:
            self.step_back_unused()
        except Exception:  # noqa: BLE001 - a timer of its own, which must go on
            _log.exception("a model that nobody uses could not leave; tried again later")
        with self._table:
            self._timer = None
        if any(not kept.is_offloaded for _, kept in self._residents.items()):
            self._watch_idle()

    def _take(self, key: Key, progress: Progress | None) -> Resident:
        is_known = self._residents.get(key) is not None
        # A download may take long, and others go on with their models meanwhile: no lock is held.
        source = None if is_known else self._find(key, progress)
        far = self._reach(key, source) if source is not None and source.load_class().is_remote else None
        with self._lock:
            kept = self._residents.get(key)
            if kept is None and far is not None:
                kept = far
                self._residents.add(key, kept)
            elif kept is None:
                source = source or self._find(key, progress)
                with self._coming(key):
                    kept = self._load(key, source)
            elif kept.is_offloaded:
                with self._coming(key):
                    self._bring_back(kept)
            self._residents.touch(key)
            kept.users += 1
            kept.is_unwanted = False
            kept.last_used = self._clock()
            self._residents.make_room(0)
            self._residents.hold_to_budget()
            room_bytes = self._residents.room_bytes
            if room_bytes is not None:
                kept.model.remember_more(room_bytes)
            return kept

    def _find(self, key: Key, progress: Progress | None) -> ModelSource:
        """Where it is, fetched before where `models` allows that."""
        family, name = key
        spec = sources.to_download(name, family, self.models) if self.models == "hub" else None
        if spec is not None:
            for done_bytes, total_bytes in self.downloads.steps(spec):
                if progress is not None:
                    progress(done_bytes, total_bytes)
        return sources.find_model(name, family, self.models)

    @contextlib.contextmanager
    def _coming(self, key: Key) -> Iterator[None]:
        """Around what brings a model to the device, so that a report says so, and how it went."""
        with self._table:
            self._loading.add(key)
            self._failures.pop(key, None)
        began = time.monotonic()
        try:
            yield
            tell("model_brought", family=key[0], seconds=time.monotonic() - began)
        except CaptionerError as error:
            with self._table:
                self._failures[key] = str(error)
            raise
        finally:
            with self._table:
                self._loading.discard(key)

    def _reach(self, key: Key, source: ModelSource) -> Resident:
        """A model that runs elsewhere: its server may think for a minute, and no lock is held meanwhile."""
        with self._coming(key):
            model = source.load("cpu")
        return Resident(source, model, self._clock())

    def _load(self, key: Key, source: ModelSource) -> Resident:
        needed_bytes = forecast_folder(source.folder, self.device).weights_bytes if source.folder else 0
        self._residents.make_room(needed_bytes)
        self._residents.check_fit(source.name, needed_bytes)
        with searches_paused():
            model = self._or_with_room(source.name, partial(source.load, self.device))
        kept = Resident(source, model, self._clock())
        self._residents.add(key, kept)
        free_cached_memory()  # what loading took and is free again
        self._residents.make_room(0, stays=key)
        try:
            self._residents.check_fit(source.name, 0)  # it took more than was foreseen
        except OutOfMemory:
            self._residents.drop(key)
            raise
        return kept

    def _bring_back(self, kept: Resident) -> None:
        def move() -> None:
            try:
                kept.model.move_to(self.device)
            except BaseException:
                kept.model.move_to("cpu")  # some of its weights may have got there
                raise

        self._make_room(kept.model.size_bytes)
        self._residents.check_fit(kept.source.name, kept.model.size_bytes)
        self._or_with_room(kept.source.name, move)
        kept.is_offloaded = False

    def _or_with_room(self, name: str, put: Callable[[], Result]) -> Result:
        """What `put` returns; when memory runs out, all idle models step back and it has a second try.

        Other programs fill a card too, so that the budget alone does not keep this from happening.

        Raises: OutOfMemory: it does not fit then either.
        """
        try:
            return put()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Outside the except block, whose traceback would keep what was loaded so far alive.
        self._step_back_idle()
        try:
            return put()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            others = "use a smaller model" if self.device == "cpu" else "use a smaller model or --device cpu"
            raise OutOfMemory(
                f"{name} does not fit into the memory left on {self.device}; close other programs, or {others}."
            ) from error

    def _step_back_idle(self) -> None:
        with self._lock:
            self._residents.step_back_idle()

    def _make_room(self, more_bytes: int) -> None:
        with self._lock:
            self._residents.make_room(more_bytes)

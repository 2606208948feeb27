"""Keeps models in memory: loads each once, within a byte budget, and never moves one that is in use.

Importing this loads nothing heavy; torch is asked for only when a model is first used. Knows no page, no picture and no
settings.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from captioner.contract import Model, ModelSpec
from captioner.errors import CaptionerError, MissingPackage, OutOfMemory
from captioner.models import sources
from captioner.models.download import Progress
from captioner.models.forecasts import forecast_folder
from captioner.models.memory import free_cached_memory, is_out_of_memory
from captioner.models.sources import ModelSource

# What of a card's memory models may fill by default; the rest is for pictures, beams and other programs.
_CARD_SHARE = 0.85

Result = TypeVar("Result")
ModelState = Literal["loaded", "offloaded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """What the manager says about one model it keeps.

    device, precision, runtime: as the model itself reports them, so a provider that fell back to the CPU shows.
    size_bytes: what its weights take where they are. is_in_use: work is going on with it. warning: a sentence, with the
    model's name, that the person who uses it should see; "" when all is well. note: what else was found out about how
    it runs, to stand after its name; "" for nothing.
    """

    name: str
    family: str
    state: ModelState
    device: str
    precision: str
    runtime: str
    revision: str
    size_bytes: int
    is_in_use: bool
    warning: str = ""
    note: str = ""


@dataclass(slots=True)
class _Kept:
    source: ModelSource
    model: Model
    users: int = 0
    is_offloaded: bool = False


class ModelManager:
    """Loads models when they are first used and keeps them; safe to share between threads.

    When more is used than the budget allows, the least recently used models that nobody uses step back: from a CUDA
    device to the CPU's memory, from the CPU out of memory, to be loaded again. A model larger than the whole budget is
    still loaded, alone.
    """

    def __init__(self, *, models: str = "auto", device: str = "auto", budget_bytes: int | None = None) -> None:
        """Args:
        models: auto, hub, demo or a folder (see `sources.find_model`).
        device: auto (CUDA when there is one, else the CPU), cpu, cuda or cuda:N; checked on first use.
        budget_bytes: for weights on the device. None: 85 % of a CUDA device's memory, no limit on the CPU.
        """
        self.models = models
        self._device_wish = device
        self._budget_wish = budget_bytes
        self._device: str | None = None
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()  # least recently used first
        self._lock = threading.RLock()  # held while loading and moving: one load at a time
        self._table = threading.Lock()  # held for a moment around changes of _kept, so that report never waits

    @property
    def device(self) -> str:
        """The device models are put on: cpu, cuda or cuda:N. Asks torch the first time.

        Raises: CaptionerError: no such device here. MissingPackage: a CUDA device without torch.
        """
        with self._lock:
            if self._device is None:
                self._device = resolve_device(self._device_wish)
            return self._device

    @property
    def budget_bytes(self) -> int | None:
        """What weights on the device may take; None without a limit."""
        if self._budget_wish is not None or not self.device.startswith("cuda"):
            return self._budget_wish
        import torch

        return int(_CARD_SHARE * torch.cuda.get_device_properties(self.device).total_memory)

    @contextlib.contextmanager
    def use(self, name_or_folder: str, family: str, *, progress: Progress | None = None) -> Iterator[Any]:
        """The model, loaded and on its device, and not moved until the block ends.

        Args: progress: told the bytes of a download, where `models` allows one.
        Raises:
            ModelNotFound, BadModel, MissingPackage: as `sources.find_model` and the model's `load`.
            OutOfMemory: it does not fit, even after all idle models stepped back.
        """
        kept = self._take(name_or_folder, family, progress)
        try:
            yield kept.model
        finally:
            with self._lock:
                kept.users -= 1
                self._make_room(0)

    def source(self, name_or_folder: str, family: str) -> ModelSource:
        """Where a model's files are, without loading it."""
        return sources.find_model(name_or_folder, family, self.models)

    def to_download(self, name_or_folder: str, family: str) -> ModelSpec | None:
        """The hub model that must be fetched before this one is used, None where it is here (`sources.to_download`)."""
        with self._table:
            is_known = (family, name_or_folder) in self._kept
        return None if is_known else sources.to_download(name_or_folder, family, self.models)

    def report(self) -> list[ModelReport]:
        """The models in memory, most recently used first. Waits for nothing, not even a model that is loading."""
        with self._table:
            everything = list(reversed(self._kept.values()))
        return [
            ModelReport(
                name=kept.source.name,
                family=kept.source.family,
                state="offloaded" if kept.is_offloaded else "loaded",
                device=kept.model.device,
                precision=kept.model.precision,
                runtime=kept.model.runtime,
                revision=kept.model.revision,
                size_bytes=kept.model.size_bytes,
                is_in_use=kept.users > 0,
                warning=f"{kept.source.name} {kept.model.warning}" if kept.model.warning else "",
                note=kept.model.note,
            )
            for kept in everything
        ]

    def close(self) -> None:
        """Let go of every model. One in use is freed when its block ends."""
        with self._lock:
            with self._table:
                self._kept.clear()
            free_cached_memory()

    def _take(self, name_or_folder: str, family: str, progress: Progress | None) -> _Kept:
        key = (family, name_or_folder)
        with self._table:
            is_known = key in self._kept
        # A download may take long, and others go on with their models meanwhile: no lock is held.
        source = None if is_known else sources.find_model(name_or_folder, family, self.models, progress=progress)
        there = None
        if source is not None and source.load_class().is_remote:  # its server may think about a probe for a minute
            there = source.load_class().load(source.place, device="cpu", spec=source.spec)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                source = source or sources.find_model(name_or_folder, family, self.models, progress=progress)
                kept = _Kept(source, there or self._load(source))
                with self._table:
                    self._kept[key] = kept
            elif kept.is_offloaded:
                self._bring_back(kept)
            with self._table:
                self._kept.move_to_end(key)
            kept.users += 1
            self._make_room(0)
            return kept

    def _load(self, source: ModelSource) -> Model:
        model_class = source.load_class()
        self._make_room(forecast_folder(source.folder, self.device).weights_bytes if source.folder else 0)

        def load() -> Model:
            return model_class.load(source.place, device=self.device, spec=source.spec)

        return self._or_with_room(source.name, load)

    def _bring_back(self, kept: _Kept) -> None:
        def move() -> None:
            try:
                kept.model.move_to(self.device)
            except BaseException:
                kept.model.move_to("cpu")  # some of its weights may have got there
                raise

        self._make_room(kept.model.size_bytes)
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
        for key, kept in list(self._kept.items()):
            if not kept.users and not kept.is_offloaded and not kept.model.is_remote:
                self._step_back(key, kept)
        free_cached_memory()
        try:
            return put()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            others = "use a smaller model" if self.device == "cpu" else "use a smaller model or --device cpu"
            raise OutOfMemory(
                f"{name} does not fit into the memory left on {self.device}; close other programs, or {others}."
            ) from error

    def _make_room(self, more_bytes: int) -> None:
        """Step back the least recently used idle models until `more_bytes` fit too, as far as that goes.

        With nothing more to come the last one used stays, else a model above the budget would be loaded each time.
        """
        budget_bytes = self.budget_bytes if self._kept else None
        if budget_bytes is None:
            return
        candidates = list(self._kept.items())
        if not more_bytes:
            candidates = candidates[:-1]
        for key, kept in candidates:
            if self._used_bytes() + more_bytes <= budget_bytes:
                return
            if kept.users or kept.is_offloaded or kept.model.is_remote:
                continue
            kept.model.release_memory()  # what it remembers is cheaper to make again than the model is to load
            if self._used_bytes() + more_bytes <= budget_bytes:
                return
            self._step_back(key, kept)

    def _step_back(self, key: tuple[str, str], kept: _Kept) -> None:
        if self.device == "cpu":
            with self._table:
                del self._kept[key]
        else:
            kept.model.move_to("cpu")
            kept.is_offloaded = True
        free_cached_memory()

    def _used_bytes(self) -> int:
        return sum(kept.model.size_bytes for kept in self._kept.values() if not kept.is_offloaded)


def resolve_device(wish: str) -> str:
    """ "auto", "cpu", "cuda" or "cuda:N" -> the device to use, after a look at what this machine has.

    Raises: CaptionerError: no such device; says what there is.
    """
    if wish == "cpu":
        return "cpu"
    kind, _, number = wish.partition(":")
    if wish != "auto" and not (kind == "cuda" and (wish == "cuda" or (number.isascii() and number.isdigit()))):
        raise CaptionerError(f"device is {wish!r}; it must be auto, cpu, cuda or cuda:N.", code="bad_device")
    try:
        import torch
    except ModuleNotFoundError as error:
        if wish == "auto":
            return "cpu"
        raise MissingPackage(f"The device {wish} needs torch: pip install torch") from error
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wish == "auto":
        return "cuda" if count else "cpu"
    if not count:
        raise CaptionerError(
            f"device is {wish}, but torch finds no CUDA device here; use --device cpu, or install the driver and a "
            "torch with CUDA.",
            code="bad_device",
        )
    if number and int(number) >= count:
        raise CaptionerError(
            f"device is {wish}, but there are {count} CUDA devices here, numbered from 0.", code="bad_device"
        )
    return wish

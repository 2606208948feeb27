"""The same on Ray Data: tasks read and decode, actors hold the models and write parts, the driver only counts.

    numbers of segments -> blocks, fetched and decoded (tasks) -> captions, written (actors) -> sums (driver)

Ray schedules, and runs again what a killed actor or node was about; that each picture is in the result once is the
parts' doing (see `captioner.batch`), as without Ray. Between tasks and actors a block travels decoded, as long as its
pixels fit `DECODED_PIXELS`; larger ones travel as files and are opened where the model is, ahead of their turn.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from captioner import side_by_side
from captioner.batch import local
from captioner.batch.reading import Block, Waiting, blocks, with_existing
from captioner.batch.sinks import SINKS
from captioner.batch.store import Store
from captioner.batch.summary import Tally
from captioner.batch.work import Done, RunSettings, Work
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, MissingPackage
from captioner.images import open_picture
from captioner.pipeline import batch_size_on
from captioner.plural import plural

DECODED_PIXELS = 48_000_000
"""Of a block that travels decoded, 3 bytes each: what fits the object store several times over."""
READING_CPUS = 1.0
CPUS_EACH = 0.25
"""What Ray counts for an actor unless somebody says otherwise: had they a CPU each, none would be left to read with."""
_CONNECT_S = 20.0
_READERS = 4  # pictures that a task fetches and opens at once
_BLOCKS = 2_000  # pieces that Ray keeps account of


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where and with how much. address: None for a cluster that is started here. gpus_each: None for one where there
    are some. cpus_each: what Ray counts for an actor."""

    address: str | None = None
    workers: int | None = None
    gpus_each: float | None = None
    cpus_each: float = CPUS_EACH


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """What an actor needs to make its models. settings: flat. endpoints: servers that are named."""

    settings: Mapping[str, Any]
    models: str
    device: str
    vram_bytes: int | None = None
    ram_bytes: int | None = None
    endpoints: tuple[str, ...] = ()
    published: bool = False
    may_overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Shares:
    """What a run takes of a cluster."""

    workers: int
    gpus_each: float
    cpus_each: float

    @classmethod
    def of(cls, wanted: Cluster, device: str, has: Mapping[str, float]) -> Shares:
        """Args: has: the cluster's resources, as Ray counts them.

        Raises: CaptionerError: there are too few, and Ray would wait for ever.
        """
        gpus, cpus = has.get("GPU", 0.0), has.get("CPU", 0.0)
        gpus_each = wanted.gpus_each if wanted.gpus_each is not None else (1.0 if gpus and device != "cpu" else 0.0)
        workers = wanted.workers or (int(gpus / gpus_each) if gpus_each else 1)
        if workers * gpus_each > gpus or not workers:
            raise CaptionerError(
                f"{_taken(workers or 1, gpus_each)} GPUs and the cluster has {gpus:g}; give fewer --workers, or a "
                "smaller --gpus-each.",
                code="too_few_gpus",
            )
        if cpus - workers * wanted.cpus_each < READING_CPUS:
            raise CaptionerError(
                f"{_taken(workers, wanted.cpus_each)} CPUs and the cluster has {cpus:g}, so that none is left to read "
                "pictures with; give fewer --workers, or a smaller --cpus-each.",
                code="too_few_cpus",
            )
        return cls(workers, gpus_each, wanted.cpus_each)


def _taken(workers: int, each: float) -> str:
    return f"{plural(workers, 'worker takes', 'workers take')} {workers * each:g}"


def _check_answers(address: str | None) -> None:
    """Raises: OSError: nobody listens there, which Ray would find out in minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()


class Ray:
    """A connection to a cluster; `close` ends it, and the cluster where it was started here."""

    def __init__(self, wanted: Cluster, device: str) -> None:
        """Raises: MissingPackage: Ray is not installed. CaptionerError: no cluster there, or too small a one."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what it would say on stderr is in its own logs too
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise MissingPackage("--engine ray needs Ray: pip install -r requirements-batch.txt") from error
        self._ray = ray
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        try:
            is_new = wanted.address is None and "RAY_ADDRESS" not in os.environ
            own = {"include_dashboard": False} if is_new else {}
            _check_answers(wanted.address)
            ray.init(wanted.address, log_to_driver=False, logging_level="ERROR", **own)
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            raise CaptionerError(
                f"there is no Ray cluster at {wanted.address} ({error}); check --address.", code="no_cluster"
            ) from error
        try:
            self.shares = Shares.of(wanted, device, ray.cluster_resources())
        except CaptionerError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the cluster."""
        self._ray.shutdown()

    def run(self, work: Work, models: Models) -> Iterator[Tally]:
        """Do what is left. Yields: what became of each block, in any order. Raises: as `local.run`."""
        data = self._ray.data
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = 0  # what goes wrong with pictures is rows: a failed task is a bug
        done = work.done()
        todo = [
            {"segment": number, "done": json.dumps(sorted(found.blocks))}
            for number in range(work.segments)
            if not (found := done.get(number, Done())).is_whole
        ]
        if not todo:
            return
        plain = _PlainWork.of(work)
        pieces = (
            data.from_items(todo, override_num_blocks=min(len(todo), _BLOCKS))
            .map_batches(_read, batch_size=1, num_cpus=READING_CPUS, fn_kwargs={"work": plain}, zero_copy_batch=True)
            .map_batches(
                _Captioning,
                batch_size=1,
                fn_constructor_kwargs={"work": plain, "models": models, "cpus": self.shares.cpus_each},
                num_cpus=self.shares.cpus_each,
                num_gpus=self.shares.gpus_each,
                compute=data.ActorPoolStrategy(size=self.shares.workers),
            )
        )
        for row in pieces.iter_rows():
            answer = json.loads(row["answer"])
            if "error" in answer:
                raise CaptionerError(answer["error"], code=answer["code"])
            yield _tally(answer)


@dataclass(frozen=True, slots=True)
class _PlainWork:
    """A `Work` on its way to another process."""

    address: str
    run: RunSettings
    segments: int

    @classmethod
    def of(cls, work: Work) -> _PlainWork:
        return cls(work.target.address, work.run, work.segments)

    def work(self) -> Work:
        return Work(Store.at(self.address), self.run, self.segments, None)


def _read(batch: Mapping[str, Any], work: _PlainWork) -> Iterator[dict[str, Any]]:
    """In a task: a segment's blocks, fetched and decoded, a row each."""
    import numpy as np

    whole = work.work()
    for number, done in zip(batch["segment"], batch["done"], strict=True):
        segment = whole.segment(int(number))
        for block in blocks(int(number), segment, whole.run.block, set(json.loads(done))):
            _fill(block, keeps_files=SINKS[whole.run.format].needs_pictures)
            rows: Any = np.empty(1, dtype=object)
            rows[0] = pickle.dumps(block)
            yield {"block": rows}


def _fill(block: Block, *, keeps_files: bool) -> None:
    """Fetch and open a block's pictures. Args: keeps_files: the files themselves are wanted later."""
    with_existing(block.pictures)
    room = [DECODED_PIXELS]

    def fill(picture: Waiting) -> None:
        try:
            picture.data = picture.fetch()
            if room[0] <= 0:
                return
            image = open_picture(picture.data).image
        except CaptionerError as error:
            picture.error, picture.data = error, None
            return
        room[0] -= image.width * image.height
        picture.size, picture.pixels = image.size, image.tobytes()
        if not keeps_files:
            picture.data = None

    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(fill, block.pictures))


class _Captioning:
    """An actor: the models of a plan on its device, and the parts it writes."""

    def __init__(self, work: _PlainWork, models: Models, cpus: float) -> None:
        """Args: cpus: what Ray counts for it."""
        side_by_side.keep_to(cpus)
        self._work = work
        self._models = models

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        import numpy as np

        answers = []
        for row in batch["block"]:
            try:
                answers.append(self._caption(pickle.loads(row)))
            except CaptionerError as error:  # concerns all pictures: told by the driver in its own words
                answers.append(json.dumps({"error": str(error), "code": error.code}))
        return {"answer": np.array(answers, dtype=object)}

    def _caption(self, block: Block) -> str:
        plan, manager, sink = self._made
        total = Tally()
        batch_size = batch_size_on(manager.device)
        for tally in local.caption_blocks([block], plan, manager, sink, batch_size=batch_size):
            total.add(tally)
        return json.dumps(
            {
                "done": total.done,
                "kept": total.kept,
                "failures": total.failures,
                "tokens": total.tokens,
                "models": {name: sorted(digests) for name, digests in total.models.items()},
            }
        )

    @cached_property
    def _made(self) -> tuple[Plan, Any, Any]:
        from captioner.captions.groups import add_plug_ins
        from captioner.models.manager import ModelManager
        from captioner.models.named_servers import add_named_servers
        from captioner.preparation import prepare_steps

        add_plug_ins()
        add_named_servers(self._models.endpoints)
        plan = Plan.from_flat(self._models.settings, self._models.models)
        manager = ModelManager(
            models=self._models.models,
            device=self._models.device,
            vram_bytes=self._models.vram_bytes,
            ram_bytes=self._models.ram_bytes,
        )
        for one in plan.of_all_kinds():
            for _ in prepare_steps(one, manager, published=self._models.published):
                pass
        work = self._work.work()
        sink = SINKS[work.run.format](work.target, may_overwrite=self._models.may_overwrite)
        return plan, manager, sink


def _tally(answer: Mapping[str, Any]) -> Tally:
    return Tally(
        done=answer["done"],
        kept=answer["kept"],
        failures=Counter(answer["failures"]),
        tokens=Counter({int(count): found for count, found in answer["tokens"].items()}),
        models={name: set(digests) for name, digests in answer["models"].items()},
    )

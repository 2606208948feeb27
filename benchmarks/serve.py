"""One machine for a team: how quick, how fair and how small the app stays with many visitors at once.

    python -m benchmarks.serve [--json] [--minutes 5] [--visitors 20] [--actions 24000] [--rows start,live,memory]

The real app runs in a process of its own with the demo models and is asked over HTTP as the page asks it. A visitor has
a tab and a set of pictures of its own, moves a slider, waits for the suggestion, looks at it for 3 s on average (evenly
spread from 0 to 6) and moves the next one; every fifth time another picture. Each move is one that makes the captioner
run: 1 to 5 beams, a minimum length of 5 to 15, a repetition penalty of 1 to 1.5. Beside all visitors a set of 300
pictures is captioned, over and over by other settings, with a tab that looks at it. Rows:

    start_s                 from the command to the first answered page, the median of three; equal: no library of a
                            model was loaded by then. At most 6
    live_p50_1, live_p95_1  ms from a moved slider to its suggestion with one visitor; equal: all of them are what the
                            same service answers when it is asked alone afterwards, each begins with the visitor's own
                            words, and nothing was refused
    live_p50_20, live_p95_20  the same with 20 (--visitors) at once, for --minutes
    job_alone               pictures a second of the job while nobody visits, before and after
    job_share               the same beside the many visitors, as a part of it. At least 0.60
    memory_growth           resident memory after an hour of mixed work over what it was after the first tenth of it,
                            less one. At most 0.10. The hour is simulated: 20 visitors who do something every 3 s do
                            24,000 things (--actions), here straight after each other (`benchmarks.mixed_work`)
    memory_mb               resident memory at its end, in MB of 1,000,000 bytes
    actions                 a second, of those

Run it with OMP_NUM_THREADS=1 on a busy machine. Rows can be measured apart (--rows): `live` takes --minutes and five
more, `memory` about twenty.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from benchmarks.mixed_work import BusyVisitor, act_at_once
from benchmarks.report import Row, show
from benchmarks.served import Served, drawn_set, served
from benchmarks.visitors import JobBeside, Visitor, visit_at_once
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace

JOB_PICTURES = 300
PICTURES_A_VISITOR = 20
MOST = {"start_s": 6.0, "memory_growth": 0.10}
LEAST = {"job_share": 0.60}
"""What is promised."""

_LIBRARIES = ("torch", "onnxruntime")  # of those that models need, what a process cannot load unseen
_SEED = 910_001
_ALONE_S = 30.0
_FEW_S = 45.0  # of one visitor
_REQUEST_LIMIT_S = 120.0

Set = tuple[str, Sequence[str]]
"""Its id, and its pictures' ids."""


def fill(folder: Path, visitors: int, job_pictures: int, pictures: int = PICTURES_A_VISITOR) -> tuple[list[Set], str]:
    """Sets of drawn scenes in a new workspace, no scene in two of them. Returns: the visitors' sets, the job's id."""
    with Workspace(folder) as workspace:
        sets = [drawn_set(workspace, f"visitor {n}", _SEED + n, pictures) for n in range(visitors)]
        return sets, drawn_set(workspace, "job", _SEED - 1, job_pictures)[0]


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest of them that so many of them do not pass. Args: part: 0 to 1."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def wrong_results(folder: Path, visitors: Sequence[Visitor]) -> list[str]:
    """Suggestions that are not what the visitor asked for, in words; whatever was refused is among them.

    Args: folder: the workspace in which they were asked for, which nobody serves now.
    """
    found = [trouble for visitor in visitors for trouble in visitor.troubles]
    with Workspace(folder) as workspace, Worker() as worker:
        manager = ModelManager(models="demo", device="cpu")
        live = Service(workspace, worker, manager).live
        for visitor in visitors:
            for move in visitor.moves:
                alone = live.preview(visitor.set_id, move.picture, move.settings, move.before)["caption"]
                if move.caption != alone or not move.caption.startswith(visitor.word):
                    found.append(f"{visitor.word}: {move.caption!r} instead of {alone!r}")
        manager.close()
    return found


@contextlib.contextmanager
def clients(app: Served) -> Iterator[Callable[[], httpx.Client]]:
    """Makes one for each who asks."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(httpx.Client(base_url=app.url, timeout=_REQUEST_LIMIT_S))


def measure_start(root: Path, times: int = 3) -> Iterator[Row]:
    """See the module."""
    fill(root / "workspace", 1, 10)
    taken, loaded = [], set[str]()
    for _ in range(times):
        with served(root / "workspace", root / "temporary") as app:
            taken.append(app.start_s)
            loaded |= app.loaded(_LIBRARIES)
    yield Row("start_s", statistics.median(taken), "s", equal=not loaded)


def measure_live(
    root: Path,
    *,
    visitors: int,
    seconds: float,
    few_s: float = _FEW_S,
    alone_s: float = _ALONE_S,
    job_pictures: int = JOB_PICTURES,
) -> Iterator[Row]:
    """See the module. Args: seconds: of the many visitors."""
    sets, job_set = fill(root / "workspace", 1 + visitors, job_pictures)
    with served(root / "workspace", root / "temporary") as app, clients(app) as client:
        lone, *many = [Visitor(client(), number, *one) for number, one in enumerate(sets)]
        lone.move()  # loads the models
        lone.moves.clear()
        with JobBeside(client(), job_set) as job:
            time.sleep(min(5.0, alone_s))  # the first pictures of all
            job.take_pace()
            time.sleep(alone_s)
            before = job.take_pace()
            visit_at_once([lone], few_s)
            job.take_pace()
            visit_at_once(many, seconds)
            beside = job.take_pace()
            time.sleep(alone_s)
            alone = statistics.fmean((before, job.take_pace()))
    troubles = job.troubles
    for group in ([lone], many):
        wrong = wrong_results(root / "workspace", group) + troubles
        for one in wrong[:20]:
            print(f"wrong: {one}", file=sys.stderr)
        taken_ms = [move.seconds * 1000 for visitor in group for move in visitor.moves]
        for part in (0.50, 0.95):
            yield Row(f"live_p{part * 100:.0f}_{len(group)}", percentile(taken_ms, part), "ms", equal=not wrong)
    yield Row("job_alone", alone, "pictures/s")
    yield Row("job_share", beside / alone, "of alone")


def measure_memory(root: Path, *, visitors: int, actions: int) -> Iterator[Row]:
    """See the module."""
    sets, _ = fill(root / "workspace", visitors, 1)
    with served(root / "workspace", root / "temporary") as app, clients(app) as client:
        busy = [BusyVisitor(client(), number, *one) for number, one in enumerate(sets)]
        start_s = time.perf_counter()
        curve_mb = []
        for _ in range(10):
            act_at_once(busy, actions // 10)
            curve_mb.append(app.memory_mb())
            print(f"memory after {len(curve_mb)} tenths: {curve_mb[-1]:,.0f} MB", file=sys.stderr, flush=True)
        seconds = time.perf_counter() - start_s
    troubles = [trouble for visitor in busy for trouble in visitor.troubles]
    for one in troubles[:20]:
        print(f"wrong: {one}", file=sys.stderr)
    yield Row("memory_growth", curve_mb[-1] / curve_mb[0] - 1, "of the first tenth", equal=not troubles)
    yield Row("memory_mb", curve_mb[-1], "MB")
    yield Row("actions", actions / seconds, "1/s")


def missed(rows: Sequence[Row]) -> list[str]:
    """What is promised and not so, in words."""
    found = [f"{row.name} is {row.value:.3g}, at most {MOST[row.name]} is promised" for row in rows if _is_over(row)]
    found += [
        f"{row.name} is {row.value:.3g}, at least {LEAST[row.name]} is promised"
        for row in rows
        if row.value < LEAST.get(row.name, -math.inf)
    ]
    return found + [f"{row.name}: something went wrong, see above" for row in rows if row.equal is False]


def _is_over(row: Row) -> bool:
    return row.value > MOST.get(row.name, math.inf)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 1 when something promised was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description="One machine for a team.")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--minutes", type=float, default=5.0, help="of many visitors at once (default: %(default)s)")
    parser.add_argument("--visitors", type=int, default=20, help="how many those are (default: %(default)s)")
    parser.add_argument("--actions", type=int, default=24_000, help="of the hour of work (default: %(default)s)")
    parser.add_argument("--rows", default="start,live,memory", help="which to measure (default: %(default)s)")
    options = parser.parse_args(arguments)
    measures: Mapping[str, Callable[[Path], Iterator[Row]]] = {
        "start": measure_start,
        "live": lambda root: measure_live(root, visitors=options.visitors, seconds=60 * options.minutes),
        "memory": lambda root: measure_memory(root, visitors=options.visitors, actions=options.actions),
    }
    wanted = options.rows.split(",")
    if unknown := set(wanted) - set(measures):
        parser.error(f"--rows has {', '.join(sorted(unknown))}; it may have {', '.join(measures)}.")
    if options.minutes <= 0 or options.visitors < 1 or options.actions < 10:
        parser.error("--minutes must be over 0, --visitors 1 or more, --actions 10 or more.")
    rows = []
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="captioner-benchmark-") as folder:
            (Path(folder) / "temporary").mkdir()
            for row in measures[name](Path(folder)):
                print(f"{row.name}: {row.value:,.4g} {row.unit}", file=sys.stderr, flush=True)
                rows.append(row)
    show(rows, as_json=options.json)
    for one in missed(rows):
        print(one, file=sys.stderr)
    return 1 if missed(rows) else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m captioner batch`: any number of pictures, from a folder, a bucket, shards or a list, here or on Ray."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from captioner.all_kinds import caption_all_kinds
from captioner.batch import local, on_ray, summary
from captioner.batch.again import take_back_failed
from captioner.batch.reading import blocks
from captioner.batch.rows import row_of
from captioner.batch.sinks import SINKS, Sink
from captioner.batch.sources import Found, Search
from captioner.batch.sources import segments as segments_of
from captioner.batch.store import Store, full_address
from captioner.batch.summary import Forecast, Tally
from captioner.batch.work import RunSettings, Work, prepare
from captioner.captions.plan import Plan
from captioner.cli import preparing
from captioner.cli.flags import (
    add_kind_flags,
    add_model_flags,
    add_setting_flags,
    check_flags_have_effect,
    flat_settings,
    notes_without_effect,
)
from captioner.cli.memory import add_memory_flags, in_bytes, manager_of, positive
from captioner.cli.parser import WrongUse
from captioner.cli.progress import Progress
from captioner.cli.terminal import Download, check_device, note, quiet
from captioner.pipeline import batch_size_on
from captioner.plural import plural
from captioner.records import MAIN

if TYPE_CHECKING:
    from captioner.models.manager import ModelManager

_EPILOG = """examples:
  # What would a million take? The first 50 are captioned, nothing is written.
  python -m captioner batch photos --limit 50 --models demo

  # A folder to Parquet; after a stop or a crash the same with --resume goes on.
  python -m captioner batch photos --out captions --models demo

  # img2dataset's shards in a bucket, captioned anew, by eight GPUs on Ray.
  python -m captioner batch s3://bucket/laion --out s3://bucket/captions --existing ignore --engine ray --workers 8

SOURCE is a folder or bucket of pictures with all that is below, .tar shards, Parquet with pictures or addresses, or a
list (.csv, .tsv, .jsonl). docs/scale.md tells of one machine, eight GPUs and clusters.

exit status: 0 all good, 1 some pictures failed, 2 wrong use, or TARGET takes no more, 130 stopped with Ctrl+C
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `batch`: its own, the models', and one for every field of every settings class."""
    parser.usage = "%(prog)s SOURCE --out TARGET [flags]"
    parser.epilog = _EPILOG
    parser.add_argument("source", metavar="SOURCE", help="a folder, bucket, shard or list of pictures")
    where = parser.add_argument_group("pictures and captions")
    where.add_argument("--out", metavar="TARGET", help="a new folder, here or in a bucket, or one to --resume")
    formats = ", ".join(f"{sink.name} ({sink.about})" for sink in SINKS.values())
    where.add_argument("--format", default="parquet", choices=tuple(SINKS), help=f"{formats}; default parquet")
    where.add_argument("--resume", action="store_true", help="go on with what TARGET has, where it stopped")
    where.add_argument("--retry-failed", action="store_true", help="with --resume, try pictures again that failed")
    where.add_argument("--column", default="", metavar="NAME", help="where a table has its pictures or their addresses")
    where.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="leave out files whose name or path matches"
    )
    where.add_argument("--include-masks", action="store_true", help="take masks too")
    where.add_argument(
        "--overwrite",
        action="store_true",
        help="with --format sidecars, replace caption files that are there; each is kept as NAME.bak",
    )
    where.add_argument(
        "--part-pictures", type=_count, default=100, metavar="N", help="pictures in a file of TARGET (default 100)"
    )
    try_it = parser.add_argument_group("a try that writes nothing")
    try_it.add_argument("--limit", type=_count, metavar="N", help="caption N pictures and tell what a million take")
    try_it.add_argument("--price-per-hour", type=positive, metavar="X", help="what this machine costs, in any money")
    engine = parser.add_argument_group("where it runs")
    engine.add_argument("--engine", default="local", choices=("local", "ray"), help="this process, or Ray")
    engine.add_argument("--address", metavar="ADDRESS", help="of a Ray cluster; default: one is started here")
    engine.add_argument(
        "--workers", type=_count, metavar="N", help="models' processes on Ray (default: one a GPU, or 1)"
    )
    engine.add_argument(
        "--gpus-each", type=_not_negative, metavar="X", help="GPUs a worker, as 0.5 (default 1 where there are GPUs)"
    )
    engine.add_argument(
        "--cpus-each", type=positive, metavar="X", help="CPUs that Ray counts for a worker (default 0.25)"
    )
    models = parser.add_argument_group("models")
    models.add_argument(
        "--models", default="auto", metavar="auto|hub|demo|DIR", help="where models come from, as for caption"
    )
    add_model_flags(models)
    add_kind_flags(models)
    models.add_argument(preparing.PUBLISHED, action="store_true", help="fetch published label embeddings for CLIP")
    models.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default auto)")
    add_memory_flags(models)
    add_setting_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Caption what the command line names, or try some of it."""
    with quiet():
        plan = _plan(arguments)
        _check(arguments)
        sink = SINKS[arguments.format]
        sink.check()
        for one in plan.of_all_kinds():
            one.check_models(arguments.models, progress=Download())
        plan = plan.check_models(arguments.models)
        search = Search(
            exclude=arguments.exclude,
            include_masks=arguments.include_masks,
            column=arguments.column,
            part_pictures=arguments.part_pictures,
        )
        if arguments.limit:
            return _try(arguments, plan, search)
        source = full_address(arguments.source)
        run = RunSettings.of(source, arguments.format, plan, arguments.models, search, arguments.endpoint or ())
        work, notes = prepare(Store.at(arguments.out), run, search, resume=arguments.resume)
        for text in notes:
            note(f"note: {text}")
        if arguments.retry_failed and (failed := take_back_failed(work, sink)):
            note(f"note: {plural(failed, 'picture that failed is', 'pictures that failed are')} tried again.")
        return _run(arguments, plan, work, sink)


def _plan(arguments: argparse.Namespace) -> Plan:
    flat = flat_settings(arguments)
    plan = Plan.from_flat(flat, arguments.models)
    if MAIN not in plan.kind_names:
        raise WrongUse(f"--front {plan.kind} names no kind of caption; add --kind {plan.kind}:CAPTIONER.")
    check_flags_have_effect(flat, *plan.of_all_kinds())
    check_device(arguments.device)
    warnings = dict.fromkeys(text for one in plan.of_all_kinds() for text in one.warnings())
    for text in (*plan.notes, *warnings, *notes_without_effect(flat, plan)):
        note(f"note: {text}")
    return plan


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.source.strip():
        raise WrongUse("SOURCE is empty; name a folder, a bucket, a shard or a list of pictures.")
    if bool(arguments.limit) == bool(arguments.out):
        raise WrongUse("give --out TARGET, or --limit N for a try that writes nothing.")
    if arguments.limit and arguments.engine == "ray":
        raise WrongUse("--limit tries this machine; leave --engine ray out.")
    if arguments.price_per_hour and not arguments.limit:
        raise WrongUse("--price-per-hour has no effect without --limit N.")
    if arguments.retry_failed and not arguments.resume:
        raise WrongUse("--retry-failed has no effect without --resume; add it.")
    if arguments.overwrite and arguments.format != "sidecars":
        raise WrongUse("--overwrite has no effect without --format sidecars.")
    for flag in ("address", "workers", "gpus_each", "cpus_each"):
        if arguments.engine == "local" and getattr(arguments, flag) is not None:
            raise WrongUse(f"--{flag.replace('_', '-')} has no effect without --engine ray.")


def _run(arguments: argparse.Namespace, plan: Plan, work: Work, sink: type[Sink]) -> int:
    before = summary.earlier(work, sink)
    fresh = Tally()
    whole = sum(done.is_whole for done in work.done().values())
    if before.pictures:
        note(f"note: {plural(before.pictures, 'picture is', 'pictures are')} done already.")
    workers, tallies = _engine(arguments, plan, work, sink)
    began = time.monotonic()
    total = work.pictures if work.pictures is not None else work.segments
    unit = "picture" if work.pictures is not None else "file"
    try:
        with closing(tallies), Progress(total, unit) as progress:  # type: ignore[type-var]
            for tally in tallies:
                fresh.add(tally)
                done = before.pictures + fresh.pictures
                if work.pictures is None:
                    whole = sum(one.is_whole for one in work.done().values()) if work.target.is_local else whole
                said = _rate(fresh, time.monotonic() - began, before if work.pictures is None else None)
                quick = before.pictures if work.pictures is not None else 0
                progress.step(done if work.pictures is not None else whole, quick=quick, said=said)
    except KeyboardInterrupt:
        so_far = plural(before.pictures + fresh.pictures, "picture is", "pictures are")
        note(f"captioner: stopped; {so_far} done. --resume goes on.")
        return 130
    both = Tally()
    for one in (before, fresh):
        both.add(one)
    seconds = time.monotonic() - began
    summary.write_summary(work, both, fresh, seconds, workers)
    failures = f" ({both.failures_text()})" if both.failed else ""
    if both.failed and not arguments.retry_failed:
        note("note: --resume --retry-failed tries those that failed again.")
    note(f"{both.done} captioned, {both.kept} of them kept, {both.failed} failed{failures}, in {arguments.out}")
    return 1 if both.failed else 0


def _rate(fresh: Tally, seconds: float, before: Tally | None) -> str:
    said = [f"{fresh.pictures / max(seconds, 1e-9):.3g} pictures a second"]
    if before is not None:
        said.insert(0, plural(before.pictures + fresh.pictures, "picture"))
    return ", ".join([*said, *filter(None, [fresh.failures_text()])])


def _engine(arguments: argparse.Namespace, plan: Plan, work: Work, sink: type[Sink]) -> tuple[int, Iterator[Tally]]:
    """How many workers, and what becomes of each block."""
    may_overwrite = arguments.overwrite or plan.recipe.existing in ("prepend", "append")
    if arguments.engine == "ray":
        return _ray(arguments, plan, work, may_overwrite=may_overwrite)
    return 1, _local(arguments, plan, work, sink(work.target, may_overwrite=may_overwrite))


def _ray(arguments: argparse.Namespace, plan: Plan, work: Work, *, may_overwrite: bool) -> tuple[int, Iterator[Tally]]:
    wanted = on_ray.Cluster(
        address=arguments.address,
        workers=arguments.workers,
        gpus_each=arguments.gpus_each,
        cpus_each=arguments.cpus_each or on_ray.CPUS_EACH,
    )
    models = on_ray.Models(
        settings={name: value for name, value in plan.to_flat().items() if name not in plan.carried},
        models=arguments.models,
        device=arguments.device,
        vram_bytes=in_bytes(arguments.vram_gib),
        ram_bytes=in_bytes(arguments.ram_gib),
        endpoints=tuple(arguments.endpoint or ()),
        published=arguments.published_labels,
        may_overwrite=may_overwrite,
    )
    cluster = on_ray.Ray(wanted, arguments.device)

    def tallies() -> Iterator[Tally]:
        try:
            yield from cluster.run(work, models)
        finally:
            cluster.close()

    return cluster.shares.workers, tallies()


def _local(arguments: argparse.Namespace, plan: Plan, work: Work, sink: Sink) -> Iterator[Tally]:
    manager = manager_of(arguments)
    try:
        preparing.prepare(plan, manager, published=arguments.published_labels)
        yield from local.run(work, plan, manager, sink, batch_size=batch_size_on(manager.device))
        _warn(manager)
    finally:
        manager.close()


def _warn(manager: ModelManager) -> None:
    for warning in sorted({report.warning for report in manager.report()} - {""}):
        note(f"note: {warning}")


def _try(arguments: argparse.Namespace, plan: Plan, search: Search) -> int:
    """Caption some pictures and tell what all would take; the first is not counted, which loads the models."""
    found = Found()
    pieces = segments_of(arguments.source, search, found)
    todo = (block for piece in pieces for block in blocks(0, piece, search.part_pictures))
    pictures = local.first_pictures(todo, arguments.limit + 1)
    for text in found.notes():
        note(f"note: {text}")
    if not pictures:
        raise WrongUse(f"{arguments.source} has no pictures in it.")
    manager = manager_of(arguments)
    tally = Tally()
    began = time.monotonic()
    try:
        preparing.prepare(plan, manager, published=arguments.published_labels)
        done = caption_all_kinds(pictures, plan, manager, batch_size=batch_size_on(manager.device))
        for number, captioned in enumerate(done):
            tally.add(Tally.of([row_of(captioned.picture_id, captioned, plan)]))
            began = time.monotonic() if number == 0 else began
        seconds = time.monotonic() - began
        _warn(manager)
    finally:
        manager.close()
    failures = f" ({tally.failures_text()})" if tally.failed else ""
    if tally.kept:
        kept = plural(tally.kept, "picture keeps its caption", "pictures keep their captions")
        note(f"note: {kept}, which takes no model's time; --existing ignore captions them anew.")
    note(f"{tally.done} captioned, {tally.kept} of them kept, {tally.failed} failed{failures}; nothing is written.")
    if len(pictures) < 2:
        raise WrongUse("one picture tells nothing of the rate; there must be two or more.")
    print(Forecast(len(pictures) - 1, seconds).text(arguments.price_per_hour, None), flush=True)
    return 1 if tally.failed else 0


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _not_negative(text: str) -> float:
    return 0.0 if text.strip() == "0" else positive(text)

"""`python -m captioner models`: which models there are and which of them are here; fetching and checking them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from captioner.cli.parser import WrongUse
from captioner.cli.terminal import note, say, say_json
from captioner.errors import CaptionerError
from captioner.limits import in_gib
from captioner.models import listing, sources
from captioner.models.manager import ModelManager
from captioner.models.plug_ins import refused_plug_ins
from captioner.preparation import duration
from captioner.service.models import verified

_EPILOG = """examples:
  # What a machine that will be offline needs.
  python -m captioner models --download blip-base clip-v1 wd-vit-tagger-v3

  # Whether everything that was downloaded is as the hub has it.
  python -m captioner models --verify
"""
_TOLD_EVERY_S = 5.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `models`."""
    parser.epilog = _EPILOG
    parser.add_argument("--json", action="store_true", help="one object a line instead of a table")
    parser.add_argument(
        "--models",
        default="auto",
        metavar="auto|hub|demo|DIR",
        help="as for caption; DIR has one subfolder a model name (default auto)",
    )
    does = parser.add_mutually_exclusive_group()
    does.add_argument(
        "--download",
        nargs="+",
        metavar="NAME",
        help="fetch these models into the Hugging Face cache; what was stopped goes on where it was",
    )
    does.add_argument(
        "--verify",
        nargs="*",
        metavar="NAME",
        help="compare the files of these models, or of all that are here, with the hub's own digests",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what there is, or fetch or check it. Asks a server only to download, or where the cache knows no digest.

    Raises: ModelNotFound: --models names no folder.
    """
    sources.check_models(arguments.models)
    manager = ModelManager(models=arguments.models)
    rows = listing.rows(manager)
    names = arguments.download or arguments.verify or []
    unknown = [name for name in names if name not in [row["name"] for row in rows]]
    if unknown:
        raise WrongUse(f"no model is called {unknown[0]!r}; python -m captioner models lists the names.")
    if arguments.download is not None:
        return _each(arguments, [row for row in rows if row["name"] in names], _download)
    if arguments.verify is not None:
        chosen = [row for row in rows if (row["name"] in names if names else row["is_here"] and row["repo"])]
        return _each(arguments, chosen, lambda row: verified(manager, row["name"], row["family"]))
    for refused in refused_plug_ins():
        note(f"note: the models of {refused.name} are left out: {refused.reason}")
    if arguments.json:
        for row in rows:
            say_json(row)
    else:
        _print_table(rows)
    return 0


def _each(arguments: argparse.Namespace, rows: Sequence[Mapping[str, Any]], does: Any) -> int:
    """Do something with each model and say how it went. Returns: the exit status, 1 where one failed or is damaged."""
    status = 0
    for row in rows:
        try:
            said, error = does(row), ""
        except CaptionerError as refused:
            said, error = "", str(refused)
        is_well = not error and "; delete " not in said
        status = status if is_well else 1
        if arguments.json:
            say_json({"name": row["name"], "is_well": is_well, "said": error or said})
        elif error:
            note(f"captioner: {error}")
        else:
            say(said)
    if not rows:
        note("note: none of the hub's models is on this machine.")
    return status


def _download(row: Mapping[str, Any]) -> str:
    spec = sources.to_download(row["name"], row["family"])
    if spec is None:
        return f"{row['name']} is here already."
    downloads = ModelManager().downloads
    told_at = time.monotonic()
    for _ in downloads.steps(spec):
        now = time.monotonic()
        if now - told_at >= _TOLD_EVERY_S:
            told_at = now
            note(_progress(spec.name, downloads.report().get((spec.family, spec.name), {})))
    return f"{row['name']} is here now."


def _progress(name: str, download: Mapping[str, Any]) -> str:
    """How far a download is, with its rate and the time left where they are known."""
    done, total, rate, left = (
        download.get(key) or 0 for key in ("done_bytes", "total_bytes", "bytes_a_second", "seconds_left")
    )
    of_all = f" of {total / 1e6:,.0f}" if total else ""
    speed = f", {rate / 1e6:.1f} MB/s" if rate else ""
    return f"{name}: {done / 1e6:,.0f}{of_all} MB{speed}{f', {duration(left)} left' if left else ''}"


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    table = [("NAME", "FAMILY", "WHERE", "LICENCE", "DISK", "MEMORY", "STATE", "CAN", "WHAT")]
    for row in rows:
        memory = row["memory_bytes"]
        table.append(
            (
                row["name"],
                row["family"],
                row["source"],
                row["licence"],
                _megabytes(row["disk_bytes"]) if row["disk_bytes"] else "not known" if row["repo"] else "-",
                f"{in_gib(memory['cpu'])} GiB, {in_gib(memory['cuda'])} on a card" if memory else "not known",
                row["state"],
                " ".join(row["can"]) or "-",
                row["about"],
            )
        )
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"

"""`python -m captioner models`: which models there are, and which of them are on this machine."""

from __future__ import annotations

import argparse

from captioner.cli.terminal import note, say, say_json
from captioner.models import listing
from captioner.models.manager import ModelManager
from captioner.models.plug_ins import refused_plug_ins


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `models`."""
    parser.add_argument("--json", action="store_true", help="one object a line instead of a table")
    parser.add_argument(
        "--models",
        default="auto",
        metavar="auto|hub|demo|DIR",
        help="as for caption; DIR has one subfolder a model name (default auto)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what there is; asks no server."""
    rows = listing.rows(ModelManager(models=arguments.models))
    for refused in refused_plug_ins():
        note(f"note: the models of {refused.name} are left out: {refused.reason}")
    if arguments.json:
        for row in rows:
            say_json(row)
        return 0
    table = [("NAME", "FAMILY", "WHERE", "LICENCE", "DOWNLOAD", "STATE", "WHAT")]
    for row in rows:
        table.append(
            (
                row["name"],
                row["family"],
                row["source"],
                row["licence"],
                (f"{row['download_mb']} MB" if row["download_mb"] else "not known") if row["repo"] else "-",
                row["state"],
                row["about"],
            )
        )
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0

"""`python -m captioner models`: which models there are, and which of them are on this machine."""

from __future__ import annotations

import argparse

from captioner.cli.terminal import note, say, say_json
from captioner.models import registry, sources
from captioner.models.plug_ins import refused_plug_ins, source_of


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `models`."""
    parser.add_argument("--json", action="store_true", help="one object a line instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Print the registry; asks no server."""
    rows = [
        {
            "name": spec.name,
            "kind": spec.kind,
            "family": spec.family,
            "repo": spec.repo,
            "is_demo": spec.is_demo,
            "licence": spec.licence,
            "download_mb": spec.download_mb,
            "is_here": sources.is_cached(spec),
            "about": spec.about,
        }
        for spec in registry.MODELS
    ]
    for refused in refused_plug_ins():
        note(f"note: the models of {refused.name} are left out: {refused.reason}")
    if arguments.json:
        for row in rows:
            say_json(row)
        return 0
    table = [("NAME", "FAMILY", "WHERE", "LICENCE", "DOWNLOAD", "HERE", "WHAT")]
    for row in rows:
        table.append(
            (
                str(row["name"]),
                str(row["family"]),
                str(
                    row["repo"]
                    or ("ships with Captioner" if row["is_demo"] else source_of(str(row["name"])) or "a server")
                ),
                str(row["licence"]),
                (f"{row['download_mb']} MB" if row["download_mb"] else "not known") if row["repo"] else "-",
                "yes" if row["is_here"] else "no",
                str(row["about"]),
            )
        )
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0

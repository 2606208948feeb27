"""The flags of how much memory models may take, of the app and of every subcommand that runs models."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.models.manager import ModelManager


def add_memory_flags(section: argparse._ActionsContainer) -> None:
    """--vram-gib and --ram-gib."""
    section.add_argument(
        "--vram-gib",
        type=positive,
        metavar="N",
        help="what models may take of the card, with all that they work on, beside the half GiB of CUDA itself "
        "(default: 85 %% of it, less where other programs are on it); those used least step back",
    )
    section.add_argument(
        "--ram-gib",
        type=positive,
        metavar="N",
        help="what models may take of this machine's memory: those that step back from a card, and without a card all "
        "(default: no limit)",
    )


def positive(text: str) -> float:
    """A number above 0. Raises: argparse.ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def in_bytes(gib: float | None) -> int | None:
    """A number of GiB in bytes; None stays None."""
    return None if gib is None else int(gib * 2**30)


def manager_of(arguments: argparse.Namespace) -> ModelManager:
    """The manager that --models, --device and the memory flags ask for."""
    from captioner.models.manager import ModelManager

    return ModelManager(
        models=arguments.models,
        device=arguments.device,
        vram_bytes=in_bytes(arguments.vram_gib),
        ram_bytes=in_bytes(arguments.ram_gib),
    )

"""`caption --format TRAINER`: where the run's set goes, a zip or a folder."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from captioner.cli.parser import WrongUse
from captioner.cli.set_flags import set_settings
from captioner.formats.format import ExportItem
from captioner.formats.output import OutputOptions
from captioner.formats.set_folder import folder_target
from captioner.formats.set_output import SetOutput
from captioner.formats.set_writer import Below, SetPlan, SetWriter
from captioner.formats.targets import zip_target
from captioner.formats.trainers.target import Target
from captioner.service.token_counting import counter_for


@contextmanager
def set_output(
    arguments: argparse.Namespace, target: Target, items: Sequence[ExportItem], options: OutputOptions
) -> Iterator[SetOutput]:
    """The output of a run that makes a set; the set is there when the block ends well, else nothing of it.

    Raises: ExportError, WrongUse, MissingPackage: known before a model is loaded.
    """
    settings = set_settings(arguments, target)
    counter = counter_for(settings.base_model)
    paths = [item.picture for item in items if item.picture is not None]
    if arguments.zip:
        file = Path(arguments.zip)
        plan = SetPlan(target, settings, items, name=file.stem)
        with (
            zip_target(file, may_overwrite=arguments.overwrite) as opened,
            SetWriter(plan, Below(opened, plan.name), counter=counter) as writer,
        ):
            output = SetOutput(paths, options, writer)
            yield output
            output.finish()
        return
    folder = Path(os.path.abspath(arguments.out))  # noqa: PTH100 (a link stays one)
    real = Path(os.path.realpath(folder))
    if any(Path(os.path.realpath(path)).is_relative_to(real) for path in paths):
        raise WrongUse(f"some of the pictures are in {arguments.out}; name another folder for the set.")
    plan = SetPlan(target, settings, items, name=folder.name, folder=str(folder))
    with (
        folder_target(folder, may_overwrite=arguments.overwrite) as filled,
        SetWriter(plan, filled, counter=counter) as writer,
    ):
        output = SetOutput(paths, options, writer)
        yield output
        output.finish()

"""What holds for every test."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from captioner.models import registry
from captioner.worker import Worker

if TYPE_CHECKING:
    from captioner.models.manager import ModelManager
    from captioner.service.service import Service
    from tests.shell import Shell


# The browser's files that take longest, the longest first, as `--durations 0` tells: one that began last would leave
# the other workers without work.
LONGEST = (
    *("test_compare", "test_edits", "test_taggers", "test_places", "test_settings_side", "test_doubt", "test_tags"),
    *("test_suggest", "test_states", "test_address", "test_page", "test_effort", "test_widths", "test_downloads"),
    *("test_folders", "test_jobs", "test_many", "test_hostile", "test_experiment", "test_places_models"),
)


def _turn(item: pytest.Item) -> tuple[bool, int]:
    is_browser = item.get_closest_marker("browser") is not None
    place = LONGEST.index(item.path.stem) if is_browser and item.path.stem in LONGEST else len(LONGEST)
    return is_browser, place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: while playwright runs, its event loop keeps others from running one of their own. Among
    them long files come first.

    One that fails is tried once more, since a browser on a busy machine misses its moment; those are listed as reruns
    at the end, and are to be looked into.
    """
    items.sort(key=_turn)
    for item in items:
        if item.get_closest_marker("browser") is not None:
            item.add_marker(pytest.mark.flaky(reruns=1))


def _loggers() -> list[logging.Logger]:
    named = (name for name in [*logging.root.manager.loggerDict] if name.partition(".")[0] in ("captioner", "taggers"))
    return [logging.root, *map(logging.getLogger, named)]


def _state(logger: logging.Logger) -> tuple[int, bool, list[logging.Handler]]:
    return logger.level, logger.propagate, list(logger.handlers)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked gpu is skipped where there is no CUDA device; torch is asked only for such a test."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """What a test does to the root's and this project's loggers is its own: the next finds them as at first."""
    before = {logger: _state(logger) for logger in _loggers()}
    yield
    for logger in _loggers():
        level, logger.propagate, handlers = before.get(logger, (logging.NOTSET, True, []))
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """What a test, or a program's start in it, puts into the environment ends with the test."""
    before = dict(os.environ)
    yield
    for name in {*before, *os.environ} - {"PYTEST_CURRENT_TEST"}:
        if name not in before:
            del os.environ[name]
        elif os.environ.get(name) != before[name]:
            os.environ[name] = before[name]


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    """Models that a test makes known are known to it alone, in whatever order its fixtures end."""
    before = registry.MODELS
    yield
    registry.MODELS = before


@pytest.fixture
def models(tmp_path: Path) -> Iterator[str]:
    """A folder with the fake models."""
    from tests.fakes import fake_models

    with fake_models(tmp_path / "models") as folder:
        yield folder


@pytest.fixture
def manager(models: str) -> Iterator[ModelManager]:
    """Of these models, on the CPU."""
    from captioner.models.manager import ModelManager

    manager = ModelManager(models=models, device="cpu")
    yield manager
    manager.close()


@pytest.fixture
def worker() -> Iterator[Worker]:
    """The worker of `service`."""
    with Worker() as worker:
        yield worker


@pytest.fixture
def service(tmp_path: Path, worker: Worker) -> Iterator[Service]:
    """A service over an empty workspace (the folder work) and fake models."""
    from captioner.models.manager import ModelManager
    from captioner.service.service import Service  # loads Gradio, which most tests do without
    from captioner.workspace import Workspace
    from tests.fakes import fake_models

    with (
        fake_models(tmp_path / "models") as models,
        Workspace(tmp_path / "work") as workspace,
        closing(ModelManager(models=models, device="cpu")) as manager,
        worker,  # ends before what it works on does
    ):
        yield Service(workspace, worker, manager)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """Runs command lines in the folder work, with the fake models."""
    from tests.fakes import fake_models
    from tests.shell import Shell

    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with fake_models(tmp_path / "models") as models:
        yield Shell(folder, models, capsys)

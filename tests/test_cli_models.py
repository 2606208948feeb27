"""`python -m captioner models`: fetching models for machines that will be offline, and checking files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from captioner.cli.models import _progress
from captioner.errors import ModelNotFound
from captioner.models import sources
from tests.shell import Shell


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of models that were fetched, which come at once; blip-large cannot be reached."""
    names: list[str] = []

    def steps(spec: Any, **_: Any) -> Iterator[tuple[int, int]]:
        yield 5_000_000, 10_000_000
        if spec.name == "blip-large":
            raise ModelNotFound("blip-large could not be downloaded from the hub: it is away. Try again.")
        names.append(spec.name)

    monkeypatch.setattr("captioner.models.downloads.download_steps", steps)
    monkeypatch.setattr(sources, "is_cached", lambda spec: spec.name in names or spec.is_demo)
    return names


def test_models_are_fetched_by_name_each_for_itself(shell: Shell, fetched: list[str]) -> None:
    ran = shell("models", "--download", "blip-base", "blip-large", "clip-v1", "blip-demo")
    assert ran.status == 1
    assert ran.out.splitlines() == ["blip-base is here now.", "clip-v1 is here now.", "blip-demo is here already."]
    assert ran.err.splitlines() == [
        "captioner: blip-large could not be downloaded from the hub: it is away. Try again."
    ]
    assert fetched == ["blip-base", "clip-v1"]
    [again] = shell("models", "--download", "blip-base", "--json").objects
    assert again == {"name": "blip-base", "is_well": True, "said": "blip-base is here already."}


def test_a_name_that_nobody_knows_is_said_before_anything_is_fetched(shell: Shell, fetched: list[str]) -> None:
    ran = shell("models", "--download", "blip-base", "nobody")
    assert (ran.status, fetched) == (2, [])
    assert "no model is called 'nobody'" in ran.err


def test_a_folder_of_models_that_is_not_there_is_said(shell: Shell) -> None:
    ran = shell("models", "--models", "no such folder")
    assert (ran.status, ran.out) == (2, "")
    assert "models is 'no such folder'; it must be auto, hub, demo or a folder" in ran.err


def test_what_the_hub_does_not_have_cannot_be_checked(shell: Shell) -> None:
    ran = shell("models", "--verify", "blip-demo")
    assert ran.status == 1
    assert ran.err == "captioner: blip-demo is on no hub, so there is nothing to compare it with.\n"


def test_a_download_is_told_with_its_rate_and_the_time_left() -> None:
    known = {"done_bytes": 120_000_000, "total_bytes": 990_000_000, "bytes_a_second": 11_200_000, "seconds_left": 78}
    assert _progress("blip-base", known) == "blip-base: 120 of 990 MB, 11.2 MB/s, 78 s left"
    assert _progress("blip-base", {}) == "blip-base: 0 MB"

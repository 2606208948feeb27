"""benchmarks.images: both ways of opening give equal pixels. benchmarks.fuzz_pictures: the same mutants every time, of
all formats, and a watch that notices what goes wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz_pictures import mutants, seeds, watch
from benchmarks.images import measure
from captioner.images import FORMATS, format_by_start, open_picture

needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc")


def test_the_seeds_are_pictures_of_all_formats() -> None:
    files = seeds()
    assert {format_by_start(data[:16]) for data in files} == set(FORMATS)
    for data in files:
        assert open_picture(data).image.mode == "RGB"


def test_a_mutant_is_the_same_file_every_time() -> None:
    several = dict(mutants(7, 3, 4))
    assert several[5] == next(mutants(7, 5, 1))[1]
    assert several[5] != next(mutants(8, 5, 1))[1]


@needs_proc
def test_every_mutant_has_an_outcome(tmp_path: Path) -> None:
    outcomes, findings, cpu_s, mb = watch(1, 0, 60, tmp_path)
    assert findings == []
    assert sum(outcomes.values()) == 60
    assert outcomes["opened"] > 0 and outcomes["damaged"] > 0
    assert cpu_s < 2 and mb < 1_000


@needs_proc
@pytest.mark.slow
def test_many_mutants_open_or_are_refused_within_limits(tmp_path: Path) -> None:
    assert watch(9, 0, 1_500, tmp_path)[1] == []


def test_both_ways_of_opening_give_equal_pixels(tmp_path: Path) -> None:
    rows = measure(tmp_path, (320, 240), 1)
    assert [row.name for row in rows] == ["jpeg", "p3_jpeg", "png", "webp"]
    assert all(row.equal for row in rows)

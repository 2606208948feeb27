"""Steps in the rounded sizes and fixed memory of CUDA graphs, on the CPU: the captions of steps as they come.

Recording is imitated (`emulated_graphs`); CUDA's own needs a device: tests/gpu/test_blip_cuda.py.
"""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from captioner.contract import inputs
from captioner.errors import ModelFailed
from captioner.models.blip import BlipCaptioner, SamplingSettings, selfcheck
from captioner.models.blip.fast import gives_fp32
from captioner.models.blip.graphs import Recorder, StepGraphs
from captioner.models.blip.tree import NodeStore
from tests.emulated_graphs import EmulatedRecorder, HostWaits
from tests.tiny_models import random_picture, save_tiny_blip

PICTURES = [random_picture(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


@pytest.fixture(scope="module")
def captioner(folder: Path) -> BlipCaptioner:
    return BlipCaptioner.load(folder, device="cpu")


def with_graphs(folder: Path, recorder: Recorder | None) -> BlipCaptioner:
    captioner = BlipCaptioner.load(folder, device="cpu")
    decoder = captioner._decoder._model.text_decoder
    decoder.graphs = StepGraphs(decoder, recorder)
    return captioner


@pytest.fixture
def stepping(folder: Path) -> BlipCaptioner:
    """One whose steps have the rounded sizes and the fixed memory of CUDA graphs, run without recording."""
    return with_graphs(folder, None)


@pytest.fixture
def given_up() -> Iterator[set[str]]:
    """Devices that graphs were given up on: none at first, and none that this test adds afterwards."""
    selfcheck._WITHOUT_GRAPHS.clear()
    yield selfcheck._WITHOUT_GRAPHS
    selfcheck._WITHOUT_GRAPHS.clear()


@pytest.mark.parametrize(
    "settings",
    [
        SamplingSettings(num_beams=8, repetition_penalty=1.4, min_length=10, max_length=40),
        SamplingSettings(method="nucleus", min_length=5, max_length=30, seed=3),
        SamplingSettings(num_beams=20, min_length=75, max_length=75),
    ],
    ids=["beam", "nucleus", "long"],
)
@pytest.mark.parametrize("is_recorded", [False, True], ids=["launched", "recorded"])
def test_steps_of_rounded_sizes_give_the_same_captions(
    captioner: BlipCaptioner, folder: Path, settings: SamplingSettings, is_recorded: bool
) -> None:
    stepping = with_graphs(folder, EmulatedRecorder() if is_recorded else None)
    for pictures in (PICTURES[:1], PICTURES[:4], PICTURES[1:4]):
        expected = captioner.caption(inputs(pictures), settings)
        found = stepping.caption(inputs(pictures), settings)
        assert [one.text for one in found] == [one.text for one in expected]
        assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)


def test_cells_of_one_picture_share_steps_in_rounded_sizes_too(captioner: BlipCaptioner, folder: Path) -> None:
    stepping = with_graphs(folder, EmulatedRecorder())
    grid = [SamplingSettings(num_beams=3, repetition_penalty=one, max_length=30) for one in (0.6, 1.0, 1.4)]
    before = captioner._decoder.computed_tokens
    expected, found = (one.caption_grid(inputs(PICTURES[:1])[0], grid) for one in (captioner, stepping))
    assert [one.text for one in found] == [one.text for one in expected]
    assert stepping._decoder.computed_tokens == captioner._decoder.computed_tokens - before


def test_a_recorded_step_that_looks_at_a_value_is_refused() -> None:
    for look in (
        lambda: torch.ones(3).nonzero(),
        lambda: torch.tensor([1.0]),
        lambda: torch.ones(2)[torch.ones(2) > 0],
    ):
        with pytest.raises(RuntimeError, match="not permitted"):
            EmulatedRecorder().record(look, torch.device("cpu"))


def test_a_size_is_recorded_once_and_other_settings_of_a_picture_copy_nothing(folder: Path) -> None:
    recorder = EmulatedRecorder()
    stepping = with_graphs(folder, recorder)
    settings = SamplingSettings(num_beams=4, max_length=30, min_length=30)
    stepping.caption(inputs(PICTURES[:1]), settings)
    before, size_bytes = recorder.count, stepping.size_bytes
    assert before > 0
    kept = stepping._decoder._model.text_decoder.graphs._pictures.layers[0][0]
    with torch.inference_mode():
        kept[0, 0, 0, 0] += 1e-6
    changed = float(kept[0, 0, 0, 0])
    stepping.caption(inputs(PICTURES[:1]), settings.replaced(repetition_penalty=1.2))
    assert recorder.count == before
    assert float(kept[0, 0, 0, 0]) == changed
    assert stepping.size_bytes == size_bytes


def test_recordings_outlast_what_is_remembered_of_pictures_and_go_when_the_model_moves(folder: Path) -> None:
    recorder = EmulatedRecorder()
    stepping = with_graphs(folder, recorder)
    graphs = weakref.ref(stepping._decoder._model.text_decoder.graphs)
    settings = SamplingSettings(num_beams=4, max_length=30)
    stepping.caption(inputs(PICTURES[:1]), settings)
    count, size_bytes = recorder.count, stepping.size_bytes
    stepping.release_memory()
    assert stepping.size_bytes < size_bytes
    stepping.caption(inputs(PICTURES[1:2]), settings)
    assert recorder.count == count
    stepping.move_to("cpu")
    assert graphs() is None


def test_batches_of_fewer_pictures_in_between_leave_recordings_as_they_are(folder: Path) -> None:
    recorder = EmulatedRecorder()
    stepping = with_graphs(folder, recorder)
    settings = SamplingSettings(num_beams=3, max_length=30, min_length=30)
    stepping.caption(inputs(PICTURES), settings)
    stepping.caption(inputs(PICTURES[:3]), settings)
    count = recorder.count
    for pictures in (PICTURES, PICTURES[2:5], PICTURES):
        stepping.caption(inputs(pictures), settings)
    assert recorder.count == count


def test_what_recordings_take_counts(folder: Path) -> None:
    counted = {}
    for recorder in (None, EmulatedRecorder()):
        stepping = with_graphs(folder, recorder)
        stepping.caption(inputs(PICTURES[:1]), SamplingSettings(num_beams=4, max_length=30))
        counted[recorder is not None] = stepping.size_bytes
    assert counted[True] > counted[False] + 10_000


def test_a_search_leaves_nothing_behind_but_what_is_counted(folder: Path) -> None:
    """A tree holds its pictures' keys, its nodes and the scores of all rows: 40 to 350 MB of BLIP base."""
    stepping = with_graphs(folder, None)
    stepping.caption(inputs(PICTURES), SamplingSettings(num_beams=4))
    keys = [weakref.ref(keys.layers[0][0]) for keys in map(stepping._decoder._keys_of, stepping.encode(PICTURES))]
    stepping.release_memory()
    assert [one() for one in keys] == [None] * len(PICTURES)
    assert stepping._decoder._model.text_decoder._search.tree() is None


def test_a_model_that_is_let_go_frees_its_recordings_at_once(folder: Path) -> None:
    stepping = with_graphs(folder, EmulatedRecorder())
    stepping.caption(inputs(PICTURES[:1]), SamplingSettings())
    graphs = weakref.ref(stepping._decoder._model.text_decoder.graphs)
    del stepping
    assert graphs() is None


def test_a_picture_without_numbers_spoils_no_later_search(captioner: BlipCaptioner, stepping: BlipCaptioner) -> None:
    """Memory that stays is read beyond the living nodes, with weight 0; 0 times what is no number is none either."""
    settings = SamplingSettings(num_beams=4)
    good, bad = stepping.encode(PICTURES[:2])
    bad = dataclasses.replace(bad, states=torch.full_like(bad.states, math.nan), digest="bad")
    expected = captioner.caption(inputs(PICTURES[:1]), settings)
    for _ in range(2):
        with pytest.raises(ModelFailed, match="picture 2 of 2"):
            stepping.decode([good, bad], settings)
        assert [one.text for one in stepping.decode([good], settings)] == [one.text for one in expected]


def test_filling_is_not_spoilt_by_a_picture_without_numbers_that_was_there_before(
    captioner: BlipCaptioner, stepping: BlipCaptioner
) -> None:
    settings = SamplingSettings(num_beams=4)
    encodings = stepping.encode(PICTURES[:4])
    bad = dataclasses.replace(encodings[3], states=torch.full_like(encodings[3].states, math.nan), digest="bad")
    expected = captioner.caption(inputs(PICTURES[:3]), settings)
    with pytest.raises(ModelFailed, match="picture 4 of 4"):
        stepping.decode([*encodings[:3], bad], settings)
    assert [one.text for one in stepping.decode(encodings[:3], settings)] == [one.text for one in expected]


def test_memory_that_runs_out_while_it_grows_is_as_large_as_before(
    captioner: BlipCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = NodeStore(captioner._decoder._keys_of(captioner.encode(PICTURES[:1])[0]))
    store.reserve(128)
    new_zeros, made = torch.Tensor.new_zeros, []

    def once_no_memory(tensor: torch.Tensor, *size: int) -> torch.Tensor:
        made.append(size)
        if len(made) == 3:  # the second layer's
            raise torch.OutOfMemoryError("CUDA out of memory")
        return new_zeros(tensor, *size)

    monkeypatch.setattr(torch.Tensor, "new_zeros", once_no_memory)
    for capacity in (128, 300):
        if capacity == 128:
            with pytest.raises(torch.OutOfMemoryError):
                store.reserve(300)
        else:
            store.reserve(300)
        assert {keys.shape[2] for pair in store.layers for keys in pair} == {capacity}


def test_memory_that_runs_out_takes_recordings_before_pictures_go_one_by_one(
    captioner: BlipCaptioner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepping = with_graphs(folder, EmulatedRecorder())
    settings = SamplingSettings(num_beams=4)
    stepping.caption(inputs(PICTURES[4:]), settings)
    decoder = stepping._decoder
    graphs, whole, seen = decoder._model.text_decoder.graphs, decoder._find_batch, []

    def small_memory(numbers: list[int], *more: object) -> object:
        seen.append((len(numbers), graphs.size_bytes > 0, len(decoder._keys) > 0))
        if len(seen) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(numbers, *more)

    monkeypatch.setattr(decoder, "_find_batch", small_memory)
    expected = captioner.caption(inputs(PICTURES[:4]), settings)
    assert [one.text for one in stepping.caption(inputs(PICTURES[:4]), settings)] == [one.text for one in expected]
    assert seen == [(4, True, True), (4, False, False)]


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_step_that_cannot_be_recorded_ends_recording_on_this_device_for_good(
    captioner: BlipCaptioner, folder: Path, caplog: pytest.LogCaptureFixture, given_up: set[str], failing: int
) -> None:
    recorder = EmulatedRecorder(lambda number: RuntimeError("no graphs here") if number >= failing else None)
    stepping = with_graphs(folder, recorder)
    settings = SamplingSettings(num_beams=8, min_length=20, max_length=40)
    for pictures in (PICTURES[:4], PICTURES[:1]):
        expected = captioner.caption(inputs(pictures), settings)
        assert [one.text for one in stepping.caption(inputs(pictures), settings)] == [one.text for one in expected]
    assert recorder.count == failing
    assert stepping._decoder._model.text_decoder.graphs is None
    assert given_up == {"cpu"}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "CUDA graphs are off (no graphs here)" in caplog.text


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_step_that_finds_no_memory_to_be_recorded_is_launched_instead(
    captioner: BlipCaptioner, folder: Path, failing: int
) -> None:
    recorder = EmulatedRecorder(
        lambda number: torch.OutOfMemoryError("CUDA out of memory") if number == failing else None
    )
    stepping = with_graphs(folder, recorder)
    settings = SamplingSettings(num_beams=8, min_length=20, max_length=40)
    expected = captioner.caption(inputs(PICTURES[:4]), settings)
    for _ in range(2):
        assert [one.text for one in stepping.caption(inputs(PICTURES[:4]), settings)] == [one.text for one in expected]
    assert recorder.count > failing
    assert len(stepping._decoder._model.text_decoder.graphs._steps) == recorder.count, "no size is tried twice"


@pytest.mark.usefixtures("given_up")
def test_a_device_without_graphs_is_noticed_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    selfcheck._graphs_agree.cache_clear()
    assert [selfcheck.graphs_are_supported("cpu") for _ in range(3)] == [False] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "CUDA graphs are off" in caplog.text


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_self_check_agrees_with_recording_and_notices_that_a_step_was_not_recorded(dtype: torch.dtype) -> None:
    def difference(fails: Callable[[int], Exception | None]) -> float:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(0)
            return selfcheck._graphs_difference("cpu", dtype, EmulatedRecorder(fails))

    assert difference(lambda number: None) < (1e-3 if dtype == torch.float32 else 0.05)
    for failing in (1, 2):
        assert difference(lambda number, at=failing: RuntimeError("no") if number == at else None) == math.inf


@pytest.mark.parametrize(
    "settings",
    [
        SamplingSettings(num_beams=4, min_length=30, max_length=30, no_repeat_ngram_size=2),
        SamplingSettings(method="nucleus", min_length=30, max_length=30),
    ],
    ids=["beam", "nucleus"],
)
def test_the_host_waits_once_or_twice_a_step_however_many_pictures(
    stepping: BlipCaptioner, settings: SamplingSettings
) -> None:
    waits = {}
    for count in (1, 8):
        encodings = stepping.encode(PICTURES[:count])
        stepping.decode(encodings, settings)
        with HostWaits() as seen:
            stepping.decode(encodings, settings)
        waits[count] = seen.found
        steps = settings.max_length - 4  # behind "a picture of" and the start token
        assert len(seen.found) <= 1.5 * steps + 20, seen.found
    assert abs(len(waits[1]) - len(waits[8])) <= 8


def test_where_a_device_gives_no_fp32_product_the_head_does_without(caplog: pytest.LogCaptureFixture) -> None:
    gives_fp32.cache_clear()
    assert not gives_fp32(torch.device("cpu"), torch.float16)  # torch has it for CUDA only
    assert "logits may tie" in caplog.text

"""taggers.wd14 and taggers.onnx_model: preprocessing to the pixel, batches, providers, thresholds, bad files."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.contract import inputs
from captioner.errors import BadModel, MissingPackage, ModelFailed, OutOfMemory, SettingsError
from captioner.records import Tag
from captioner.settings import Effect
from taggers import onnx_model
from taggers.wd14 import Wd14Settings, Wd14Tagger, to_wd14_input
from tests.memory_peak import memory_growth_mb
from tests.tiny_onnx import TAGS, save_labels, save_onnx, tiny_wd14


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (20, 20)) -> Image.Image:
    return Image.new("RGB", size, colour)


def bicubic_matrix(source: int, target: int) -> np.ndarray:
    """The resampling matrix of a bicubic filter (a = -0.5) that widens when it shrinks, as its textbook has it."""
    scale = max(source / target, 1.0)
    matrix = np.zeros((target, source))
    for row in range(target):
        centre = (row + 0.5) * source / target
        low, high = max(0, int(centre - 2 * scale + 0.5)), min(source, int(centre + 2 * scale + 0.5))
        x = np.abs((np.arange(low, high) - centre + 0.5) / scale)
        near = 1.5 * x**3 - 2.5 * x**2 + 1
        far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        weights = np.where(x < 1, near, np.where(x < 2, far, 0))
        matrix[row, low:high] = weights / weights.sum()
    return matrix


def expected_input(image: Image.Image, edge_px: int) -> np.ndarray:
    """The published preprocessing from its description, in plain arithmetic."""
    pixels = np.asarray(image, np.float64)
    side = max(pixels.shape[:2])
    square = np.full((side, side, 3), 255.0)
    top, left = (side - pixels.shape[0]) // 2, (side - pixels.shape[1]) // 2
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    if side != edge_px:
        matrix = bicubic_matrix(side, edge_px)
        across = np.clip(np.rint(np.einsum("ts,hsc->htc", matrix, square)), 0, 255)
        square = np.clip(np.rint(np.einsum("ts,swc->twc", matrix, across)), 0, 255)
    return square[:, :, ::-1]


@pytest.mark.parametrize("size", [(50, 50), (80, 31), (31, 80), (7, 9), (448, 200), (32, 32), (33, 32)])
@pytest.mark.parametrize("edge_px", [32, 48])
def test_preprocessing_is_as_published(size: tuple[int, int], edge_px: int) -> None:
    image = picture(*size)
    prepared = to_wd14_input(image, edge_px)
    assert (prepared.shape, prepared.dtype) == ((edge_px, edge_px, 3), np.float32)
    assert np.abs(prepared - expected_input(image, edge_px)).max() <= 1  # the library rounds its weights


def padded_then_resized(image: Image.Image, edge_px: int) -> np.ndarray:
    """As it was published, with the whole square in memory."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), (255, 255, 255))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    if side != edge_px:
        square = square.resize((edge_px, edge_px), Image.Resampling.BICUBIC)
    return np.asarray(square, dtype=np.float32)[:, :, ::-1]


def test_preprocessing_equals_padding_and_resizing_at_every_shape() -> None:
    chance = np.random.default_rng(0)
    for number in range(150):
        long, short = int(chance.integers(1, 700)), int(chance.integers(1, 30 if number % 3 else 700))
        size = (long, short) if number % 2 else (short, long)
        image = Image.fromarray(chance.choice([0, 255], (*size[::-1], 3)).astype(np.uint8))  # as harsh as can be
        edge_px = int(chance.choice([32, 48, 447, 448]))
        assert np.array_equal(to_wd14_input(image, edge_px), padded_then_resized(image, edge_px)), (size, edge_px)


def test_preprocessing_of_long_strips_is_within_a_step_of_the_published_one() -> None:
    chance = np.random.default_rng(1)
    for number in range(16):
        long, short = int(chance.integers(2_049, 4_500)), int(chance.integers(1, 400))
        size = (long, short) if number % 2 else (short, long)
        image = Image.fromarray(chance.choice([0, 255], (*size[::-1], 3)).astype(np.uint8))
        edge_px = int(chance.choice([32, 448]))
        difference = np.abs(to_wd14_input(image, edge_px) - padded_then_resized(image, edge_px))
        assert difference.max() <= 1, (size, edge_px)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("size", [(20, 60_000), (60_000, 20), (1, 65_000), (65_000, 1), (1_500, 30_000)])
def test_memory_goes_by_the_area_and_not_by_the_square_of_the_longer_side(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    with memory_growth_mb() as grown:
        to_wd14_input(image, 448)
    assert grown[0] < 100 + size[0] * size[1] * 8 / 1e6


def test_padding_is_white_and_centred_and_channels_are_blue_first() -> None:
    prepared = to_wd14_input(plain((255, 0, 10), (16, 8)), 16)
    assert np.array_equal(prepared[8, 8], [10, 0, 255])
    assert (prepared[:4] == 255).all() and (prepared[12:] == 255).all()
    assert (prepared[4:12] == [10, 0, 255]).all()


def test_scores_are_the_networks_own_and_best_first(tmp_path: Path) -> None:
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cpu")
    (tags,) = tagger.tag(inputs([plain((200, 30, 40))]), Wd14Settings())
    weights = np.random.default_rng(0).normal(0, 0.02, (3, len(TAGS))).astype(np.float32)
    wanted = 1 / (1 + np.exp(-(np.array([40.0, 30.0, 200.0]) @ weights)))
    by_name = {tag.name: tag.score for tag in tags}
    assert by_name == pytest.approx(
        {name: wanted[i] for i, (name, _) in enumerate(TAGS) if wanted[i] >= 0.01}, abs=1e-5
    )
    assert [tag.score for tag in tags] == sorted((tag.score for tag in tags), reverse=True)
    assert {tag.name: tag.category for tag in tags}["mikan_(cat)"] == "character"
    assert {tag.source for tag in tags} == {"wd14"}


@pytest.mark.parametrize("batch", [1, 3, "batch"])
def test_a_batch_gives_what_single_pictures_give(
    tmp_path: Path, batch: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path, batch=batch), device="cpu")
    pictures = [picture(20 + n, 30 - n, n) for n in range(5)]
    single = [tagger.tag(inputs([image]), Wd14Settings())[0] for image in pictures]
    monkeypatch.setitem(onnx_model._BATCH, "CPUExecutionProvider", 4)
    together = tagger.tag(inputs(pictures), Wd14Settings())
    assert [[t.name for t in tags] for tags in together] == [[t.name for t in tags] for tags in single]
    for one, many in zip(single, together, strict=True):
        assert [t.score for t in many] == pytest.approx([t.score for t in one], abs=1e-6)
    assert tagger.tag(inputs([]), Wd14Settings()) == []


def test_edge_and_batch_are_read_from_the_graph(tmp_path: Path) -> None:
    model = Wd14Tagger.load(tiny_wd14(tmp_path, edge_px=24, batch=1), device="cpu")._model
    assert (model.edge_px, model.fixed_batch, model.output_count) == (24, 1, len(TAGS))


def test_it_says_what_runs_it(tmp_path: Path) -> None:
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cpu")
    assert (tagger.device, tagger.runtime, tagger.precision) == ("cpu", "CPUExecutionProvider", "fp32")
    assert tagger.size_bytes == (tmp_path / "model.onnx").stat().st_size
    assert len(tagger.revision) == 12 and int(tagger.revision, 16) >= 0


def test_another_file_has_another_revision(tmp_path: Path) -> None:
    one, two = (Wd14Tagger.load(tiny_wd14(tmp_path / str(n), seed=n), device="cpu") for n in range(2))
    assert one.revision != two.revision


def test_a_batch_that_finds_no_memory_is_halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cpu")
    monkeypatch.setitem(onnx_model._BATCH, "CPUExecutionProvider", 4)
    session, sizes = tagger._model._session, []

    class Small:
        def __init__(self, most: int) -> None:
            self.most = most

        provider = "CPUExecutionProvider"

        def run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            sizes.append(len(feed["input"]))
            if sizes[-1] > self.most:
                raise RuntimeError("Failed to allocate memory for requested buffer of size 1")
            return session.run(names, feed)

    tagger._model._session = Small(1)
    assert len(tagger.tag(inputs([plain((n, 0, 0)) for n in range(5)]), Wd14Settings())) == 5
    assert sizes == [4, 2, 1, 1, 1, 1, 1]
    tagger._model._session = Small(0)
    with pytest.raises(OutOfMemory, match="not enough memory for even one picture"):
        tagger.tag(inputs([plain((1, 0, 0))]), Wd14Settings())


def test_nan_scores_are_left_out_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bias = np.zeros(len(TAGS), np.float32)
    bias[4] = np.nan
    save_onnx(tmp_path / "model.onnx", np.zeros((3, len(TAGS)), np.float32), bias=bias)
    save_labels(tmp_path / "selected_tags.csv")
    (tags,) = Wd14Tagger.load(tmp_path, device="cpu").tag(inputs([plain((1, 2, 3))]), Wd14Settings())
    assert [t.name for t in tags] == [name for name, _ in TAGS if name != "reddish"]
    assert f"gave no number for 1 of {len(TAGS)} tags" in caplog.text
    bias[:] = np.nan
    save_onnx(tmp_path / "model.onnx", np.zeros((3, len(TAGS)), np.float32), bias=bias)
    with pytest.raises(ModelFailed, match="wd14 gave no number for this picture; leave it out"):
        Wd14Tagger.load(tmp_path, device="cpu").tag(inputs([plain((1, 2, 3))]), Wd14Settings())


def test_scores_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    save_onnx(tmp_path / "model.onnx", np.full((3, len(TAGS)), 1, np.float32), sigmoid=False)
    save_labels(tmp_path / "selected_tags.csv")
    tagger = Wd14Tagger.load(tmp_path, device="cpu")
    with pytest.raises(ModelFailed, match="not probabilities"):
        tagger.tag(inputs([plain((9, 9, 9))]), Wd14Settings())


TAGGED = [
    Tag("reddish", 0.9, "general", "wd14"),
    Tag("general", 0.8, "rating", "wd14"),
    Tag("mikan_(cat)", 0.7, "character", "wd14"),
    Tag("greenish", 0.35, "general", "wd14"),
    Tag("mocha_(dog)", 0.1, "character", "wd14"),
    Tag("sensitive", 0.06, "rating", "wd14"),
    Tag("bluish", 0.05, "general", "wd14"),
]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["reddish", "greenish"]),
        ({"character_threshold": 0.7}, ["reddish", "mikan_(cat)", "greenish"]),
        ({"general_threshold": 0.36}, ["reddish"]),
        ({"general_threshold": 0.0, "character_threshold": 0.0, "ratings": True},
         ["reddish", "mikan_(cat)", "greenish", "mocha_(dog)", "bluish", "general"]),
        ({"use_mcut": True}, ["reddish", "mikan_(cat)"]),
    ],
)  # fmt: skip
def test_what_is_kept(settings: dict[str, object], names: list[str]) -> None:
    assert [tag.name for tag in Wd14Tagger.select(TAGGED, Wd14Settings(**settings))] == names


def test_automatic_thresholds_admit_no_unlikely_character() -> None:
    tags = [Tag("mocha_(dog)", 0.14, "character", "wd14"), Tag("mikan_(cat)", 0.02, "character", "wd14")]
    assert Wd14Tagger.select(tags, Wd14Settings(use_mcut=True)) == []


def test_every_setting_only_composes() -> None:
    assert {field.effect for field in Wd14Settings.fields()} == {Effect.COMPOSE}


def test_a_threshold_that_is_no_number_is_refused() -> None:
    with pytest.raises(SettingsError, match="general_threshold is nan; it must be a number between 0 and 1"):
        Wd14Settings(general_threshold=math.nan)


def test_a_missing_onnxruntime_is_named_with_its_pip_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackage, match=r"needs onnxruntime: pip install onnxruntime-gpu"):
        Wd14Tagger.load(tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["model.onnx", "selected_tags.csv"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no {name}; copy the model's folder again"),
        (b"", "{name} is empty; download it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "{name} is a Git LFS pointer"),
    ],
)
def test_files_that_are_not_there_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tiny_wd14(tmp_path) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadModel, match=message.format(name=name)):
        Wd14Tagger.load(tmp_path, device="cpu")


def test_a_truncated_graph_is_refused(tmp_path: Path) -> None:
    path = tiny_wd14(tmp_path) / "model.onnx"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadModel, match=r"model\.onnx cannot be read .*; download it again"):
        Wd14Tagger.load(tmp_path, device="cpu")


def test_a_graph_of_another_kind_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    tiny_wd14(tmp_path)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 16, 16])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    save(model, tmp_path / "model.onnx")
    with pytest.raises(BadModel, match=r"shape \[1, 3, 16, 16\]; expected one input of square pictures"):
        Wd14Tagger.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tag_id,name,category,count\n1,a,0,5\n", "names 1 tags but model.onnx has 11 outputs"),
        ("tag_id,name,category,count\n", "has no tags"),
        ("id,tag\n1,a\n", "has no columns name and category"),
        ("tag_id,name,category,count\n1,a,7,5\n", "line 2: category '7' of 'a' is not one of 0, 4, 9"),
        ("tag_id,name,category,count\n1\n", "line 2: category None"),
        ("tag_id,name,category,count\n1," + "a" * 140_000 + ",0,5\n", "is no table of tags .field larger than"),
        ("tag_id,name,category,count\n1,f\u00fcnf,0,5\n".encode("latin-1"), "is not UTF-8 text"),
    ],
)  # fmt: skip
def test_label_files_that_do_not_fit_are_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tiny_wd14(tmp_path) / "selected_tags.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadModel, match=message):
        Wd14Tagger.load(tmp_path, device="cpu")

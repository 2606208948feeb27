"""taggers.deepdanbooru: preprocessing as published, its threshold, its files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.contract import inputs
from captioner.errors import BadModel
from captioner.models import registry
from captioner.records import Tag
from captioner.settings import Effect
from taggers.deepdanbooru import DeepDanbooruSettings, DeepDanbooruTagger, to_deepdanbooru_input
from tests.memory_peak import memory_growth_mb
from tests.tiny_onnx import save_onnx

TAGS = (("reddish", 0), ("bluish", 0), ("mikan_(cat)", 4), ("rating:safe", 9), ("rating:explicit", 9))


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def tiny_deepdanbooru(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    weights = np.random.default_rng(1).normal(0, 3, (3, len(TAGS))).astype(np.float32)
    save_onnx(folder / "deepdanbooru.onnx", weights, edge_px=16)
    rows = [f"{name},{name}_now,{category}" for name, category in TAGS]
    (folder / "deepdanbooru_tags.csv").write_text("\n".join(["name,real_name,category", *rows]) + "\n")
    return folder


def area_matrix(old: int, new: int) -> np.ndarray:
    """How much of each old pixel every new pixel covers."""
    matrix = np.zeros((new, old))
    for row in range(new):
        start, end = row * old / new, (row + 1) * old / new
        for column in range(old):
            matrix[row, column] = max(0.0, min(end, column + 1) - max(start, column)) * new / old
    return matrix


def shift_matrix(old: int, edge_px: int) -> np.ndarray:
    """Centre in edge_px, repeat the ends, interpolate where the centre falls between pixels."""
    matrix = np.zeros((edge_px, old))
    for row in range(edge_px):
        place = row - (edge_px - old) / 2
        for neighbour, weight in ((int(np.floor(place)), 1 - place % 1), (int(np.floor(place)) + 1, place % 1)):
            matrix[row, min(max(neighbour, 0), old - 1)] += weight
    return matrix


@pytest.mark.parametrize(
    "size", [(16, 16), (32, 32), (50, 50), (40, 17), (17, 40), (100, 3), (7, 5), (16, 9), (5, 16), (160, 31), (1, 1)]
)
def test_preprocessing_is_as_published(size: tuple[int, int]) -> None:
    edge_px = 16
    image = picture(*size)
    width, height = size
    scale = edge_px / max(size)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    rows = shift_matrix(new_height, edge_px) @ area_matrix(height, new_height)
    columns = shift_matrix(new_width, edge_px) @ area_matrix(width, new_width)
    wanted = np.einsum("rh,cw,hwk->rck", rows, columns, np.asarray(image, np.float64)) / 255
    found = to_deepdanbooru_input(image, edge_px)
    assert (found.shape, found.dtype) == ((edge_px, edge_px, 3), np.float32)
    assert np.abs(found - wanted).max() < 1e-5


def test_pieces_of_a_picture_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(301, 97)
    whole = to_deepdanbooru_input(image, 32)
    monkeypatch.setattr("taggers.deepdanbooru._PIECE_PIXELS", 97 * 7)
    assert np.array_equal(to_deepdanbooru_input(image, 32), whole)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("size", [(20, 60_000), (60_000, 20), (1, 65_000), (4_000, 4_000)])
def test_memory_goes_by_the_area(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    with memory_growth_mb() as grown:
        to_deepdanbooru_input(image, 512)
    assert grown[0] < 150 + size[0] * size[1] * 8 / 1e6


def test_padding_repeats_the_edge_and_channels_are_red_first() -> None:
    image = Image.new("RGB", (16, 8), (255, 0, 51))
    image.paste((0, 255, 0), (0, 0, 16, 1))
    prepared = to_deepdanbooru_input(image, 16)
    assert np.allclose(prepared[:5], [0, 1, 0])
    assert np.allclose(prepared[5:], [1, 0, 0.2])


@pytest.mark.parametrize("subfolder", ["", "deepdanbooru"])
def test_it_tags_from_a_folder_or_the_repositorys_subfolder(tmp_path: Path, subfolder: str) -> None:
    tiny_deepdanbooru(tmp_path / subfolder)
    tagger = DeepDanbooruTagger.load(tmp_path, device="cpu")
    (tags,) = tagger.tag(inputs([Image.new("RGB", (20, 20), (200, 30, 40))]), DeepDanbooruSettings())
    weights = np.random.default_rng(1).normal(0, 3, (3, len(TAGS)))
    wanted = 1 / (1 + np.exp(-(np.array([200, 30, 40]) / 255 @ weights)))
    scores = {name: score for (name, _), score in zip(TAGS, wanted, strict=True) if score >= 0.01}
    assert {tag.name: tag.score for tag in tags} == pytest.approx(scores, abs=1e-4)
    assert [tag.name for tag in tags] == sorted(scores, key=lambda name: -scores[name])
    assert {tag.source for tag in tags} == {"deepdanbooru"}
    assert (tagger.runtime, tagger.device, tagger.precision) == ("CPUExecutionProvider", "cpu", "fp32")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["a", "b"]),
        ({"deepdanbooru_threshold": 0.6}, ["a"]),
        ({"deepdanbooru_threshold": 0.0, "deepdanbooru_ratings": True}, ["a", "b", "c", "rating:safe"]),
        ({"deepdanbooru_threshold": 1.0, "deepdanbooru_ratings": True}, ["rating:safe"]),
    ],
)
def test_the_threshold_really_filters(settings: dict[str, object], names: list[str]) -> None:
    tags = [
        Tag("a", 0.9, "general", "deepdanbooru"),
        Tag("rating:safe", 0.8, "rating", "deepdanbooru"),
        Tag("b", 0.5, "character", "deepdanbooru"),
        Tag("rating:explicit", 0.4, "rating", "deepdanbooru"),
        Tag("c", 0.3, "general", "deepdanbooru"),
    ]
    kept = DeepDanbooruTagger.select(tags, DeepDanbooruSettings.from_mapping(settings))
    assert [tag.name for tag in kept] == names


def test_every_setting_only_composes() -> None:
    assert {field.effect for field in DeepDanbooruSettings.fields()} == {Effect.COMPOSE}


def test_the_registry_knows_it() -> None:
    spec = registry.find("deepdanbooru")
    assert spec.load_class() is DeepDanbooruTagger
    assert spec.files[0] == f"{DeepDanbooruTagger.subfolder}/{DeepDanbooruTagger.weights_name}"
    assert spec.files[1] == f"{DeepDanbooruTagger.subfolder}/{DeepDanbooruTagger.labels_name}"


@pytest.mark.parametrize("name", ["deepdanbooru.onnx", "deepdanbooru_tags.csv"])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    (tiny_deepdanbooru(tmp_path) / name).unlink()
    with pytest.raises(BadModel, match=name):
        DeepDanbooruTagger.load(tmp_path, device="cpu")


def test_labels_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tiny_deepdanbooru(tmp_path) / "deepdanbooru_tags.csv"
    path.write_text("name,real_name,category\na,a,0\n")
    with pytest.raises(BadModel, match=r"names 1 tags but deepdanbooru\.onnx has 5 outputs"):
        DeepDanbooruTagger.load(tmp_path, device="cpu")

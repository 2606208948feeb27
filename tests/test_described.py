"""taggers.described: ONNX taggers as data, in the layouts of JoyTag, Camie and CL and in one of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

from captioner.__main__ import main
from captioner.captions.plan import Plan
from captioner.contract import inputs
from captioner.errors import BadModel
from captioner.models import registry
from captioner.records import Tag
from taggers.described import DescribedSettings, DescribedTagger
from taggers.tagger_description import KNOWN
from tests.fakes import fake_models
from tests.test_wd14 import picture
from tests.tiny_onnx import save_labels, save_onnx

TAGS = (
    ("1girl", "general"),
    ("red_hair", "general"),
    ("mikan", "character"),
    ("a_series", "copyright"),
    ("Ada", "artist"),
)
MORE = (*TAGS, ("highres", "meta"), ("best_quality", "quality"), ("worst_quality", "quality"), ("safe", "rating"))
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "plug-ins.md"
EDGE = 64


def weights(count: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1.5, (3, count)).astype(np.float32)


def joytag(folder: Path) -> None:
    save_onnx(folder / "model.onnx", weights(len(MORE)), edge_px=448, sigmoid=False, is_channels_first=True)
    (folder / "top_tags.txt").write_text("\n".join(name for name, _ in MORE) + "\n\n")


def camie(folder: Path) -> None:
    path = folder / "camie-tagger-v2.onnx"
    other = weights(len(MORE), seed=9)
    save_onnx(path, weights(len(MORE)), sigmoid=False, is_channels_first=True, is_edge_open=True, first_output=other)
    mapping = {
        "idx_to_tag": {str(place): name for place, (name, _) in enumerate(MORE)},
        "tag_to_category": dict(MORE),
    }
    told = {"model_info": {"img_size": 512}, "dataset_info": {"total_tags": len(MORE), "tag_mapping": mapping}}
    (folder / "camie-tagger-v2-metadata.json").write_text(json.dumps(told))


def cl(folder: Path) -> None:
    (folder / "cl_tagger_1_02").mkdir()
    path = folder / "cl_tagger_1_02" / "model.onnx"
    save_onnx(path, weights(len(MORE)), edge_px=448, batch=1, sigmoid=False, is_channels_first=True)
    told = {str(place): {"tag": name, "category": kind.capitalize()} for place, (name, kind) in enumerate(MORE)}
    (folder / "cl_tagger_1_02" / "tag_mapping.json").write_text(json.dumps(told))


def padded(image: Image, edge_px: int) -> NDArray[np.float64]:
    side = max(image.size)
    square = PIL.Image.new("RGB", (side, side), (255, 255, 255))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return np.asarray(square.resize((edge_px, edge_px), Resampling.BICUBIC), np.float64) / 255


def shrunk(image: Image, edge_px: int) -> NDArray[np.float64]:
    scale = edge_px / max(image.size)
    small = image.resize((int(image.width * scale), int(image.height * scale)), Resampling.LANCZOS)
    square = PIL.Image.new("RGB", (edge_px, edge_px), (124, 116, 104))
    square.paste(small, ((edge_px - small.width) // 2, (edge_px - small.height) // 2))
    return np.asarray(square, np.float64) / 255


# How each network is to be fed, from its authors' code and in plain arithmetic.
FED: dict[str, tuple[Callable[[Path], None], Callable[[Image], NDArray[np.float64]]]] = {
    "joytag": (
        joytag,
        lambda image: (padded(image, 448) - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711],
    ),
    "camie-tagger-v2": (camie, lambda image: (shrunk(image, 512) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
    "cl-tagger-1.02": (cl, lambda image: (padded(image, 448)[:, :, ::-1] - 0.5) / 0.5),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with those of `FED`."""
    models = tmp_path_factory.mktemp("described")
    for name, (make, _) in FED.items():
        (models / name).mkdir()
        make(models / name)
    return models


def test_every_known_model_is_tried_here_and_registered() -> None:
    assert set(FED) == set(KNOWN) == {spec.name for spec in registry.of_family("onnx")}


@pytest.mark.parametrize("name", FED)
def test_each_layout_is_fed_and_read_as_its_authors_do(folders: Path, name: str) -> None:
    tagger = DescribedTagger.load(folders / name, device="cpu", spec=registry.find(name))
    images = [picture(90, 50), picture(40, 700, seed=2)]
    for image, tags in zip(images, tagger.tag(inputs(images), DescribedSettings()), strict=True):
        fed = FED[name][1](image).mean((0, 1))
        wanted = 1 / (1 + np.exp(-(fed @ weights(len(MORE)))))
        kinds = {one: "general" if name == "joytag" else kind for one, kind in MORE}
        scores = {one: score for (one, _), score in zip(MORE, wanted, strict=True) if score >= 0.01}
        assert {tag.name: tag.score for tag in tags} == pytest.approx(scores, abs=0.003)
        assert {tag.name: tag.category for tag in tags} == {one: kinds[one] for one in scores}


@pytest.mark.parametrize("name", FED)
def test_each_is_known_by_its_files_under_any_name(folders: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(folders / name, target_is_directory=True)
    assert DescribedTagger.accepts(tmp_path / "mine")
    assert len(DescribedTagger.load(tmp_path / "mine", device="cpu").known_tags) >= len(TAGS)
    assert not DescribedTagger.accepts(tmp_path)


def described(folder: Path, **changes: Any) -> Path:
    """The description of the document, with a tiny model that it fits and these changes; None takes a key out."""
    [text] = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    told = {**json.loads(text), "edge_px": 0, **changes}
    folder.mkdir(parents=True, exist_ok=True)
    save_onnx(folder / "model.onnx", weights(len(MORE)), edge_px=EDGE, sigmoid=False, is_channels_first=True)
    (folder / "tags.json").write_text(
        json.dumps({"idx_to_tag": {str(n): name for n, (name, _) in enumerate(MORE)}, "tag_to_category": dict(MORE)})
    )
    kept = {key: value for key, value in told.items() if value is not None}
    (folder / "tagger.json").write_text(json.dumps(kept))
    return folder


def test_a_folder_of_ones_own_tags_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = described(tmp_path / "mine", thresholds={"general": 0.0, "character": 1.0})
    picture(50, 50).save(tmp_path / "a.png")
    with fake_models(tmp_path / "models") as models:
        words = ["caption", str(tmp_path / "a.png"), "--models", models, "--device", "cpu", "--json", "--captioner", ""]
        assert main([*words, "--onnx", str(folder)]) == 0
        [said] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {tag["name"].replace(" ", "_") for tag in said["tags"]} == {"1girl", "red_hair"}
        assert main([*words, "--onnx", str(folder), "--onnx-general-threshold", "1", "--onnx-ratings"]) == 0
        [said] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [tag["name"] for tag in said["tags"]] == ["safe"]


def test_its_thresholds_begin_where_the_description_says(tmp_path: Path) -> None:
    folder = described(tmp_path / "mine")
    [planned] = Plan.from_flat({"captioner": "", "onnx": str(folder)}).taggers
    assert (planned.settings.general_threshold, planned.settings.character_threshold) == (0.55, 0.6)  # type: ignore[attr-defined]
    [planned] = Plan.from_flat({"captioner": "", "onnx": "mine"}, models=str(tmp_path)).taggers
    assert planned.settings.general_threshold == 0.55  # type: ignore[attr-defined]
    [planned] = Plan.from_flat({"captioner": "", "onnx": str(folder), "onnx_general_threshold": 0.2}).taggers
    assert planned.settings.general_threshold == 0.2  # type: ignore[attr-defined]


def test_softmax_and_channels_last_and_a_table_of_labels(tmp_path: Path) -> None:
    more = {"label_format": "csv", "labels": "tags.csv", "layout": "nhwc", "scale": 255, "mean": None, "std": None}
    folder = described(tmp_path, activation="softmax", channels="rgb", fit="stretch", **more)
    save_onnx(folder / "model.onnx", weights(3) / 500, edge_px=EDGE, sigmoid=False)
    save_labels(folder / "tags.csv", [("grass", "general"), ("Ada", 4), ("a_series", 3)])
    tagger = DescribedTagger.load(folder, device="cpu")
    image = PIL.Image.new("RGB", (30, 90), (10, 200, 30))
    [tags] = tagger.tag(inputs([image]), DescribedSettings())
    raised = np.exp(np.array([10, 200, 30]) @ weights(3) / 500)
    assert sum(tag.score for tag in tags) == pytest.approx(1, abs=0.02)
    by_name = {tag.name: tag.score for tag in tags}
    assert by_name["grass"] == pytest.approx(raised[0] / raised.sum(), rel=1e-3)
    assert {tag.name: tag.category for tag in tags}["a_series"] == "copyright"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": None}, "does not say weights; it must name these files beside it"),
        ({"weights": "../model.onnx"}, 'weights "../model.onnx", but it must be the name of a file beside it'),
        ({"weights": "model.bin"}, "is a pickle"),
        ({"weights": "other.onnx"}, "has no other.onnx"),
        ({"labels": "other.json"}, "has no other.json"),
        ({"layout": "nhwc"}, "expected one input of square pictures"),
        ({"layout": "hwc"}, 'layout "hwc", but it must be "nchw" or "nhwc"'),
        ({"output": 3}, "has no output 3; its outputs are output, counted from 0"),
        ({"output": "probs"}, "has no output 'probs'"),
        ({"std": [1, 0, 1]}, "std a list, but it must be a list of 3"),
        ({"label_format": "lines"}, "names 1 tags but model.onnx has 9 outputs"),
        ({"activation": "none"}, "are not probabilities"),
        ({"preprocess": "import os"}, "has preprocess, which is none of what it may say here"),
        (
            {"categories": {"7": "charactr"}},
            "categories an object, but it must be an object whose values are of",
        ),
        ({"thresholds": {"general": 2}}, "general 2, but it must be a number from 0 to 1"),
    ],
)
def test_a_description_that_will_not_do_is_refused_with_a_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = described(tmp_path, **changes)
    with pytest.raises(Exception, match=re.escape(message)) as caught:
        tagger = DescribedTagger.load(folder, device="cpu")
        tagger.tag(inputs([PIL.Image.new("RGB", (9, 9), (0, 255, 0))]), DescribedSettings())
    assert type(caught.value).__name__ in ("BadModel", "ModelFailed")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("[]", "has no tags"),
        ("{", "cannot be read as JSON"),
        ("3", "does not map numbers to tags"),
        ('{"0": "a"}', "does not map numbers to tags"),
        ('{"idx_to_tag": {"0": "a"}, "tag_to_category": {}}', "does not map numbers to tags"),
        ('{"1": {"tag": "a", "category": "General"}}', "leaves out the tag of some outputs"),
        ('{"0": {"tag": 3, "category": "General"}}', "the name or category of output 0 is 3"),
    ],
)
def test_label_files_that_will_not_do(tmp_path: Path, labels: str, message: str) -> None:
    folder = described(tmp_path)
    (folder / "tags.json").write_text(labels)
    with pytest.raises(BadModel, match=re.escape(message)):
        DescribedTagger.load(folder, device="cpu")


def test_a_folder_without_description_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"has no tagger.json that says what the tagger is like"):
        DescribedTagger.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["1girl", "mikan"]),
        ({"copyrights": True, "artists": True}, ["1girl", "mikan", "a_series", "Ada"]),
        ({"meta": True, "general_threshold": 0.0}, ["1girl", "mikan", "highres", "red_hair"]),
        ({"ratings": True, "quality": True, "general_threshold": 1.0}, ["mikan", "best_quality", "safe"]),
    ],
)
def test_switches_say_which_categories_reach_the_caption(settings: dict[str, Any], names: list[str]) -> None:
    scores = {"1girl": 0.9, "red_hair": 0.1, "mikan": 0.8, "a_series": 0.7, "Ada": 0.65, "highres": 0.3}
    kinds = dict(MORE)
    tags = [Tag(name, scores.get(name, 0.05), kinds[name], "onnx") for name, _ in MORE]
    tags.sort(key=lambda tag: -tag.score)
    assert [tag.name for tag in DescribedTagger.select(tags, DescribedSettings(**settings))] == names

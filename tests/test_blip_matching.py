"""captioner.models.blip.matcher: BLIP's matching head tells which of two captions fits a picture better."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BlipForImageTextRetrieval, BlipProcessor

from captioner.__main__ import main
from captioner.captions.layers import due, in_reading_order
from captioner.captions.plan import Plan
from captioner.contract import inputs
from captioner.errors import BadModel, ModelFailed
from captioner.lab.voices import Voices, score_set
from captioner.models import registry, sources
from captioner.models.blip import BlipMatcher
from captioner.models.manager import ModelManager
from captioner.pipeline import PictureSource, caption_pictures
from tests.tiny_models import random_picture, save_tiny_blip, save_tiny_matching

PICTURE = random_picture(0, width=90, height=40)
SHOWN = inputs([PICTURE])[0]
CAPTIONS = ["a red dog", "a blue cat sits on a tree in the street", "two stars, above the house", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_matching(tmp_path_factory.mktemp("models") / "tiny-matching")


@pytest.fixture
def matcher(folder: Path) -> BlipMatcher:
    return BlipMatcher.load(folder, device="cpu")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Callable[[Any, str], float]:
    """The log-odds of a match as one would get them with transformers alone."""
    model = BlipForImageTextRetrieval.from_pretrained(folder, dtype=torch.float32).eval()
    processor = BlipProcessor.from_pretrained(folder)

    def odds(picture: Any, text: str) -> float:
        with torch.no_grad():
            [[no, yes]] = model(**processor(images=picture, text=text, return_tensors="pt")).itm_score.tolist()
        return float(yes - no)

    return odds


def test_opinions_are_the_differences_of_what_transformers_gives_pair_by_pair(
    matcher: BlipMatcher, plain: Callable[[Any, str], float]
) -> None:
    rivals = {CAPTIONS[0]: ["a red cat", "a blue dog"], CAPTIONS[1]: [CAPTIONS[1].replace("cat", "dog")], "a": []}
    found = matcher.opinions(SHOWN, rivals)
    assert {caption: [*said] for caption, said in found.items()} == rivals
    for caption, said in found.items():
        for text, opinion in said.items():
            expected = plain(PICTURE, text) - plain(PICTURE, caption)
            assert opinion.preference == pytest.approx(expected, abs=1e-4)
            assert opinion.change is None
    assert len({round(opinion.preference, 3) for said in found.values() for opinion in said.values()}) == 3


def test_a_batch_is_as_each_text_alone_and_keeps_its_order(
    matcher: BlipMatcher, plain: Callable[[Any, str], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.models.blip.matching._MAX_TEXTS", 3)
    tokens = [matcher._head.tokens(text) for text in CAPTIONS]
    together = matcher._head.odds(SHOWN, tokens)
    assert together == pytest.approx([matcher._head.odds(SHOWN, [one])[0] for one in tokens], abs=1e-4)
    assert together == pytest.approx([plain(PICTURE, text) for text in CAPTIONS], abs=1e-4)


def test_a_picture_is_looked_at_once_for_all_captions(matcher: BlipMatcher) -> None:
    looks = []
    matcher._head._model.vision_model.register_forward_hook(lambda *of: looks.append(1))
    before = matcher.size_bytes
    for caption in CAPTIONS[:3]:
        matcher.opinions(SHOWN, {caption: [f"{caption} and a cat"]})
    assert (len(looks), matcher.size_bytes > before) == (1, True)
    matcher.opinions(inputs([random_picture(1)])[0], {"a dog": ["a cat"]})
    assert len(looks) == 2
    matcher.release_memory()
    assert matcher.size_bytes == before


def test_what_is_the_same_to_blip_is_left_out_and_no_question_costs_nothing(matcher: BlipMatcher) -> None:
    matcher._head._model.vision_model.register_forward_hook(lambda *of: pytest.fail("looked at for nothing"))
    assert matcher.opinions(SHOWN, {}) == {}
    assert matcher.opinions(SHOWN, {"a dog": []}) == {"a dog": {}}


def test_a_word_behind_what_blip_reads_is_no_other_claim(matcher: BlipMatcher) -> None:
    long = "a red dog " * 60
    found = matcher.opinions(SHOWN, {long: [f"{long}cat", f"two {long}"], "a dog": ["A  Dog"]})
    assert ([*found[long]], found["a dog"]) == ([f"two {long}"], {})


def test_scores_that_are_no_numbers_are_the_picture_s_error(matcher: BlipMatcher) -> None:
    matcher._head._model.itm_head.weight.data.fill_(float("nan"))
    with pytest.raises(ModelFailed, match="BLIP's matching head gave no number for this picture"):
        matcher.opinions(SHOWN, {"a dog": ["a cat"]})


def test_it_gives_no_tags_so_no_picture_waits_for_it(matcher: BlipMatcher, folder: Path) -> None:
    assert matcher.tag([SHOWN, SHOWN], matcher.Settings()) == [(), ()]
    assert (matcher.select((), matcher.Settings()), matcher.known_tags) == ([], ())
    plan = Plan.from_flat({"captioner": "blip-demo", "matching": str(folder)}, "demo")
    assert [planned.family for planned in plan.running()] == ["blip", "matching"]
    assert [planned.family for planned in in_reading_order(plan)] == ["blip"]
    assert due((), plan) == ("blip",)
    assert Plan.from_flat(plan.to_flat(), "demo") == plan
    manager = ModelManager(models="demo", device="cpu")
    try:
        [captioned] = caption_pictures([PictureSource(id="a", open=lambda: PICTURE)], plan, manager)
        assert [layer.family for layer in captioned.layers] == ["blip"]
        assert captioned.caption is not None
        assert "matching" not in [report.family for report in manager.report()]
    finally:
        manager.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "can run code when it is"),
        (lambda folder: (folder / "config.json").unlink(), r"config\.json"),
        (lambda folder: shutil.copy(folder / "config.json", folder / "model.safetensors"), "no safetensors file"),
        (lambda folder: _without_head(folder), r"lacks tensors that its config\.json asks for: itm_head\.weight"),
        (lambda folder: _wider_head(folder), r"itm_head\.weight has shape \[3, 32\]"),
        (lambda folder: _typed(folder, "bert"), "holds a model of type 'bert'; BLIP models are of type 'blip'"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "m")
    spoil(copy)
    with pytest.raises(BadModel, match=message):
        BlipMatcher.load(copy, device="cpu")


def _without_head(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["itm_head.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _wider_head(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["itm_head.weight"] = torch.zeros(3, 32)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _typed(folder: Path, kind: str) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "model_type": kind}))


def test_captioner_and_matching_head_are_told_apart(folder: Path, tmp_path: Path) -> None:
    captioner = save_tiny_blip(tmp_path / "tiny-blip")
    assert (BlipMatcher.accepts(folder), BlipMatcher.accepts(captioner), BlipMatcher.accepts(tmp_path)) == (
        *(True, False, False),
    )
    assert sources.family_of(str(folder), "tagger", "demo") == "matching"
    with pytest.raises(BadModel, match=r"lacks tensors|not of the same model"):
        BlipMatcher.load(captioner, device="cpu")
    with pytest.raises(BadModel, match=r"lacks tensors|not of the same model"):
        registry.captioner_class("blip").load(folder, device="cpu")


@pytest.fixture(scope="module")
def manager() -> Iterator[ModelManager]:
    manager = ModelManager(models="demo", device="cpu")
    yield manager
    manager.close()


@pytest.mark.parametrize("others", [{}, {"clip": "clip-demo"}])
def test_it_takes_clip_s_voice_when_it_is_chosen(folder: Path, manager: ModelManager, others: dict[str, str]) -> None:
    plan = Plan.from_flat({"captioner": "blip-demo", "matching": str(folder), **others}, "demo")
    voices = Voices(plan, manager)
    assert voices.asked == ("blip-demo", str(folder))
    assert voices.notes == tuple(f"{clip} is not asked: {folder} compares in its place." for clip in others.values())
    assert (voices.weights.clip, voices.weights.near, voices.weights.is_calibrated) == (1.0, 6.0, False)
    voices.look_at(inputs([random_picture(1)]))
    heard = voices.hear(SHOWN, ["two large green hearts on a sandy beach"])
    rivals = {rival.text: rival for word in heard[0].reading.words for rival in word.rivals}
    assert 0 < len(heard[0].opinions) < len(rivals)
    assert min(rivals[text].gain for text in heard[0].opinions) >= -6.0
    (score,), _ = score_set(heard, voices.weights, is_edit=False)
    compared = [word for word in score.words if word.changed in heard[0].opinions]
    assert compared
    for word in compared:
        preference = heard[0].opinions[word.changed].preference
        assert word.parts["clip"] == pytest.approx(max(-6.0, min(6.0, preference)))
        assert "change" not in word.parts
        assert "matching head " in word.explained(clip="the matching head")


def test_score_asks_it_and_says_so(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PICTURE.save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("two large purple hearts on a sandy beach", encoding="utf-8")
    words = ["score", str(tmp_path / "a.png"), "--models", "demo", "--device", "cpu", "--matching", str(folder)]
    assert main([*words, "--json"]) == 0
    captured = capsys.readouterr()
    scored, over = [json.loads(line) for line in captured.out.splitlines()]
    assert over["asked"] == ["blip-demo", str(folder)]
    assert any("clip" in word["parts"] for word in scored["score"]["words"])
    why = [one["why"] for one in scored["doubtful"] if " BLIP matching " in one["why"]]
    assert why and not any("CLIP" in one for one in why)
    assert f"note: asked: blip-demo, {folder}." in captured.err


@pytest.mark.parametrize(("command", "is_offered"), [("score", True), ("caption", False)])
def test_only_what_reads_captions_offers_it(capsys: pytest.CaptureFixture[str], command: str, is_offered: bool) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert ("--matching NAME|DIR asked in place of CLIP: blip-itm-base" in shown) is is_offered
    assert ("matching" in shown) is is_offered


def test_a_sweep_is_judged_by_it_and_words_have_their_place_among_all_where_nothing_was_measured(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PICTURE.save(tmp_path / "a.png")
    words = ["sweep", str(tmp_path / "a.png"), "--models", "demo", "--device", "cpu", "--out", str(tmp_path / "grid")]
    many = ",".join(map(str, range(5, 60, 5)))
    axes = ["--x", "q_factor=0.6,1,1.4", "--y", f"min_length={many}", "--max-length", "64"]
    assert main([*words, *axes, "--score", "--judge", str(folder)]) == 0
    told = json.loads((tmp_path / "grid" / "a.json").read_text())
    assert told["scored_by"] == ["blip-demo", str(folder)]
    assert any("never measured" in note for note in told["notes"])
    cells = told["pictures"][0]["cells"]
    doubts = [doubt for cell in cells for doubt in cell["doubts"]]
    assert any("BLIP matching " in doubt["why"] for doubt in doubts)
    assert {doubt["probability"] for doubt in doubts} == {None}
    assert all(0 < doubt["share"] <= 0.05 for doubt in doubts)
    assert not any("0." in cell["parts"]["false_words"] for cell in cells)
    assert f"note: scored by blip-demo, {folder}." in capsys.readouterr().err

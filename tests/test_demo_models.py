"""The demo models say what is in a picture they have not seen, and decode as BLIP does.

Limits lie below the figures on the models' cards by more than a sample of this size strays.
"""

import json
from pathlib import Path

import pytest
from PIL import Image

from demo import evaluate
from demo.evaluate import Figures, Sample, Trio
from demo.phrases import VOCABULARIES
from demo.tags import TAGS

FOLDER = evaluate.MODELS
MODELS = ("blip-demo", "clip-demo", "wd14-demo")
SEED = 90_210
COUNT = 120


@pytest.fixture(scope="module")
def trio() -> Trio:
    return Trio.load()


@pytest.fixture(scope="module")
def sample() -> Sample:
    return evaluate.sample_from_seed(SEED, COUNT)


@pytest.fixture(scope="module")
def captions(trio: Trio, sample: Sample) -> Figures:
    return evaluate.caption_figures(trio.blip, sample)


@pytest.fixture(scope="module")
def decoding(trio: Trio, sample: Sample) -> Figures:
    return evaluate.decoding_figures(trio.blip, sample[:40])


def test_the_models_are_small_and_hold_no_pickles() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".onnx", ".csv", ".txt", ".md"}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_card_with_licence_figures_and_command(name: str) -> None:
    card = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in card
    assert "python -m demo.evaluate --seed" in card
    assert "python -m demo.train" in card
    assert "| figure | value | must | aim |" in card


def test_the_vocabularies_and_tags_are_those_of_the_code() -> None:
    for name, labels in VOCABULARIES.items():
        lines = (FOLDER / "clip-demo" / "vocabularies" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        assert lines == [label.text for label in labels]
    rows = (FOLDER / "wd14-demo" / "selected_tags.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "tag_id,name,category,count"
    assert [row.split(",")[1] for row in rows[1:]] == TAGS


def test_captions_name_the_right_things(captions: Figures) -> None:
    assert captions["captions_nouns_and_colours"] >= 0.93
    assert captions["captions_nouns_colours_counts"] >= 0.84
    assert captions["captions_nouns_colours_counts_one_group"] >= 0.90
    assert captions["captions_groups_mentioned"] >= 0.93


def test_captions_state_style_and_background_and_are_right(captions: Figures) -> None:
    assert captions["captions_style_stated"] >= 0.5
    assert captions["captions_background_stated"] >= 0.5
    assert captions["captions_style_right"] >= 0.96
    assert captions["captions_background_right"] >= 0.96


def test_few_captions_end_in_the_middle_of_a_phrase(trio: Trio, sample: Sample) -> None:
    figures = evaluate.cut_figures(trio.blip, sample)
    assert figures["default_end_in_the_middle_as_said"] > 0.2  # 20 tokens are too few for what there is to say
    assert figures["default_end_in_the_middle"] < 0.1


def test_captions_are_clean_text(trio: Trio, sample: Sample) -> None:
    for caption in evaluate.write_captions(trio.blip, sample.pictures[:30], evaluate.CAPTION_SETTINGS):
        assert " ," not in caption
        assert "[" not in caption
        assert not caption.startswith("a picture of")


def test_clip_finds_style_background_colour_and_noun(trio: Trio, sample: Sample) -> None:
    figures = evaluate.clip_figures(trio.clip, sample)
    assert figures["clip_style"] >= 0.95
    assert figures["clip_background"] >= 0.96
    assert figures["clip_colour_noun_one_group"] >= 0.90


def test_the_tagger_finds_what_is_drawn(trio: Trio, sample: Sample) -> None:
    figures = evaluate.tagger_figures(trio.wd14, sample)
    assert figures["tagger_f1_all"] >= 0.94
    assert figures["tagger_f1_nouns"] >= 0.95
    assert figures["tagger_f1_style_and_background"] >= 0.97
    assert figures["tagger_rating"] >= 0.96


def test_a_higher_minimum_lengthens_captions(decoding: Figures) -> None:
    assert decoding["beam16_min_5_words"] + 1 < decoding["beam16_min_22_words"]
    assert decoding["beam16_min_22_words"] + 10 < decoding["beam16_min_48_words"]


def test_long_captions_repeat_themselves_and_a_penalty_lowers_that(decoding: Figures) -> None:
    assert decoding["beam16_min_5_repeated_trigrams"] < 0.05
    assert decoding["beam16_min_48_repeated_trigrams"] > decoding["beam16_min_22_repeated_trigrams"] + 0.05
    assert decoding["beam16_min_48_penalty_repeated_trigrams"] < decoding["beam16_min_48_repeated_trigrams"] - 0.03


def test_pictures_sent_on_as_jpeg_are_captioned_too(trio: Trio, tmp_path: Path) -> None:
    sample = evaluate.sample_from_seed(SEED + 1, 40)
    reopened = []
    for index, picture in enumerate(sample.pictures):
        picture.resize((200, 200)).save(tmp_path / f"{index}.jpg", quality=70)
        reopened.append(Image.open(tmp_path / f"{index}.jpg").convert("RGB"))
    verdicts = evaluate.verdicts_on(
        evaluate.write_captions(trio.blip, reopened, evaluate.CAPTION_SETTINGS), sample.scenes
    )
    assert sum(v.nouns_and_colours_are_right for v in verdicts) >= 0.85 * len(verdicts)


def test_the_command_ends_with_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(["--seed", "5", "--count", "10", "--json"])
    last = capsys.readouterr().out.strip().splitlines()[-1]
    result = json.loads(last)
    assert result["seed"] == 5
    assert set(evaluate.GOALS) <= set(result["figures"])

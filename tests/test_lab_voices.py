"""captioner.lab.voices: who is asked about captions, and what is said of those who are not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from captioner.captions.plan import Plan
from captioner.contract import PictureInput, inputs
from captioner.errors import ModelFailed, SettingsError
from captioner.lab.scores import Standing, weights_for
from captioner.lab.voices import Heard, Voices, score_set, spread
from captioner.models.manager import ModelManager
from captioner.readings import CaptionReading, Opinion, ReadWord, Rival, not_read
from captioner.records import Tag
from tests.tiny_models import random_picture

SHOWN = inputs([random_picture(0)])[0]


class Reader:
    """Finds one rival for each word: near for "cat", far for others."""

    title = family = "blip"
    revision = "r1"
    can_read = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def background_of(self, pictures: Sequence[PictureInput], before: int | None = None) -> int:
        return len([*pictures]) + (before or 0)

    def read(self, shown: PictureInput, captions: Sequence[str], background: Any = None) -> list[CaptionReading]:
        self.asked.append((*captions, f"background {background}"))
        found = []
        for caption in captions:
            words = []
            for word in caption.split():
                start = caption.index(word)
                rivals = (Rival("dog", caption.replace(word, "dog"), 1.0 if word == "cat" else -9.0),)
                words.append(ReadWord(word, start, start + len(word), is_read=True, rivals=rivals))
            found.append(CaptionReading(caption, tuple(words)))
        return found


class Compares:
    title = family = "clip"
    revision = "r2"
    can_compare, gives_tags, known_tags = True, True, ()

    def __init__(self) -> None:
        self.asked: dict[str, Sequence[str]] = {}
        self.background: Any = None

    def background_of(self, pictures: Sequence[PictureInput], before: int | None = None) -> int:
        return len([*pictures]) + (before or 0)

    def opinions(
        self, shown: PictureInput, rivals: dict[str, Sequence[str]], background: Any = None
    ) -> dict[str, dict[str, Opinion]]:
        self.asked, self.background = rivals, background
        return {caption: {text: Opinion(1.0, 0.2) for text in texts} for caption, texts in rivals.items()}


class Tags:
    title = family = "wd14"
    revision = "r3"
    can_compare, gives_tags, known_tags = False, True, frozenset({"cat"})

    def tag(self, shown: Sequence[PictureInput], settings: Any) -> list[tuple[Tag, ...]]:
        return [(Tag("cat", 0.25, "general", "wd14"),) for _ in shown]


class Mute:
    title = family = "blip"
    revision = "r4"
    can_read = can_compare = False
    gives_tags, known_tags = True, ()


class Models:
    """A manager of such models, by family."""

    budget_bytes = None

    def __init__(self, **models: Any) -> None:
        self.models = models

    @contextmanager
    def use(self, name: str, family: str) -> Iterator[Any]:
        yield self.models[family]

    def to_download(self, name: str, family: str) -> None:
        return None


ALL = Plan.from_flat({"captioner": "blip-demo", "clip": "clip-demo", "wd14": "wd14-demo"}, "demo")


def test_all_are_asked_and_equal_captions_once() -> None:
    reader, clip = Reader(), Compares()
    voices = Voices(ALL, Models(blip=reader, clip=clip, wd14=Tags()))
    assert (voices.asked, voices.notes) == (("blip-demo", "clip-demo", "wd14-demo"), ())
    voices.look_at(inputs([random_picture(1)]))
    voices.look_at(inputs([random_picture(2)]))
    heard = voices.hear(SHOWN, ["red cat", "moon", "red cat"])
    assert reader.asked == [("red cat", "moon", "background 2")]
    assert clip.asked == {"red cat": ["dog cat", "red dog"], "moon": ["dog"]}
    assert clip.background == 2
    assert [one.reading.text for one in heard] == ["red cat", "moon", "red cat"]
    assert [one.tags for one in heard] == [(None, 0.25), (None,), (None, 0.25)]
    scores, weights = score_set(heard, voices.weights, is_edit=False)
    assert weights == weights_for("blip-demo", "clip-demo")
    assert scores[0] == scores[2]
    assert {*scores[0].words[1].parts} == {"captioner", "clip", "change", "picture", "tagger"}
    assert voices.revisions == {"blip-demo": "r1", "clip-demo": "r2", "wd14-demo": "r3"}


def test_pictures_are_held_a_few_at_a_time() -> None:
    class Counts(Reader):
        held: ClassVar[list[int]] = []

        def background_of(self, pictures: Sequence[PictureInput], before: int | None = None) -> int:
            self.held.append(len([*pictures]))
            return (before or 0) + self.held[-1]

    clip = Compares()
    voices = Voices(ALL, Models(blip=Counts(), clip=clip, wd14=Tags()))
    voices.look_at(SHOWN for _ in range(19))
    voices.hear(SHOWN, ["cat"])
    assert Counts.held == [8, 8, 3]
    assert clip.background == 19


def test_a_tagger_that_was_asked_before_is_not_asked_again() -> None:
    voices = Voices(ALL, Models(blip=Reader(), clip=Compares(), wd14=Tags()))
    (heard,) = voices.hear(SHOWN, ["red cat"], tag_scores={"cat": 0.75})
    assert heard.tags == (None, 0.75)


def test_a_clip_that_was_never_measured_is_asked_about_near_rivals_only_and_its_change_is_the_set_s() -> None:
    plan = Plan.from_flat({"captioner": "blip-base", "clip": "clip-v1"}, "auto")
    clip = Compares()
    voices = Voices(plan, Models(blip=Reader(), clip=clip))
    heard = voices.hear(SHOWN, ["red cat"])
    assert clip.asked == {"red cat": ["red dog"]}
    _, weights = score_set(heard, voices.weights, is_edit=False)
    assert (weights.is_calibrated, weights.typical_change) == (False, 0.2)


def test_without_a_captioner_that_reads_the_tagger_is_asked_and_it_is_said() -> None:
    voices = Voices(ALL, Models(blip=Mute(), clip=Compares(), wd14=Tags()))
    assert voices.asked == ("wd14-demo",)
    assert not voices.reads
    assert voices.notes == (
        "blip-demo cannot read captions; the others are asked without it.",
        "clip-demo is not asked: it compares words with what a captioner would rather say.",
    )
    (heard,) = voices.hear(SHOWN, ["red cat"])
    (score,), _ = score_set([heard], voices.weights, is_edit=False)
    assert [word.text for word in score.words] == ["cat"]
    assert score.unjudged == ("red",)


def test_where_nobody_can_say_anything_it_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"nobody can judge captions here\. blip-demo cannot read captions"):
        Voices(ALL, Models(blip=Mute(), clip=Compares(), wd14=Mute()))


def test_what_a_model_raises_is_the_picture_s_error(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader()
    voices = Voices(ALL, Models(blip=reader, clip=Compares(), wd14=Tags()))
    reader.read = lambda *of: 1 / 0  # type: ignore[method-assign]
    with pytest.raises(ModelFailed, match="blip failed on this picture"):
        voices.hear(SHOWN, ["cat"])


@pytest.mark.parametrize(("count", "most", "places"), [(3, 32, [0, 1, 2]), (10, 4, [0, 2, 5, 7]), (1, 32, [0])])
def test_a_sample_is_spread_over_the_set(count: int, most: int, places: list[int]) -> None:
    assert spread(count, most) == places


def test_the_demo_models_find_what_is_false_in_a_caption() -> None:
    from demo.drawing import draw
    from demo.scenes import scene_from_seed

    manager = ModelManager(models="demo", device="cpu")
    try:
        voices = Voices(ALL, manager)
        shown = inputs([draw(scene_from_seed(90_909, number), 256) for number in range(3)])
        voices.look_at(shown)
        texts = ["two large green hearts on a sandy beach", "two large purple hearts on a sandy beach"]
        scores, _ = score_set(voices.hear(shown[0], texts), voices.weights, is_edit=False)
    finally:
        manager.close()
    true, false = scores
    assert true.doubt < false.doubt
    assert false.worst is not None and (false.worst.text, false.worst.better) == ("purple", "green")


@pytest.fixture(scope="module")
def demo_voices() -> Iterator[Voices]:
    manager = ModelManager(models="demo", device="cpu")
    try:
        yield Voices(ALL, manager)
    finally:
        manager.close()


@pytest.mark.parametrize(
    ("caption", "judged", "unjudged", "figures"),
    [
        ("", 0, 0, "It claims nothing."),
        ("  \n ", 0, 0, "It claims nothing."),
        ("?! -- ... 🙂 ,", 0, 0, "It claims nothing."),
        ("на траве", 0, 2, "Nobody could judge a word of it."),
        ("赤い猫", 0, 1, "Nobody could judge a word of it."),
    ],
)
def test_any_text_has_a_clear_outcome(
    demo_voices: Voices, caption: str, judged: int, unjudged: int, figures: str
) -> None:
    [score], _ = score_set(demo_voices.hear(SHOWN, [caption]), demo_voices.weights, is_edit=True)
    assert (len(score.words), len(score.unjudged)) == (judged, unjudged)
    assert score.explained().startswith(figures)
    assert all(math.isfinite(number) for number in (score.false_words, score.true_words, score.doubt))


def test_of_a_caption_that_is_too_long_the_beginning_is_judged_and_the_rest_named(demo_voices: Voices) -> None:
    caption = "a red cat " * 300
    [heard] = demo_voices.hear(SHOWN, [caption])
    assert re.fullmatch(r"BLIP reads \d+ tokens; \d+ words? at the end (was|were) not read\.", heard.reading.note)
    [score], _ = score_set([heard], demo_voices.weights, is_edit=True)
    assert {word.start for word in score.words if "captioner" in word.parts} < {0, *range(len(caption))}
    assert score.words[0].parts["captioner"] > -99
    read = [word for word in heard.reading.words if word.is_read]
    assert 0 < len(read) < 900
    assert {*score.unjudged} <= {"a", "red", "cat"}


def test_a_clip_whose_scores_are_no_numbers_is_an_error_of_the_picture(demo_voices: Voices) -> None:
    with demo_voices._models.use("clip-demo", "clip") as clip:
        before = clip._model.logit_scale.data.clone()
        clip._model.logit_scale.data.fill_(float("nan"))
        try:
            with pytest.raises(ModelFailed, match="CLIP gave no number for this picture"):
                demo_voices.hear(SHOWN, ["a red cat on a white background"])
        finally:
            clip._model.logit_scale.data.copy_(before)


@pytest.mark.parametrize(
    ("captioner", "clip", "is_calibrated"),
    [
        ("blip-demo", "clip-demo", True),
        ("blip-demo", "", True),
        ("blip-base", "clip-demo", False),
        ("blip-demo", "clip-v1", False),
        ("blip-large", "", False),
        ("", "", False),
    ],
)
def test_only_pairs_that_were_measured_give_percentages(captioner: str, clip: str, is_calibrated: bool) -> None:
    weights = weights_for(captioner, clip)
    assert weights.is_calibrated is is_calibrated
    [score], fitted = score_set([Heard(not_read("cat", ""), {}, (0.2,))], weights, is_edit=False)
    assert fitted.is_calibrated is is_calibrated
    assert Standing.among([score]).of(score.words[0]) == 1.0

"""taggers.clip.opinions: which of two captions CLIP would rather see under a picture."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from captioner.contract import inputs
from taggers.clip import ClipTagger
from taggers.clip.opinions import PictureMemory, WordTokens
from tests.tiny_clip import tiny_clip
from tests.tiny_models import random_picture

CAPTION = "a red star on grass"


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> ClipTagger:
    return ClipTagger.load(tiny_clip(tmp_path_factory.mktemp("clip"), {"flavors": ["a star"]}), device="cpu")


def plain(tagger: ClipTagger, picture: Any, caption: str, other: str) -> tuple[float, float]:
    """Preference and change by open_clip's own functions."""
    with torch.inference_mode():
        image = tagger._model.encode_image(tagger._preprocess(picture)[None], normalize=True)
        texts = tagger._model.encode_text(tagger._tokenizer([caption, other]), normalize=True)
        fits = tagger._model.logit_scale.exp() * (texts @ image[0])
    return float(fits[1] - fits[0]), float(1 - texts[1] @ texts[0])


def test_opinions_are_open_clip_s_own_similarities_times_its_scale(tagger: ClipTagger) -> None:
    rivals = {CAPTION: ["a blue star on grass", "a red house on grass"], "two dogs": ["two cats", CAPTION], "": []}
    (shown,) = inputs([random_picture(0)])
    found = tagger.opinions(shown, rivals)
    assert [*found] == [*rivals]
    for caption, changed in rivals.items():
        assert [*found[caption]] == changed
        for other, opinion in found[caption].items():
            expected = plain(tagger, shown.image, caption, other)
            assert (opinion.preference, opinion.change) == pytest.approx(expected, abs=1e-4)


def test_what_clip_cannot_tell_apart_has_no_opinion(tagger: ClipTagger) -> None:
    (shown,) = inputs([random_picture(0)])
    long = "star " * 80
    assert tagger.opinions(shown, {long: [f"{long}house"], "a  star": ["a star"]}) == {long: {}, "a  star": {}}


@pytest.mark.parametrize(
    "texts",
    [
        [
            CAPTION,
            "a blue star on grass",
            "A RED  star, on the  dog's grass!",
            "",
            "0 - 12 ((masterpiece:1.2)) !#!# wow!",
        ],
        ["star " * 80, "star " * 75, "star " * 76 + "house", "x" * 400],
        [CAPTION, "un café", "a &amp; b"],
        [CAPTION, "a\nb", "a\x1b[31m b"],
        ["", "", ""],
    ],
)
def test_texts_are_cut_into_tokens_as_the_tokenizer_does(tagger: ClipTagger, texts: list[str]) -> None:
    tokens = WordTokens(tagger._tokenizer)
    for _ in range(2):  # as words are learnt, and as they are remembered
        assert torch.equal(tokens(texts), tagger._tokenizer(texts))


def test_a_tokenizer_that_looks_at_whole_texts_is_left_to_it() -> None:
    def reversed_words(texts: Any) -> Any:
        return torch.tensor([[9, *(int(word) for word in reversed(text.split())), 99] for text in texts])

    texts = ["1 2", "1 3", "4 2"]
    assert torch.equal(WordTokens(reversed_words)(texts), reversed_words(texts))


def test_words_are_cut_once_and_of_too_many_all_are_forgotten(
    tagger: ClipTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[list[str]] = []
    tokens = WordTokens(lambda texts: cut.append([*texts]) or tagger._tokenizer(texts))  # type: ignore[func-returns-value]
    texts = ["a red star", "a blue star", "a red house"]
    for _ in range(2):
        tokens(texts)
    assert cut == [["a red star"], ["a", "blue", "house", "red", "star"], ["a red star"]]
    monkeypatch.setattr("taggers.clip.opinions._WORDS", 4)
    assert torch.equal(tokens(texts), tagger._tokenizer(texts))
    assert len(cut) == 5


def test_what_clip_would_rather_see_under_any_picture_of_the_set_is_taken_off(tagger: ClipTagger) -> None:
    pictures = inputs([random_picture(seed) for seed in range(4)])
    background = tagger.background_of(pictures[2:], tagger.background_of(pictures[:2]))
    assert background is not None and background.count == 4
    assert tagger.background_of([], background) == background
    assert tagger.background_of([]) is None
    other = "a blue house on grass"
    each = [plain(tagger, shown.image, CAPTION, other)[0] for shown in pictures]
    [found] = tagger.opinions(pictures[1], {CAPTION: [other]}, background)[CAPTION].values()
    assert found.preference == pytest.approx(each[1] - sum(each) / 4, abs=1e-4)


def test_a_picture_is_looked_at_once(tagger: ClipTagger, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    original = tagger._model.encode_image
    monkeypatch.setattr(tagger._model, "encode_image", lambda pixels: looked.append(len(pixels)) or original(pixels))
    tagger.release_memory()
    before = tagger.size_bytes
    shown = inputs([random_picture(7), random_picture(8), random_picture(7)])
    tagger._features(shown)
    tagger.opinions(shown[1], {CAPTION: ["a blue star on grass"]})
    assert looked == [1, 1]
    assert tagger.size_bytes > before
    tagger.release_memory()
    assert tagger.size_bytes == before
    tagger.opinions(shown[1], {CAPTION: ["a blue star on grass"]})
    assert looked == [1, 1, 1]


def test_the_pictures_of_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taggers.clip.opinions._PICTURES", 2)
    memory, encoded = PictureMemory(), []

    def encode(pixels: Any) -> Any:
        encoded.append([int(one[0]) for one in pixels])
        return [one.float() for one in pixels]

    for numbers in ([1, 2], [1], [3], [2, 1]):
        found = memory.features([torch.tensor([number]) for number in numbers], encode)
        assert [int(one[0]) for one in found] == numbers
    assert encoded == [[1, 2], [3], [2]]
    assert memory.size_bytes == 8

"""captioner.models.blip.reading: what BLIP makes of given captions, against plain transformers, one caption a call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from captioner.captions.words import ARTICLES, FUNCTION_WORDS, bare
from captioner.contract import inputs
from captioner.errors import ModelFailed
from captioner.models import sources
from captioner.models.blip import BlipCaptioner, SamplingSettings, selfcheck
from captioner.models.blip.forced import Row, TokenTree, trees
from captioner.models.blip.reading import ADDED_FROM, LEAST_PROBABILITY, PROMPT, TRIED_FROM, WINDOW
from captioner.readings import CaptionReading
from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.plain_blip import PlainBlip
from tests.tiny_models import random_picture, save_tiny_blip

DEMO = sources.DEMO_FOLDER / "blip-demo"
SEED = 91_001


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


@pytest.fixture(scope="module")
def demo() -> BlipCaptioner:
    return BlipCaptioner.load(DEMO, device="cpu")


def scene_picture(number: int) -> Any:
    return draw(scene_from_seed(SEED, number), 256)


class PlainReader:
    """A caption's tokens and their log-probabilities by transformers alone, nothing shared."""

    def __init__(self, folder: Path, pictures: list[Any]) -> None:
        self.plain = PlainBlip(folder)
        self.tokenizer = self.plain.processor.tokenizer
        self.config = self.plain.model.config.text_config
        with torch.no_grad():
            pixels = self.plain.processor(images=pictures, return_tensors="pt").pixel_values
            self.states = self.plain.model.vision_model(pixels).last_hidden_state
        known = [self.tokenizer.convert_tokens_to_ids(article) for article in ARTICLES]
        self.articles = [] if self.tokenizer.unk_token_id in known else known

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    @torch.no_grad()
    def said(self, text: str, states: torch.Tensor) -> list[float]:
        """Of the caption's tokens and its end; a and an as one choice, which the token behind decides."""
        prompt = [self.config.bos_token_id, *self.ids(PROMPT)]
        ids = [*self.ids(text), self.config.sep_token_id]
        logits = self.plain.model.text_decoder(torch.tensor([[*prompt, *ids]]), encoder_hidden_states=states).logits[0]
        scores = logits[len(prompt) - 1 : -1].log_softmax(-1)
        found = [float(scores[place, token]) for place, token in enumerate(ids)]
        for place, token in enumerate(ids):
            if token in self.articles:
                both = float(torch.logsumexp(scores[place, self.articles], 0))
                if place + 1 < len(found):
                    found[place + 1] += found[place] - both
                found[place] = both
        return found

    @torch.no_grad()
    def next_words(self, text: str, states: torch.Tensor) -> dict[str, float]:
        """Every token with the probability that it is said next."""
        ids = [self.config.bos_token_id, *self.ids(PROMPT), *self.ids(text)]
        logits = self.plain.model.text_decoder(torch.tensor([ids]), encoder_hidden_states=states).logits[0, -1]
        names = self.tokenizer.convert_ids_to_tokens([*range(len(logits))])
        return dict(zip(names, logits.softmax(-1).tolist(), strict=True))

    def gain(self, text: str, changed: str, until: int, states: torch.Tensor) -> float:
        """From the first changed token (an article that changes with the word is one) to WINDOW behind the word.

        Args: until: where the tokens of the word that is changed end.
        """
        before, after = self.ids(text), self.ids(changed)
        first = next(place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
        if first and before[first - 1] in self.articles:
            first -= 1
        old = self.said(text, states)[first : until + WINDOW]
        new = self.said(changed, states)[first : until + len(after) - len(before) + WINDOW]
        return sum(new) - sum(old)


def check_against_plain(reader: PlainReader, reading: CaptionReading, number: int) -> int:
    """Hold every figure of a reading against transformers alone. Returns: how many rivals were tried."""
    states, mean = reader.states[number : number + 1], reader.states.mean(0, keepdim=True)
    own, blank = reader.said(reading.text, states), reader.said(reading.text, mean)
    assert reading.log_probability == pytest.approx(sum(own), abs=2e-3)
    place, tried = 0, 0
    for word in reading.words:
        tokens = range(place, place + len(reader.ids(word.text)))
        place = tokens.stop
        assert reading.text[word.start : word.end] == word.text
        core = [at for at in tokens if reader.tokenizer.convert_ids_to_tokens(reader.ids(reading.text)[at]) != ","]
        assert word.log_probability == pytest.approx(sum(own[at] for at in core), abs=1e-3)
        each = [
            float(
                torch.log(
                    (torch.tensor(own[at]).exp() + LEAST_PROBABILITY)
                    / (torch.tensor(blank[at]).exp() + LEAST_PROBABILITY)
                )
            )
            for at in core
        ]
        assert word.evidence == pytest.approx(min(each) if min(each) < 0 else max(each), abs=2e-3)
        for rival in word.rivals:
            if rival.gain > TRIED_FROM:
                assert rival.gain == pytest.approx(reader.gain(reading.text, rival.text, tokens.stop, states), abs=5e-3)
                tried += 1
    return tried


def test_a_reading_has_the_figures_of_plain_transformers_on_the_demo_model(demo: BlipCaptioner) -> None:
    pictures = [scene_picture(number) for number in range(3)]
    shown = inputs(pictures)
    background = demo.background_of(shown)
    reader = PlainReader(DEMO, pictures)
    tried = 0
    for number, one in enumerate(shown):
        own = demo.caption([one], SamplingSettings(min_length=12))[0].text
        captions = [own, "an orange cat, two dogs and a red star on a white background", "a red car", "a red star"]
        for reading in demo.read(one, captions, background):
            tried += check_against_plain(reader, reading, number)
    assert tried > 20


def test_a_reading_has_the_figures_of_plain_transformers_on_a_random_model(tiny: Path) -> None:
    pictures = [random_picture(seed) for seed in range(2)]
    captioner = BlipCaptioner.load(tiny, device="cpu")
    background = captioner.background_of(inputs(pictures))
    reader = PlainReader(tiny, pictures)
    captions = ["a dog sits on the big field", "two cats, one tree next to the wall", "house"]
    for number, shown in enumerate(inputs(pictures)):
        for reading in captioner.read(shown, captions, background):
            check_against_plain(reader, reading, number)


def test_pictures_taken_one_after_the_other_are_the_same_background(tiny: Path) -> None:
    captioner = BlipCaptioner.load(tiny, device="cpu")
    shown = inputs([random_picture(seed) for seed in range(3)])
    together = captioner.background_of(shown)
    begun = captioner.background_of(shown[:2])
    one_by_one = captioner.background_of(shown[2:], begun)
    assert captioner.background_of([], begun) is begun
    (of_all,), (of_pieces,) = (captioner.read(shown[0], ["a dog sits"], some) for some in (together, one_by_one))
    for word, same in zip(of_all.words, of_pieces.words, strict=True):
        assert word.evidence == pytest.approx(same.evidence, abs=1e-4)


def test_plain_transformers_reads_the_same_where_the_fast_way_is_off(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = ["a dog sits on the big field", "a dog runs", "two dogs, one tree", "", "a dog sits on the big field"]
    shown = inputs([random_picture(seed) for seed in range(2)])
    fast = BlipCaptioner.load(tiny, device="cpu")
    monkeypatch.setattr(selfcheck, "fast_is_supported", lambda is_packed: False)
    plain = BlipCaptioner.load(tiny, device="cpu")
    assert fast._decoder.is_fast
    assert not plain._decoder.is_fast
    ours = fast.read(shown[0], captions, fast.background_of(shown))
    theirs = plain.read(shown[0], captions, plain.background_of(shown))
    assert [one.text for one in ours] == [one.text for one in theirs] == captions
    for one, other in zip(ours, theirs, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)
        for word, same in zip(one.words, other.words, strict=True):
            assert (word.evidence, word.overrun) == pytest.approx((same.evidence, same.overrun), abs=1e-3)
            assert [rival.gain for rival in word.rivals] == pytest.approx(
                [rival.gain for rival in same.rivals], abs=1e-3
            )


def test_the_company_of_other_captions_changes_nothing(demo: BlipCaptioner) -> None:
    (shown,) = inputs([scene_picture(4)])
    colours, nouns = ["a red", "an orange", "two blue", "a small"], ["cat", "dog", "star", "house", "flower", "tree"]
    many = [
        f"{colour} {noun} on a grassy field in a cartoon style" for colour, noun in itertools.product(colours, nouns)
    ]
    together = demo.read(shown, many)
    for caption, one in list(zip(many, together, strict=True))[::5]:
        (alone,) = demo.read(shown, [caption])
        for word, same in zip(one.words, alone.words, strict=True):
            assert word.log_probability == pytest.approx(same.log_probability, abs=1e-3)
            assert [rival.text for rival in word.rivals] == [rival.text for rival in same.rivals]
            assert [r.gain for r in word.rivals] == pytest.approx([r.gain for r in same.rivals], abs=1e-3)


def test_a_false_word_has_the_true_one_as_its_rival(demo: BlipCaptioner) -> None:
    (shown,) = inputs([scene_picture(0)])
    true = demo.caption([shown], SamplingSettings())[0].text
    words = true.split()
    place = next(
        n for n, word in enumerate(words) if word in {"red", "orange", "green", "blue", "pink", "black", "white"}
    )
    false = " ".join([*words[:place], "purple", *words[place + 1 :]])
    (reading,) = demo.read(shown, [false])
    best = reading.words[place].rivals[0]
    assert (best.word, best.text) == (words[place], true)
    assert best.gain > 2


def test_what_it_would_say_right_behind_a_word_adds_to_it_and_is_no_rival(demo: BlipCaptioner) -> None:
    pictures = [draw(scene_from_seed(90_909, number), 256) for number in range(2)]
    reader = PlainReader(DEMO, pictures)
    left_out = 0
    for number, shown in enumerate(inputs(pictures)):
        for reading in demo.read(shown, ["two large green hearts on a sandy beach", "a large cat, a small red dog"]):
            for place, word in enumerate(reading.words):
                if not word.rivals:
                    continue
                before = "".join(f"{one.text} " for one in reading.words[:place])
                said, behind = (
                    reader.next_words(text, reader.states[number : number + 1])
                    for text in (before, f"{before}{word.text.strip(',')}")
                )
                assert all(behind[rival.word] < ADDED_FROM for rival in word.rivals)
                least = min(said[rival.word] for rival in word.rivals)
                likelier = {name for name, chance in said.items() if chance > least and name.isalpha()}
                left_out += sum(behind[name] > ADDED_FROM for name in likelier - {bare(word.text)} - FUNCTION_WORDS)
    assert left_out > 3


def test_a_rival_keeps_blanks_and_punctuation_and_has_the_article_it_wants(demo: BlipCaptioner) -> None:
    (shown,) = inputs([scene_picture(0)])
    (reading,) = demo.read(shown, ["  A red\tcat,  two dogs"])
    texts = {rival.text for word in reading.words for rival in word.rivals}
    assert any(text.startswith("  An orange\tcat,  two dogs") for text in texts)
    assert all(text.startswith("  ") and ",  " in text for text in texts)
    (dashed,) = demo.read(shown, ["a -red- cat"])
    assert {rival.text[:3] for rival in dashed.words[1].rivals} == {"a -"}


def test_words_behind_the_model_s_last_position_are_not_read_and_it_is_said(tiny: Path) -> None:
    captioner = BlipCaptioner.load(tiny, device="cpu")
    (reading,) = captioner.read(inputs([random_picture(0)])[0], ["dog " * 90])
    assert [word.is_read for word in reading.words] == [True] * 76 + [False] * 14
    assert reading.note == "BLIP reads 80 tokens; 14 words at the end were not read."
    assert all(word.rivals == () for word in reading.words[76:])


def test_a_word_without_tokens_of_its_own_is_not_judged_but_stays_where_it_is(tiny: Path) -> None:
    captioner = BlipCaptioner.load(tiny, device="cpu")
    (reading,) = captioner.read(inputs([random_picture(0)])[0], ["a ohwx dog [SEP] 猫 - the tree"])
    assert [word.text for word in reading.words if not word.is_read] == ["ohwx", "[SEP]", "猫", "-"]
    assert reading.note == ""


def test_scores_that_are_not_numbers_are_an_error_of_the_model(tiny: Path) -> None:
    captioner = BlipCaptioner.load(tiny, device="cpu")
    captioner._decoder._model.text_decoder.transform_norm.weight.data.fill_(float("nan"))
    with pytest.raises(ModelFailed, match="not numbers"):
        captioner.read(inputs([random_picture(0)])[0], ["a dog"])


def test_rows_share_what_they_begin_with_and_groups_stay_together() -> None:
    tree = TokenTree([Row([1, 2, 3]), Row([1, 2, 4]), Row([1, 2])])
    assert tree.tokens == [1, 2, 3, 4]
    assert tree.paths == [[0, 1, 2], [0, 1, 3], [0, 1]]
    assert tree.sees().tolist() == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, False, True],
    ]
    of_two = TokenTree([Row([1, 2]), Row([1, 2], 1), Row([1, 3])])
    assert (of_two.tokens, of_two.pictures) == ([1, 2, 1, 2, 3], [0, 0, 1, 1, 0])
    assert of_two.paths == [[0, 1], [2, 3], [0, 4]]
    grown = TokenTree([Row([1, 2, 3, 5], known=3), Row([1, 2, 4], known=2), Row([1, 2, 3, 5, 6], known=3)], tree)
    assert (grown.tokens, grown.positions, grown.paths) == ([5, 4, 6], [3, 2, 4], [[0], [1], [0, 2]])
    assert grown.sees().tolist() == [
        [True, True, True, False, True, False, False],
        [True, True, False, False, False, True, False],
        [True, True, True, False, True, False, True],
    ]
    groups = [[Row([number, *range(300)]), Row([number, 7])] for number in range(4)]
    found = list(trees(groups))
    assert [len(part) for _, part in found] == [3, 1]
    assert [row for tree, _ in found for row in tree.rows] == [row for group in groups for row in group]

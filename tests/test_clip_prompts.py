"""taggers.clip.prompts: the modes that make prompts, against the package clip-interrogator and a plain reference."""

import warnings
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
import torch

from captioner.contract import inputs
from captioner.settings import SettingsError
from taggers.clip import ClipSettings, ClipTagger, prompts
from taggers.clip.prompts import Prompt, Scored
from taggers.vocabularies import Vocabulary
from tests.tiny_clip import tiny_clip
from tests.tiny_models import random_picture

# The package uses torch's former name for autocast, and asks for CUDA's on a CPU.
pytestmark = pytest.mark.filterwarnings("ignore:.*autocast")

COLOURS = ["red", "green", "blue", "black", "white"]
NOUNS = ["star", "house", "tree", "cat", "dog", "car", "heart", "boat", "fish", "moon", "bird", "key"]
DATA = {
    "flavors": [f"{colour} {noun}" for colour in COLOURS for noun in NOUNS]
    + ["highly detailed, 8k", "", "volumetric light", "red star", "sharp focus, studio photo, award winning"],
    "artists": ["Ivan Aivazovsky", "Hokusai", "Claude Monet", "Katsuhiro Otomo", "Frida Kahlo"],
    "mediums": ["a photo", "a pencil drawing", "an oil painting", "pixel art"],
    "movements": ["cubism", "art nouveau", "pop art", "ukiyo-e"],
    "negative": ["blurry"],
}
CAPTIONS = [
    "a cat on a mat",
    "a photo of two red stars, one above the other",
    "a boat",
    "a very long sentence about many things, " * 8,
    "x",
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ClipTagger, Any]]:
    """Our tagger and the package's interrogator on the same model object and the same labels."""
    folder = tmp_path_factory.mktemp("clip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPTIONER_CACHE", str(folder / "cache"))
        tagger = ClipTagger.load(tiny_clip(folder / "model", {"flavors": ["x"]}), device="cpu")
        data = folder / "data"
        data.mkdir()
        for name, labels in DATA.items():
            (data / f"{name}.txt").write_text("\n".join(labels), encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it uses torch's former name for autocast
            import clip_interrogator

            config = clip_interrogator.Config(
                caption_model_name=None,
                data_path=str(data),
                cache_path=None,
                download_cache=False,
                device="cpu",
                quiet=True,
            )
            config.clip_model, config.clip_preprocess = tagger._model, tagger._preprocess
            package = clip_interrogator.Interrogator(config)
        for kind in ("artists", "flavors", "mediums", "movements", "trendings"):
            tagger.vocabularies[kind] = Vocabulary(kind, tuple(getattr(package, kind).labels), "test")
        yield tagger, package


@pytest.mark.parametrize("caption", CAPTIONS, ids=range(len(CAPTIONS)))
@pytest.mark.parametrize("max_flavors", [1, 12])
@pytest.mark.parametrize("seed", range(2))
def test_the_packages_modes_give_the_packages_results(
    both: tuple[ClipTagger, Any], seed: int, max_flavors: int, caption: str
) -> None:
    tagger, package = both
    picture = random_picture(seed)
    wanted = {
        "classic": package.interrogate_classic(picture, max_flavors, caption),
        "fast": package.interrogate_fast(picture, max_flavors, caption),
        "best": package.interrogate(picture, 3, max_flavors, caption),
    }
    found = {
        mode: tagger.interrogate(picture, ClipSettings(mode=mode, max_flavors=max_flavors, min_flavors=3), caption).text
        for mode in wanted
    }
    assert found == wanted
    assert wanted["classic"].startswith(caption[:20])


@pytest.mark.parametrize("min_count", [0, 2, 8])
@pytest.mark.parametrize("caption", ["", *CAPTIONS[:3]])
def test_the_packages_chain_gives_the_packages_result(
    both: tuple[ClipTagger, Any], caption: str, min_count: int
) -> None:
    tagger, package = both
    for seed in range(2):
        features = package.image_to_features(random_picture(seed))
        start = package.similarity(features, caption) if caption else 0
        phrases = [label for label in DATA["flavors"] if label]
        wanted = package.chain(features, phrases, caption, start, min_count=min_count, max_count=6)
        scorer = TextScorer(tagger, random_picture(seed))
        found = prompts.package_chain(scorer, phrases, caption, start, min_count=min_count, max_count=6)
        assert found.text == wanted
        assert ", ".join(([caption] if caption else []) + [text for text, _ in found.additions]) == wanted


class TextScorer:
    """Similarities by open_clip's own encode_text; ranks by the same."""

    def __init__(self, tagger: ClipTagger, picture: Any) -> None:
        self.tagger = tagger
        with torch.inference_mode():
            self.image = tagger._model.encode_image(tagger._preprocess(picture)[None], normalize=True)[0]

    def similarities(self, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        with torch.inference_mode():
            features = self.tagger._model.encode_text(self.tagger._tokenizer(list(texts)), normalize=True)
        return (features @ self.image).tolist()

    def top(self, kind: str, count: int) -> list[Scored]:
        vocabulary = self.tagger.vocabularies.get(kind)
        labels = vocabulary.labels if vocabulary else ()
        return sorted(zip(labels, self.similarities(labels), strict=True), key=lambda scored: -scored[1])[:count]

    def top_of_all(self, count: int) -> list[Scored]:
        every = [scored for kind in self.tagger.vocabularies for scored in self.top(kind, 10**6)]
        return sorted(every, key=lambda scored: -scored[1])[:count]

    def is_full(self, text: str) -> bool:
        return bool(self.tagger._tokenizer([text])[0, -1])


def reference_chain(scorer: TextScorer, caption: str, max_flavors: int, candidates: int, kinds: Sequence[str]) -> str:
    """Smart Pre-Process's chain as plainly as it can be said."""
    prompt, similarity = caption, scorer.similarities([caption])[0]
    flavors = {label for label, _ in scorer.top("flavors", candidates) if label}
    for _ in range(max_flavors):
        texts = [f"{prompt}, {flavor}" for flavor in flavors]
        scores = dict(zip(flavors, scorer.similarities(texts), strict=True))
        winner = max(scores, key=lambda flavor: scores[flavor])
        if scores[winner] <= similarity:
            break
        prompt, similarity = f"{prompt}, {winner}", scores[winner]
        flavors.remove(winner)
        if scorer.is_full(prompt):
            break
    ends = []
    for bits in product([False, True], repeat=len(kinds)):
        chosen = [scorer.top(kind, 1)[0][0] for kind, bit in zip(kinds, bits, strict=True) if bit]
        ends.append(", ".join([prompt, *chosen]))
    return max(ends, key=lambda text: scorer.similarities([text])[0])


def test_the_chain_is_smart_pre_processs(both: tuple[ClipTagger, Any]) -> None:
    tagger, _ = both
    lengths = set()
    for caption, (seed, max_flavors) in product(CAPTIONS, ((0, 3), (1, 12), (5, 2))):
        picture = random_picture(seed)
        settings = ClipSettings(mode="chain", max_flavors=max_flavors, candidates=25, chain_trending=False)
        found = tagger.interrogate(picture, settings, caption)
        kinds = ("artists", "mediums", "movements")
        assert found.text == reference_chain(TextScorer(tagger, picture), caption, max_flavors, 25, kinds)
        lengths.add(len(found.additions))
        # each addition's score is the similarity of the prompt it made
        assert found.additions[-1][1] == pytest.approx(
            TextScorer(tagger, picture).similarities([found.text])[0], abs=1e-4
        )
    assert lengths >= {1, 2, 3}


def test_the_switches_of_the_chain_say_what_it_may_end_with(both: tuple[ClipTagger, Any]) -> None:
    tagger, _ = both
    vocabulary = {kind: set(words.labels) for kind, words in tagger.vocabularies.items()}
    ends: dict[str, set[str]] = {}
    for kind in ("artist", "medium", "trending", "movement"):
        off = {f"chain_{other}": other == kind for other in ("artist", "medium", "trending", "movement")}
        for seed in range(6):
            settings = ClipSettings(mode="chain", max_flavors=1, candidates=1, **off)
            additions = tagger.interrogate(random_picture(seed), settings, "a boat").additions
            ends.setdefault(kind, set()).update(text for text, _ in additions if text not in vocabulary["flavors"])
    for kind, found in ends.items():
        assert found <= vocabulary[kind + "s"]
    assert any(ends.values())


@pytest.mark.parametrize("mode", ["chain", "classic", "fast", "best"])
def test_a_prompt_is_the_sentence_and_its_tags(both: tuple[ClipTagger, Any], mode: str) -> None:
    tagger, _ = both
    picture, settings = random_picture(3), ClipSettings(mode=mode, max_flavors=6, min_flavors=2)
    (tags,) = tagger.tag(inputs([picture], ["a boat"]), settings)
    assert tags
    assert ", ".join(["a boat", *(tag.name for tag in tags)]) == tagger.interrogate(picture, settings, "a boat").text
    assert {tag.category for tag in tags} == {mode}
    assert ClipTagger.select(tags, settings) == list(tags)


@pytest.mark.parametrize("mode", ["chain", "classic", "fast", "best"])
def test_without_a_sentence_the_prompt_is_the_tags(both: tuple[ClipTagger, Any], mode: str) -> None:
    tagger, _ = both
    picture, settings = random_picture(4), ClipSettings(mode=mode, max_flavors=4, min_flavors=2)
    (tags,) = tagger.tag(inputs([picture]), settings)
    text = tagger.interrogate(picture, settings).text
    assert tags
    assert text == ", ".join(tag.name for tag in tags)


def test_tags_of_another_mode_than_the_asked_one_are_not_kept(both: tuple[ClipTagger, Any]) -> None:
    tagger, _ = both
    ranked = tagger.tag(inputs([random_picture(1)]), ClipSettings())[0]
    chained = tagger.tag(inputs([random_picture(1)], ["a boat"]), ClipSettings(mode="chain"))[0]
    assert ClipTagger.select(ranked, ClipSettings(mode="chain")) == []
    assert ClipTagger.select(chained, ClipSettings(mode="rank")) == []


def test_only_rank_does_without_the_sentence() -> None:
    modes = next(field.options for field in ClipSettings.fields() if field.name == "mode")
    assert [mode for mode in modes if not ClipTagger.reads(ClipSettings(mode=mode))] == ["rank"]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(SettingsError, match="mode is 'negative'; it must be one of rank, chain, classic, fast, best"):
        ClipSettings(mode="negative")


class FakeScorer:
    """Similarities from a table of words: a text's is the sum of its words'."""

    def __init__(self, words: dict[str, float], tops: dict[str, list[Scored]], full_at: int = 1000) -> None:
        self.words = words
        self.tops = tops
        self.full_at = full_at

    def top(self, kind: str, count: int) -> list[Scored]:
        return self.tops.get(kind, [])[:count]

    def top_of_all(self, count: int) -> list[Scored]:
        return sorted((s for top in self.tops.values() for s in top), key=lambda s: -s[1])[:count]

    def similarities(self, texts: Sequence[str]) -> list[float]:
        return [sum(self.words.get(word, 0) for word in text.split(", ")) for text in texts]

    def is_full(self, text: str) -> bool:
        return len(text) >= self.full_at


def test_a_model_without_some_kinds_still_makes_prompts() -> None:
    scorer = FakeScorer({"a": 1, "b": -1}, {"flavors": [("a", 0.5), ("b", 0.4)]})
    assert prompts.classic(scorer, "x", 2).text == "x, a, b"
    assert prompts.fast(scorer, "x", 2).text == "x, a, b"
    assert prompts.best(scorer, "x", min_flavors=0, max_flavors=2, candidates=9).text == "x, a"
    found = prompts.chain(scorer, "x", max_flavors=5, candidates=9, kinds=("artists",))
    assert found == Prompt("x, a", (("a", 1),))


def test_no_labels_leave_the_caption_alone() -> None:
    scorer = FakeScorer({}, {})
    for caption in ("x", ""):
        assert prompts.classic(scorer, caption, 2) == Prompt(caption)
        assert prompts.fast(scorer, caption, 2) == Prompt(caption)
        assert prompts.best(scorer, caption, min_flavors=0, max_flavors=2, candidates=9) == Prompt(caption)
        assert prompts.chain(scorer, caption, max_flavors=5, candidates=9, kinds=("artists",)) == Prompt(caption)


def test_forced_flavors_stay_in_the_chain_but_not_in_its_best_prompt() -> None:
    scorer = FakeScorer({"a": 3, "b": -1, "c": -2, "d": -5}, {})
    found = prompts.package_chain(scorer, ["a", "b", "c", "d"], "x", 0, min_count=3, max_count=9)
    assert found == Prompt("x, a", (("a", 3),))


def test_the_chain_may_end_with_none_of_the_further_kinds() -> None:
    scorer = FakeScorer(
        {"f": 1, "by q": -1, "cubism": 2},
        {"flavors": [("f", 1)], "artists": [("by q", 1)], "movements": [("cubism", 1)]},
    )
    chain = prompts.chain
    assert chain(scorer, "x", max_flavors=1, candidates=9, kinds=("artists",)).text == "x, f"
    both = chain(scorer, "x", max_flavors=1, candidates=9, kinds=("artists", "movements"))
    assert both == Prompt("x, f, cubism", (("f", 1), ("cubism", 3)))


def test_similarities_that_are_no_numbers_never_win() -> None:
    scorer = FakeScorer({"a": float("nan"), "b": 1}, {"flavors": [("a", 1), ("b", 0)]})
    assert prompts.chain(scorer, "x", max_flavors=1, candidates=9, kinds=()).text == "x, b"

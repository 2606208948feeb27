"""captioner.captions.tokens: CLIP's token count and the cut, against open_clip's own tokenizer and transformers'."""

import random
import subprocess
import sys
import time
from functools import cache
from itertools import pairwise

import pytest

from captioner.captions import tokens
from captioner.errors import MissingPackage

SAMPLES = [
    "",
    "   ",
    "a photo of a cat",
    "A Photo\tof\n\na  CAT ",
    "they're we'll I'm it's he'd you've can't O'Neil 'sup",
    "score_9, (masterpiece:1.2), 1girl, long_hair, @_@, ^_^, |_|",
    "don’t “quote” me… naïve café",
    "the Mona Lisa &amp; the &lt;frame&gt; &amp;amp; more &amp;amp;amp;",
    "sigma ΣΑΣ, straße, İstanbul, ſhort, ﬁne",
    "日本語のテキスト 한국어 русский العربية हिन्दी",
    "😀 👩‍👩‍👧 🇩🇪 é́ z̸̧",
    "12345 3.14159 ½ ² ⅷ ٣",
    "<start_of_text>hello<end_of_text> <END_OF_TEXT>",
    "antidisestablishmentarianism floccinaucinihilipilification",
    "schÃ¶n and â€œmojibakeâ€\u009d",
    "nbsp\u00a0thin\u2009zero\u200bwidth\x1b[31mred\x00null",
    "a" * 500,
    "!?.,;:" * 40,
    "a cat sitting on a mat, " * 30,
    "\ud800 lone",
]


@cache
def open_clip_tokenizer():
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


@cache
def transformers_tokenizer():
    """transformers' CLIPTokenizer over open_clip's word list, which is the same one."""
    from transformers import CLIPTokenizer

    own = open_clip_tokenizer()
    names = [name for name, _ in sorted(own.encoder.items(), key=lambda item: item[1])]
    names[-2:] = ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={name: place for place, name in enumerate(names)}, merges=list(own.bpe_ranks))


def counted_by_transformers(text: str) -> int:
    return len(transformers_tokenizer()(text, add_special_tokens=False, verbose=False)["input_ids"])


def random_text(numbers: random.Random) -> str:
    common = "abcdefghijklmnopqrstuvwxyz ABCXYZ   '’“”&;<>#.,!?0123456789\t\n_-éüßİΣς日本語한😀\u200d\u00a0"
    if numbers.random() < 0.5:
        return "".join(numbers.choice(common) for _ in range(numbers.randrange(60)))
    spans = [(32, 127), (0, 0x3000), (0xE000, 0x1FFFF)]
    return "".join(chr(numbers.randrange(*numbers.choice(spans))) for _ in range(numbers.randrange(30)))


@pytest.mark.parametrize("text", SAMPLES)
def test_counts_what_open_clip_counts(text: str) -> None:
    assert tokens._count(text, tokens._OPEN_CLIP) == len(open_clip_tokenizer().encode(text))


@pytest.mark.parametrize(
    "text", [*SAMPLES[:-1], "a cat <|endoftext|> b", "‘a’ “b” …", "Ｆｕｌｌ ﬁne", "&amp;", "<|x|>"]
)
def test_the_larger_of_two_countings_is_given(text: str) -> None:
    larger = max(len(open_clip_tokenizer().encode(text)), counted_by_transformers(text))
    assert tokens.count_tokens(text) == larger


def test_curly_quotes_and_entities_take_more_where_nobody_mends_them() -> None:
    assert (tokens.count_tokens('"x"'), tokens.count_tokens("“x”")) == (3, 5)
    assert (tokens.count_tokens("a & b"), tokens.count_tokens("a &amp; b")) == (3, 5)


def test_counts_what_transformers_counts_on_random_text() -> None:
    numbers = random.Random(7)
    texts = [random_text(numbers) for _ in range(2000)]
    # Their libraries know other versions of Unicode, and one takes U+001C to U+001F for blanks.
    differing = [t for t in texts if tokens._count(t, tokens._TRANSFORMERS) != counted_by_transformers(t)]
    assert len(differing) <= 6, differing
    plain = [text for text in texts if text.isascii() and text.isprintable()]
    assert len(plain) > 100 and not set(plain) & set(differing)


def test_counts_what_open_clip_counts_on_random_text() -> None:
    numbers = random.Random(5)
    for _ in range(4000):
        text = random_text(numbers)
        assert tokens._count(text, tokens._OPEN_CLIP) == len(open_clip_tokenizer().encode(text)), repr(text)


def test_counts_what_open_clip_counts_in_words_without_end() -> None:
    numbers = random.Random(6)
    for letters in ("ab", "aeiou", "etaoinshrdlu", "abcdefghijklmnopqrstuvwxyz", "!?.,;:-_", "éüßΣς日本語한"):
        for length in (33, 200, 700):
            word = "".join(numbers.choice(letters) for _ in range(length))
            assert tokens._tokens(word) == plainly_merged(word)
            assert tokens.count_tokens(word) == len(open_clip_tokenizer().encode(word)), word


def plainly_merged(word: str) -> tuple[str, ...]:
    """The merges as the paper has them: all pairs of the lowest rank, from left to right, again and again."""
    merges = tokens._merges()
    parts = [merges.byte_sign[byte] for byte in word.encode()]
    parts[-1] += "</w>"
    while ranks := [rank for pair in pairwise(parts) if (rank := merges.rank.get(pair)) is not None]:
        merged: list[str] = []
        was_merged = False
        for part in parts:
            if merged and merges.rank.get((merged[-1], part)) == min(ranks) and not was_merged:
                merged[-1] += part
                was_merged = True
            else:
                merged.append(part)
                was_merged = False
        parts = merged
    return tuple(parts)


@pytest.mark.parametrize(
    "text",
    [
        "".join(random.Random(7).choice("abcdefghijklmnopqrstuvwxyz") for _ in range(10_000)),
        "&amp;" * 2_000,
        "&amp; " + "a" * 9_900 + " &amp; schÃ¶n",
        "Ã©a" * 3_333,
        "\n" * 5_000 + "é\n" * 2_500,
    ],
    ids=("one word", "entities", "entities around a word", "mojibake", "lines"),
)
def test_the_longest_caption_costs_little_whatever_is_in_it(text: str) -> None:
    tokens.count_tokens("warm up")
    start = time.process_time()
    tokens.cut_at(text, tokens.USABLE_TOKENS)
    assert time.process_time() - start < 2, "0.2 s on a quiet core"


def test_words_without_end_are_not_kept_in_memory() -> None:
    tokens._kept_tokens.cache_clear()
    tokens.count_tokens("a" * 33)
    assert tokens._kept_tokens.cache_info().currsize == 0


def test_seventy_five_are_what_an_untruncated_prompt_may_have() -> None:
    tokenize = open_clip_tokenizer()
    fitting = " ".join(["cat"] * tokens.USABLE_TOKENS)
    assert tokenize([fitting]).tolist() == tokenize([fitting + " dog"]).tolist()
    assert tokenize([fitting]).tolist() != tokenize([fitting[:-3] + "dog"]).tolist()


@pytest.mark.parametrize("text", SAMPLES)
@pytest.mark.parametrize("limit", [0, 1, 2, 5, 20, 75])
def test_a_cut_is_the_end_of_the_last_token_that_fits(text: str, limit: int) -> None:
    offset = tokens.cut_at(text, limit)
    assert 0 <= offset <= len(text)
    if tokens.count_tokens(text) <= limit:
        assert offset == len(text)
    elif len(tokens._readers_of(text)) == 1:
        # What stands before the cut is spelled by the first `limit` tokens of the whole.
        encoder = open_clip_tokenizer()
        whole = encoder.decode(encoder.encode(text)[:limit]).replace(" ", "").rstrip("\ufffd")
        assert "".join(text[:offset].lower().split()) == "".join(whole.split())


def test_a_cut_inside_a_word_and_at_a_word() -> None:
    text = "A  big Cat"
    assert text[: tokens.cut_at(text, 2)] == "A  big"
    pieces = [text[: tokens.cut_at(text, n)] for n in range(3)]
    assert pieces == ["", "A", "A  big"]
    long_word = "floccinaucinihilipilification"
    parts = open_clip_tokenizer().encode(long_word)
    first = open_clip_tokenizer().decode(parts[:1])
    assert long_word[: tokens.cut_at(long_word, 1)] == first


def test_a_cut_finds_its_way_back_through_mended_text() -> None:
    text = "salt &amp; pepper “and” oil"
    mended = {limit: text[: tokens._cut_at(text, limit, tokens._OPEN_CLIP)] for limit in (2, 3, 5)}
    assert mended == {2: "salt &amp;", 3: "salt &amp; pepper", 5: "salt &amp; pepper “and"}
    as_it_is = {limit: text[: tokens.cut_at(text, limit)] for limit in (2, 3, 5)}
    assert as_it_is == {2: "salt &", 3: "salt &amp", 5: "salt &amp; pepper"}  # who mends nothing reads no further


def test_a_long_text_is_cut_where_a_short_one_is() -> None:
    numbers = random.Random(8)
    pieces = [
        "a dog",
        "&amp;",
        "schÃ¶n",
        "“and”",
        "oil",
        "&lt;b&gt;",
        "tree",
        "1girl",
        "â€œso",
        "naïve café",
        "\n",
        "red",
    ]
    for _ in range(30):
        start = " ".join(numbers.choice(pieces) for _ in range(40))
        long = start + " " + " ".join(numbers.choice(pieces) for _ in range(200))
        for limit in (5, 20, 30):
            assert tokens.cut_at(long, limit) == tokens.cut_at(start, limit), start


def test_a_thousand_captions_are_counted_at_once() -> None:
    numbers = random.Random(2)
    words = ["a", "photo", "of", "blue", "cat", "standing", "beside", "houses", "trending", "artstation,", "intricate"]
    captions = [" ".join(numbers.choice(words) for _ in range(30)) for _ in range(1000)]
    tokens.count_tokens("warm")
    start = time.process_time()
    for caption in captions:
        tokens.count_tokens(caption)
    assert time.process_time() - start < 0.5


def test_counting_imports_no_heavy_package() -> None:
    code = (
        "import sys; from captioner.captions.tokens import count_tokens, cut_at; count_tokens('naïve & so on');"
        "print([m for m in ('torch', 'open_clip', 'transformers', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_missing_word_list_is_named_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens._merges.cache_clear()
    tokens._kept_tokens.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match="pip install open_clip_torch"):
        tokens.count_tokens("a cat")
    tokens._merges.cache_clear()

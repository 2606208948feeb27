"""captioner.models.blip with its tensor code, on tiny random models, against plain transformers."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from captioner.contract import inputs
from captioner.errors import BadModel, ModelFailed, SettingsError
from captioner.models.blip import (
    PRESETS,
    BlipCaptioner,
    SamplingSettings,
    decoder,
    fast,
    preset,
    resolve_q_factor,
    selfcheck,
)
from captioner.models.blip.tree import PrefixTree
from captioner.models.byte_cache import ByteCache
from captioner.records import Sentence
from tests.plain_blip import PlainBlip
from tests.tiny_models import random_picture, save_tiny_blip

PICTURES = [random_picture(seed) for seed in range(6)]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


@pytest.fixture(scope="module")
def captioner(folder: Path) -> BlipCaptioner:
    return BlipCaptioner.load(folder, device="cpu")


@pytest.fixture(scope="module")
def plain(folder: Path) -> PlainBlip:
    return PlainBlip(folder)


def found_tokens(captioner: BlipCaptioner, picture: Any, settings: SamplingSettings) -> list[int]:
    encodings = captioner.encode([picture])
    return captioner._decoder.find([(encodings[0], settings)])[0][0].tokens


BEAM_GRID = [
    SamplingSettings(
        num_beams=num_beams, repetition_penalty=penalty, min_length=min_length, max_length=max(40, min_length)
    )
    for num_beams, penalty, min_length in [
        *[(1, penalty, min_length) for penalty in (0.01, 0.6, 1.0, 1.4, 5.0) for min_length in (1, 22, 48)],
        *[(3, penalty, min_length) for penalty in (0.6, 1.0, 1.4) for min_length in (5, 22, 48)],
        *[(16, penalty, min_length) for penalty, min_length in ((0.6, 5), (1.0, 22), (1.4, 5), (1.0, 75))],
        (20, 1.0, 5),
    ]
] + [
    SamplingSettings(num_beams=4, min_length=5, max_length=30, length_penalty=-1.0),
    SamplingSettings(num_beams=4, min_length=5, max_length=30, length_penalty=2.5),
    SamplingSettings(num_beams=4, min_length=20, max_length=30, no_repeat_ngram_size=2),
    SamplingSettings(num_beams=4, min_length=5, max_length=30, prompt=""),
    SamplingSettings(num_beams=4, min_length=5, max_length=30, prompt="the dog and"),
]

NUCLEUS_GRID = [
    SamplingSettings(method="nucleus", min_length=10, max_length=30, seed=seed, repetition_penalty=1.1, **chosen)
    for seed in (0, 7)
    for chosen in ({}, {"top_p": 1.0}, {"top_p": 0.01}, {"top_p": 0.6, "temperature": 1.7}, {"top_k": 0, "top_p": 0.95})
]


@pytest.mark.parametrize("settings", BEAM_GRID, ids=lambda settings: f"{settings.num_beams}-{settings.prompt}")
def test_beam_search_gives_the_tokens_of_plain_transformers(
    captioner: BlipCaptioner, plain: PlainBlip, settings: SamplingSettings
) -> None:
    for picture in PICTURES[:2]:
        ours = found_tokens(captioner, picture, settings)
        assert ours == plain.token_ids(picture, settings)


@pytest.mark.parametrize("settings", NUCLEUS_GRID)
def test_nucleus_sampling_draws_the_tokens_of_plain_transformers_with_the_same_seed(
    captioner: BlipCaptioner, plain: PlainBlip, settings: SamplingSettings
) -> None:
    for picture in PICTURES[:2]:
        ours = found_tokens(captioner, picture, settings)
        assert ours == plain.token_ids(picture, settings)


@pytest.mark.parametrize("settings", [*BEAM_GRID[::6], *NUCLEUS_GRID[::3]])
def test_a_sentence_says_whether_it_ran_into_max_length(
    captioner: BlipCaptioner, plain: PlainBlip, settings: SamplingSettings
) -> None:
    settings = settings.replaced(min_length=5)
    end = plain.model.config.text_config.sep_token_id
    for max_length in (12, 60):
        chosen = settings.replaced(max_length=max_length)
        for picture in PICTURES[:2]:
            [said] = captioner.caption(inputs([picture]), chosen)
            tokens = plain.token_ids(picture, chosen)
            assert said.finish == ("stop" if tokens[-1] == end else "length")
            assert said.finish == "stop" or len(tokens) == max_length


@pytest.mark.parametrize("settings", [*BEAM_GRID[1::9], *NUCLEUS_GRID[::4]])
def test_a_batch_says_of_each_picture_what_is_said_of_it_alone(
    captioner: BlipCaptioner, settings: SamplingSettings
) -> None:
    together = captioner.caption(inputs(PICTURES[:4]), settings)
    alone = [captioner.caption(inputs([picture]), settings)[0] for picture in PICTURES[:4]]
    assert [sentence.text for sentence in together] == [sentence.text for sentence in alone]
    assert len({sentence.text for sentence in alone}) > 1


def test_the_seed_decides_what_nucleus_sampling_draws(captioner: BlipCaptioner) -> None:
    def draw(seed: int) -> list[str]:
        settings = PRESETS["everydream-nucleus"].replaced(seed=seed)
        return [sentence.text for sentence in captioner.caption(inputs(PICTURES), settings)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_drawing_leaves_the_global_random_state_alone(captioner: BlipCaptioner) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    captioner.caption(inputs(PICTURES[:1]), PRESETS["everydream-nucleus"])
    assert torch.equal(torch.get_rng_state(), before)


def test_scores_and_alternatives_are_those_of_the_beam_search(captioner: BlipCaptioner, plain: PlainBlip) -> None:
    for settings in (
        SamplingSettings(num_beams=6, min_length=5, max_length=25),
        SamplingSettings(num_beams=6, min_length=8, max_length=12, length_penalty=2.0, repetition_penalty=1.3),
    ):
        for picture in PICTURES:
            sentence = captioner.caption(inputs([picture]), settings)[0]
            output = plain.generate(picture, settings)
            expected: dict[str, float] = {}
            for row, score in zip(output.sequences.tolist(), output.sequences_scores.tolist(), strict=True):
                words = plain.processor.decode(
                    plain.until_end(row), skip_special_tokens=True, clean_up_tokenization_spaces=True
                )
                expected.setdefault(words[len(settings.prompt) :].strip(), score)
            found = {sentence.text: sentence.score, **{other.text: other.score for other in sentence.alternatives}}
            assert list(found) == list(expected)
            assert list(found.values()) == pytest.approx(list(expected.values()), abs=1e-5)


def test_the_score_of_a_greedy_sentence_is_its_log_probability(captioner: BlipCaptioner, plain: PlainBlip) -> None:
    settings = SamplingSettings(num_beams=1, min_length=1, max_length=30)
    sentence = captioner.caption(inputs(PICTURES[:1]), settings)[0]
    tokens = torch.tensor([plain.token_ids(PICTURES[0], settings)])
    pixels = plain.processor(images=PICTURES[0], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        states = plain.model.vision_model(pixels).last_hidden_state
        logits = plain.model.text_decoder(tokens[:, :-1], encoder_hidden_states=states).logits
    gained = torch.log_softmax(logits, -1).gather(2, tokens[:, 1:, None])[0, 3:]  # behind [DEC] a picture of
    assert sentence.score == pytest.approx(float(gained.sum()), abs=1e-4)
    assert sentence.alternatives == ()


def test_the_prompt_is_stripped_with_its_space_and_punctuation_is_joined(captioner: BlipCaptioner) -> None:
    decoder = captioner._decoder
    ids = decoder.prompt_ids("a picture of ")
    dog, apostrophe, s, end = decoder._tokenizer.convert_tokens_to_ids(["dog", "'", "s", "[SEP]"])
    assert decoder._text([*ids, dog, apostrophe, s, dog, end], ids, "a picture of ") == "dog's dog"
    spaced = decoder.prompt_ids("A  picture of")
    assert decoder._text([*spaced, dog, end], spaced, "A  picture of") == "dog"


def test_pictures_are_squashed_and_normalised_as_the_folder_says(captioner: BlipCaptioner, plain: PlainBlip) -> None:
    picture = random_picture(3, width=200, height=50)
    pixels = plain.processor(images=picture, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 32, 32)
    with torch.no_grad():
        expected = plain.model.vision_model(pixels).last_hidden_state
    torch.testing.assert_close(captioner.encode([picture])[0].states, expected, atol=1e-4, rtol=1e-4)


def test_a_model_in_half_precision_runs_in_full_on_the_cpu(folder: Path, tmp_path: Path) -> None:
    half = shutil.copytree(folder, tmp_path / "half")
    tensors = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, half / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((half / "config.json").read_text())
    (half / "config.json").write_text(json.dumps({**config, "dtype": "float16"}))
    captioner = BlipCaptioner.load(half, device="cpu")
    assert (captioner.precision, captioner.device, captioner.runtime) == ("fp32", "cpu", "torch")
    assert captioner.caption(inputs(PICTURES[:1]), SamplingSettings())[0].text


def test_the_revision_tells_weights_apart(captioner: BlipCaptioner, folder: Path, tmp_path: Path) -> None:
    other = BlipCaptioner.load(save_tiny_blip(tmp_path / "other", seed=1), device="cpu")
    assert captioner.revision == BlipCaptioner.load(folder, device="cpu").revision
    assert captioner.revision != other.revision
    assert len(captioner.revision) == 12


def test_loading_and_captioning_say_nothing_on_the_terminal(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    captioner = BlipCaptioner.load(folder, device="cpu")
    for settings in PRESETS.values():
        captioner.caption(inputs(PICTURES[:1]), settings)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


# Decoding once what is the same


def slow_captioner(folder: Path, monkeypatch: pytest.MonkeyPatch) -> BlipCaptioner:
    """One that decodes with plain transformers, as with a version the fast path does not fit."""
    monkeypatch.setattr(selfcheck, "fast_is_supported", lambda is_packed: False)
    captioner = BlipCaptioner.load(folder, device="cpu")
    monkeypatch.undo()
    assert not captioner._decoder.is_fast
    return captioner


def test_the_fast_path_works_with_the_installed_versions(captioner: BlipCaptioner) -> None:
    assert captioner._decoder.is_fast
    assert captioner._decoder._is_packed


@pytest.mark.parametrize("settings", [BEAM_GRID[20], NUCLEUS_GRID[0]])
def test_without_the_fast_path_the_captions_are_the_same(
    captioner: BlipCaptioner, folder: Path, monkeypatch: pytest.MonkeyPatch, settings: SamplingSettings
) -> None:
    slow = slow_captioner(folder, monkeypatch)
    ours, theirs = captioner.caption(inputs(PICTURES), settings), slow.caption(inputs(PICTURES), settings)
    assert [one.text for one in ours] == [one.text for one in theirs]
    assert [one.score for one in ours] == pytest.approx([one.score for one in theirs], abs=1e-4)
    assert [[other.text for other in one.alternatives] for one in ours] == [
        [other.text for other in one.alternatives] for one in theirs
    ]


def test_unpacked_weights_give_the_same_captions(
    captioner: BlipCaptioner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selfcheck, "fast_is_supported", lambda is_packed: not is_packed)
    unpacked = BlipCaptioner.load(folder, device="cpu")
    assert (unpacked._decoder.is_fast, unpacked._decoder._is_packed) == (True, False)
    for settings in (BEAM_GRID[20], NUCLEUS_GRID[0]):
        ours, theirs = captioner.caption(inputs(PICTURES), settings), unpacked.caption(inputs(PICTURES), settings)
        assert [one.text for one in ours] == [one.text for one in theirs]


def test_head_and_words_stay_the_same_weights_when_the_model_moves(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved one by one they would be two, 47 MB more of BLIP base in half precision."""
    monkeypatch.setattr(selfcheck, "fast_is_supported", lambda is_packed: not is_packed)
    decoder = BlipCaptioner.load(folder, device="cpu")._decoder._model.text_decoder
    for dtype in (torch.float64, torch.float32):
        decoder.to(dtype)
        assert decoder.head.weight.data_ptr() == decoder.embeddings.word_embeddings.weight.data_ptr()


@pytest.mark.parametrize("broken", ["_reorder_linear_weight", "heads", "scores", "generate"])
def test_a_version_the_fast_path_does_not_fit_is_noticed_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    if broken == "_reorder_linear_weight":
        monkeypatch.setattr(fast.PackedLinear, "forward", lambda self, inputs: torch.ops.mkldnn.no_such_operator)
    elif broken == "heads":
        monkeypatch.setattr(fast.FastLayer, "__init__", lambda self, plain, is_packed: plain.renamed)
    elif broken == "scores":
        monkeypatch.setattr(PrefixTree, "reorder_cache", lambda self, beam_idx: None)
    else:  # generate hands the cache over under another name, as transformers 5.24 began to do
        monkeypatch.setattr(
            fast.FastTextDecoder, "prepare_inputs_for_generation", lambda self, ids, **_: {"input_ids": ids}
        )
    selfcheck.fast_is_supported.cache_clear()
    try:
        assert [selfcheck.fast_is_supported(True) for _ in range(3)] == [False] * 3
    finally:
        selfcheck.fast_is_supported.cache_clear()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "fast BLIP decoding is off" in caplog.text


GRIDS = {
    "penalty-length": [
        SamplingSettings(num_beams=4, repetition_penalty=penalty, min_length=min_length, max_length=25)
        for penalty in (0.01, 1.0, 1.4)
        for min_length in (5, 15, 25)
    ],
    "greedy": [SamplingSettings(num_beams=1, repetition_penalty=penalty) for penalty in (0.6, 1.0, 1.4)],
    "n-grams": [SamplingSettings(min_length=15, no_repeat_ngram_size=size) for size in (0, 1, 2, 3)],
    "mixed": [
        SamplingSettings(),
        SamplingSettings(num_beams=1),
        SamplingSettings(length_penalty=2.0),
        SamplingSettings(prompt="the dog"),
        SamplingSettings(max_length=30),
        SamplingSettings(method="nucleus", seed=3),
        SamplingSettings(),
    ],
    "nucleus": [
        SamplingSettings(
            method="nucleus", min_length=5, max_length=30, top_p=top_p, top_k=top_k, temperature=heat, seed=seed
        )
        for seed, (top_p, top_k, heat) in enumerate(
            [(0.01, 50, 1.0), (0.6, 0, 1.0), (1.0, 50, 1.0), (1.0, 50, 0.3), (0.9, 5, 2.0)]
        )
    ],
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_in_one_call_gives_each_cell_its_own_result(captioner: BlipCaptioner, name: str) -> None:
    (encoding,) = captioner.encode(PICTURES[1:2])
    together = captioner._decoder.find([(encoding, cell) for cell in GRIDS[name]])
    for cell, found in zip(GRIDS[name], together, strict=True):
        (alone,) = captioner._decoder.find([(encoding, cell)])
        assert [one.tokens for one in found] == [one.tokens for one in alone]
        assert [one.score for one in found] == pytest.approx([one.score for one in alone], abs=1e-4)


def test_a_grid_computes_what_its_cells_share_once(captioner: BlipCaptioner) -> None:
    decoder = captioner._decoder
    encoding = captioner.encode(PICTURES[:1])[0]

    def computed(cells: list[SamplingSettings]) -> int:
        before = decoder.computed_tokens
        decoder.find([(encoding, cell) for cell in cells])
        return decoder.computed_tokens - before

    cell = SamplingSettings(num_beams=5, min_length=20, max_length=40)
    assert computed([cell] * 10) == computed([cell])
    grid = GRIDS["penalty-length"]
    assert computed(grid) < 0.8 * sum(computed([one]) for one in grid)


def test_ended_cells_cost_no_more(captioner: BlipCaptioner, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = captioner._decoder
    encoding = captioner.encode(PICTURES[:1])[0]
    long = SamplingSettings(num_beams=4, min_length=60, max_length=60)
    short = [long.replaced(min_length=1, repetition_penalty=penalty) for penalty in (3.0, 4.0, 5.0)]

    def computed() -> tuple[int, list[list[int]]]:
        before = decoder.computed_tokens
        found = decoder.find([(encoding, cell) for cell in (long, *short)])
        return decoder.computed_tokens - before, [one[0].tokens for one in found]

    stopping, tokens = computed()
    monkeypatch.setattr(PrefixTree, "stop_cells", lambda self, is_open: None)
    going_on, same_tokens = computed()
    assert tokens == same_tokens
    assert stopping < going_on


def test_long_searches_prune_what_no_row_descends_from(captioner: BlipCaptioner) -> None:
    decoder = captioner._decoder
    sizes = []
    settings = SamplingSettings(num_beams=20, min_length=75, max_length=75)
    grow = PrefixTree.grow

    def watched(tree: PrefixTree, input_ids: Any) -> Any:
        growth = grow(tree, input_ids)
        sizes.append(growth.mask.shape[1])
        return growth

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrefixTree, "grow", watched)
        decoder.find([(captioner.encode(PICTURES[:1])[0], settings)])
    assert max(sizes) < 0.5 * 20 * 71
    assert any(later < earlier for earlier, later in itertools.pairwise(sizes))


def test_other_settings_look_at_no_picture_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = BlipCaptioner.load(folder, device="cpu")
    seen: list[int] = []
    encode, keys_of = captioner._decoder._encode_batch, captioner._decoder._model.text_decoder.keys_of
    monkeypatch.setattr(captioner._decoder, "_encode_batch", lambda new: seen.append(len(new)) or encode(new))
    monkeypatch.setattr(
        captioner._decoder._model.text_decoder, "keys_of", lambda states: seen.append(-1) or keys_of(states)
    )
    captioner.caption(inputs(PICTURES[:2]), SamplingSettings())
    captioner.caption(inputs([PICTURES[1].copy(), PICTURES[2]]), SamplingSettings(num_beams=2))
    captioner.caption(inputs(PICTURES[:3]), PRESETS["everydream-nucleus"])
    assert seen == [2, -1, -1, 1, -1]


def test_what_is_remembered_of_pictures_counts_and_stays_within_its_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = BlipCaptioner.load(folder, device="cpu")
    weights_bytes = captioner.size_bytes
    encodings = captioner.encode(PICTURES)
    states_bytes = encodings[0].size_bytes
    assert captioner.size_bytes == weights_bytes + len(PICTURES) * states_bytes
    captioner.move_to("cpu")
    assert captioner.size_bytes == weights_bytes
    captioner._decoder._states.limit_bytes = 2 * states_bytes
    captioner.caption(inputs(PICTURES), SamplingSettings())
    assert captioner._decoder._states.size_bytes == 2 * states_bytes
    keys = captioner._decoder._keys
    keys.limit_bytes = 1
    captioner._decoder.forget_pictures()
    captioner.caption(inputs(PICTURES[:3]), SamplingSettings())
    assert len(keys) == 1


def test_a_cache_drops_the_least_recently_used() -> None:
    cache: ByteCache[str] = ByteCache(10)
    for key in "abc":
        cache.put(key, key.upper(), 4)
        cache.get("a")
    assert [cache.get(key) for key in "abc"] == ["A", None, "C"]
    cache.put("c", "new", 6)
    assert (cache.get("c"), cache.size_bytes) == ("new", 10)


def test_a_cache_keeps_no_more_than_so_many_however_small_they_are() -> None:
    cache: ByteCache[int] = ByteCache(1000, limit_count=3)
    for number in range(5):
        cache.put(number, number, 1)
    assert (len(cache), cache.size_bytes, cache.get(1), cache.get(2)) == (3, 3, None, 2)


def test_what_is_remembered_of_a_picture_holds_no_others_memory(captioner: BlipCaptioner) -> None:
    for encoding in captioner.encode(PICTURES[:3]):
        assert encoding.states.untyped_storage().nbytes() == encoding.size_bytes


def test_more_samples_come_back_as_alternatives_with_the_seeds_that_follow(captioner: BlipCaptioner) -> None:
    settings = PRESETS["everydream-nucleus"].replaced(seed=5)
    encodings = captioner.encode(PICTURES[:2])
    drawn = captioner._decoder.decode(encodings, settings, samples=3)
    for encoding, sentence in zip(encodings, drawn, strict=True):
        texts = [captioner.decode([encoding], settings.replaced(seed=seed))[0].text for seed in (5, 6, 7)]
        assert [sentence.text, *(other.text for other in sentence.alternatives)] == texts
        assert all(other.score is not None for other in sentence.alternatives)


# What is refused


def spoil(folder: Path, target: Path) -> Path:
    return shutil.copytree(folder, target)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"])
def test_a_folder_without_one_of_its_files_is_refused_by_name(folder: Path, tmp_path: Path, name: str) -> None:
    broken = spoil(folder, tmp_path / "broken")
    (broken / name).unlink()
    with pytest.raises(BadModel, match=name.replace(".", r"\.")):
        BlipCaptioner.load(broken, device="cpu")


def test_a_truncated_weights_file_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = spoil(folder, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(BadModel, match="cut short"):
        BlipCaptioner.load(broken, device="cpu")


def test_a_pickle_instead_of_safetensors_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = spoil(folder, tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    torch.save({"weights": torch.zeros(1)}, broken / "pytorch_model.bin")
    with pytest.raises(BadModel, match=r"pytorch_model\.bin.*run code.*safetensors"):
        BlipCaptioner.load(broken, device="cpu")


def test_missing_tensors_are_named(folder: Path, tmp_path: Path) -> None:
    broken = spoil(folder, tmp_path / "broken")
    tensors = load_file(folder / "model.safetensors")
    del tensors["vision_model.post_layernorm.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadModel, match=r"vision_model\.post_layernorm\.weight"):
        BlipCaptioner.load(broken, device="cpu")


def test_tensors_of_another_size_are_refused(folder: Path, tmp_path: Path) -> None:
    broken = spoil(folder, tmp_path / "broken")
    tensors = load_file(folder / "model.safetensors")
    tensors["vision_model.post_layernorm.weight"] = torch.zeros(7)
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BadModel,
        match=r"post_layernorm\.weight has shape \[7\] but config\.json makes it \[32\]; .* Download both again",
    ):
        BlipCaptioner.load(broken, device="cpu")


def change_text_config(name: str, value: Any) -> Any:
    def change(config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "text_config": {**config["text_config"], name: value}}

    return change


def change_vocabulary(vocabulary: Any) -> Any:
    return lambda values: {**values, "model": {**values["model"], "vocab": vocabulary}}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("preprocessor_config.json", lambda _: [], "is not a JSON object; copy or download"),
        ("config.json", lambda config: {**config, "text_config": 3}, "text_config is not a JSON object; copy"),
        ("config.json", change_text_config("vocab_size", 7), r"has shape .* but config.json makes it \[7"),
        ("config.json", change_text_config("num_attention_heads", 7), "cannot be loaded as a BLIP model: .*; copy or"),
        (
            "config.json",
            change_text_config("sep_token_id", 9999),
            r"has sep_token_id 9999, but the model knows tokens 0",
        ),
        ("config.json", change_text_config("bos_token_id", -1), r"has bos_token_id -1, but the model knows tokens 0"),
        ("tokenizer.json", lambda _: {}, "holds no WordPiece vocabulary, .*; copy or download the model's folder"),
        ("tokenizer.json", change_vocabulary([]), "has no vocabulary of up to 1,000,000 tokens; copy or download"),
        (
            "tokenizer.json",
            change_vocabulary({"[UNK]": 0, "dog": 70}),
            "has a vocabulary up to token 70, but the model knows tokens",
        ),
    ],
)
def test_a_damaged_description_is_refused_and_told_what_to_do(
    folder: Path, tmp_path: Path, name: str, change: Any, message: str
) -> None:
    broken = spoil(folder, tmp_path / "broken")
    config = json.loads((broken / name).read_text(encoding="utf-8"))
    (broken / name).write_text(json.dumps(change(config)), encoding="utf-8")
    with pytest.raises(BadModel, match=message) as caught:
        BlipCaptioner.load(broken, device="cpu")
    assert "ignore_mismatched_sizes" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = spoil(folder, tmp_path / "broken")
    (broken / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(BadModel, match="of type 'clip'"):
        BlipCaptioner.load(broken, device="cpu")


def test_a_configuration_that_is_no_json_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = spoil(folder, tmp_path / "broken")
    (broken / "config.json").write_text("{")
    with pytest.raises(BadModel, match=r"config\.json cannot be read as JSON"):
        BlipCaptioner.load(broken, device="cpu")


def test_scores_that_are_not_numbers_are_an_error_and_not_a_caption(folder: Path) -> None:
    captioner = BlipCaptioner.load(folder, device="cpu")
    encodings = captioner.encode(PICTURES[:3])
    bad_states = torch.full_like(encodings[1].states, math.nan)
    encodings[1] = dataclasses.replace(encodings[1], states=bad_states, digest="bad")
    for settings in (SamplingSettings(num_beams=4), SamplingSettings(num_beams=1), PRESETS["everydream-nucleus"]):
        with pytest.raises(ModelFailed, match=r"picture 2 of 3 are not numbers \(NaN\) with .*min_length"):
            captioner.decode(encodings, settings)


@pytest.mark.parametrize("failing", ["_encode_batch", "_find_batch"])
def test_out_of_memory_halves_the_batch_and_changes_no_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    captioner = BlipCaptioner.load(folder, device="cpu")
    settings = SamplingSettings(num_beams=4)
    expected = captioner.caption(inputs(PICTURES), settings)
    captioner._decoder.forget_pictures()
    whole = getattr(captioner._decoder, failing)
    sizes = []

    def small_memory(items: Any, *more: Any) -> Any:
        sizes.append(len(items))
        if len(items) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(items, *more)

    monkeypatch.setattr(captioner._decoder, failing, small_memory)
    assert [one.text for one in captioner.caption(inputs(PICTURES), settings)] == [one.text for one in expected]
    assert sizes == [6, 6, 3, 2, 2, 2], "what is remembered goes first, then half of the batch"


def test_a_max_length_without_room_after_the_prompt_is_refused(captioner: BlipCaptioner) -> None:
    with pytest.raises(SettingsError, match=r"max_length is 4, .*take 4; it must be at least 5"):
        captioner.caption(inputs(PICTURES[:1]), SamplingSettings(min_length=1, max_length=4))
    assert captioner.caption(inputs(PICTURES[:1]), SamplingSettings(min_length=1, max_length=5))


# Settings and presets


def test_the_defaults_are_those_of_the_paper() -> None:
    assert SamplingSettings() == PRESETS["blip-paper"]
    assert (SamplingSettings().num_beams, SamplingSettings().min_length, SamplingSettings().max_length) == (3, 5, 20)


def test_every_preset_sets_every_field_by_itself() -> None:
    source = Path(decoder.__file__).with_name("settings.py").read_text(encoding="utf-8")
    for name in PRESETS:
        call = source.split(f'"{name}": SamplingSettings(')[1].split("),")[0]
        for field in SamplingSettings.fields():
            assert f"{field.name}=" in call, (name, field.name)


def test_presets_of_other_tools_leave_a_cut_sentence_as_it_is() -> None:
    assert [name for name, chosen in PRESETS.items() if chosen.whole_phrases] == ["blip-paper"]
    cut = Sentence("a dog in a", -0.2, finish="length")
    assert BlipCaptioner.select(cut, PRESETS["smart-preprocess"]) == cut
    assert BlipCaptioner.select(cut, SamplingSettings()).text == "a dog"


def test_the_nucleus_preset_has_the_penalty_blip_fixes() -> None:
    chosen = preset("everydream-nucleus")
    assert (chosen.method, chosen.repetition_penalty, chosen.top_k, chosen.top_p) == ("nucleus", 1.1, 50, 1.0)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="'fast'; the presets are everydream-beam, "):
        preset("fast")


def test_a_min_length_above_the_max_length_names_both() -> None:
    with pytest.raises(SettingsError, match="min_length is 30 and max_length is 20"):
        SamplingSettings(min_length=30)


@pytest.mark.parametrize("field", SamplingSettings.fields(), ids=lambda field: field.name)
def test_each_field_refuses_nan_and_values_off_its_range(field: Any) -> None:
    bad = [float("nan"), float("inf"), None, []]
    if field.kind in (int, float):
        bad += [field.minimum - 1, field.maximum + 1, "5", True]
    for value in bad:
        with pytest.raises(SettingsError, match=field.name):
            SamplingSettings(**{field.name: value})


def test_q_factor_is_the_repetition_penalty_under_beam_search() -> None:
    settings = SamplingSettings.from_mapping({"q_factor": 1.4, "num_beams": 16})
    assert settings == SamplingSettings(repetition_penalty=1.4, num_beams=16)
    assert resolve_q_factor({"q_factor": 1.4}) == ({"repetition_penalty": 1.4}, ())


def test_q_factor_is_top_p_under_nucleus_and_says_when_it_was_clamped() -> None:
    values, notes = resolve_q_factor({"method": "nucleus", "q_factor": 0.5})
    assert (values, notes) == ({"method": "nucleus", "top_p": 0.5}, ())
    values, notes = resolve_q_factor({"method": "nucleus", "q_factor": 200})
    assert values == {"method": "nucleus", "top_p": 1.0}
    assert len(notes) == 1
    assert "q_factor 200 was taken as top_p 1" in notes[0]


def test_q_factor_follows_a_preset() -> None:
    values = {**PRESETS["everydream-nucleus"].to_mapping(), "q_factor": 0.3}
    assert SamplingSettings.from_mapping(values) == PRESETS["everydream-nucleus"].replaced(top_p=0.3)


@pytest.mark.parametrize("value", [0, -1, 5.5, float("nan"), "1", True, None])
def test_a_q_factor_that_cannot_be_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match="q_factor is"):
        SamplingSettings.from_mapping({"q_factor": value})


def test_fields_of_one_method_are_marked_as_such() -> None:
    marks = {field.name: field.only_when for field in SamplingSettings.fields() if field.only_when}
    assert marks == {
        "num_beams": ("method", ("beam",)),
        "fit_length": ("method", ("beam",)),
        "length_penalty": ("method", ("beam",)),
        "top_p": ("method", ("nucleus",)),
        "top_k": ("method", ("nucleus",)),
        "temperature": ("method", ("nucleus",)),
        "seed": ("method", ("nucleus",)),
    }


def test_a_safetensors_header_that_lies_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = spoil(folder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(struct.pack("<Q", 10) + b"not json!!" + bytes(100))
    with pytest.raises(BadModel, match="is damaged"):
        BlipCaptioner.load(broken, device="cpu")

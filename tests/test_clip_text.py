"""taggers.clip.text: the fast text towers against open_clip's own encode_text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from captioner.errors import OutOfMemory
from taggers.clip import text
from taggers.clip.text import CausalTextTower, PlainTextTower, _buckets, text_tower
from tests.tiny_clip import CONFIG, tiny_clip

LABELS = [
    "a red star",
    "cat",
    "",
    "an intricate oil painting of a lighthouse, volumetric light, trending on artstation",
    "deviantart contest winner",
    "by Ivan Aivazovsky",
    "word " * 120,
    "cat",
]


def load(folder: Path) -> tuple[Any, Any]:
    model = open_clip.create_model(f"local-dir:{folder}").eval().requires_grad_(False)
    return model, open_clip.get_tokenizer(f"local-dir:{folder}")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The models are tiny; threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return load(tiny_clip(tmp_path_factory.mktemp("clip")))


def assert_same_features(fast: torch.Tensor, model: Any, tokens: torch.Tensor) -> None:
    plain = model.encode_text(tokens)
    assert fast.shape == plain.shape
    assert plain.abs().max() > 1
    assert (fast - plain).abs().max() < 2e-5
    distances = torch.cdist(plain, plain, compute_mode="donot_use_mm_for_euclid_dist")
    assert distances[distances > 0].min() > 1e-2  # the texts differ, so equality says something


def test_texts_at_their_true_length_have_the_same_features(tiny: tuple[Any, Any]) -> None:
    model, tokenize = tiny
    tokens = tokenize(LABELS)
    assert_same_features(CausalTextTower(model).encode(tokens), model, tokens)


@pytest.mark.parametrize("run_tokens", [1, 20, 90, 100_000])
def test_the_buckets_size_changes_nothing(tiny: tuple[Any, Any], run_tokens: int) -> None:
    model, tokenize = tiny
    tower = CausalTextTower(model)
    tower._run_tokens = run_tokens
    tokens = tokenize(LABELS)
    assert_same_features(tower.encode(tokens), model, tokens)


@pytest.mark.parametrize("run_tokens", [1, 60, 100_000])
def test_texts_with_one_word_changed_have_the_same_features(tiny: tuple[Any, Any], run_tokens: int) -> None:
    model, tokenize = tiny
    words = ["a", "large", "red", "cat", "by", "two", "dogs", "on", "the", "grass"]
    others = ["seven", "purple", "houses"]
    changed = [" ".join([*words[:place], other, *words[place + 1 :]]) for place in range(10) for other in others]
    tokens = tokenize([*changed, *LABELS, " ".join(words), "a large red", ""])
    tower = CausalTextTower(model)
    tower._run_tokens = run_tokens
    assert_same_features(tower.encode_variants(tokens), model, tokens)
    twice = tower.encode_variants(tokens[[0, 1, 0]])
    assert torch.allclose(twice[0], twice[2], atol=2e-5)
    assert_same_features(PlainTextTower(model).encode_variants(tokens), model, tokens)


@pytest.mark.parametrize(
    "prefix", ["a", "a photo of a cat on a mat", "long " * 70, "word " * 90], ids=["one", "some", "nearly all", "all"]
)
def test_continuations_of_a_common_beginning_have_the_same_features(tiny: tuple[Any, Any], prefix: str) -> None:
    model, tokenize = tiny
    tokens = tokenize([f"{prefix}, {label}" for label in LABELS])
    fast, plain = CausalTextTower(model).encode_continuations(tokens), model.encode_text(tokens)
    assert (fast - plain).abs().max() < 2e-5


def test_texts_without_a_common_beginning_and_single_texts_are_no_special_case(tiny: tuple[Any, Any]) -> None:
    model, tokenize = tiny
    tower = CausalTextTower(model)
    for texts in (LABELS, LABELS[:1], ["cat", "cat"], ["cat", "cat, dog"], ["a cat", "a catfish"]):
        tokens = tokenize(texts)
        assert (tower.encode_continuations(tokens) - model.encode_text(tokens)).abs().max() < 2e-5


def test_the_common_beginning_is_run_once(tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenize = tiny
    tower = CausalTextTower(model)
    shapes = []
    run = tower._run

    def watched(tokens: torch.Tensor, ends: torch.Tensor, prefix: Any) -> torch.Tensor:
        shapes.append((tuple(tokens.shape), prefix[0][0].shape[2]))
        return run(tokens, ends, prefix)

    monkeypatch.setattr(tower, "_run", watched)
    tower.encode_continuations(tokenize(["a photo of a " + noun for noun in ("cat", "dog", "car")]))
    assert shapes == [((3, 2), 5)]  # start, a, photo, of, a | noun, end


@pytest.mark.parametrize(
    "change",
    [
        {"custom_text": True},
        {"quick_gelu": True},
        {"text_cfg": {**CONFIG["model_cfg"]["text_cfg"], "proj_bias": True}},
        {"text_cfg": {**CONFIG["model_cfg"]["text_cfg"], "ls_init_value": 0.5}},
        {"text_cfg": {**CONFIG["model_cfg"]["text_cfg"], "context_length": 20}},
    ],
    ids=["text in its own module", "quick gelu", "projection with bias", "layer scale", "short context"],
)
def test_variants_of_the_architecture_have_the_same_features(tmp_path: Path, change: dict[str, Any]) -> None:
    model, tokenize = load(tiny_clip(tmp_path, **change))
    tower = text_tower(model)
    assert isinstance(tower, CausalTextTower)
    tokens = tokenize(LABELS)
    assert (tower.encode(tokens) - model.encode_text(tokens)).abs().max() < 2e-5
    tokens = tokenize([f"a photo, {label}" for label in LABELS])
    assert (tower.encode_continuations(tokens) - model.encode_text(tokens)).abs().max() < 2e-5


@pytest.mark.parametrize(
    "text",
    [{"no_causal_mask": True, "pool_type": "last"}, {"pool_type": "last"}, {"block_type": "custom"}],
    ids=["sees both ways", "pools at the last place", "blocks of another kind"],
)
def test_another_kind_of_text_tower_is_run_by_open_clip_itself(tmp_path: Path, text: dict[str, Any]) -> None:
    model, tokenize = load(tiny_clip(tmp_path, text_cfg={**CONFIG["model_cfg"]["text_cfg"], **text}, custom_text=True))
    tower = text_tower(model)
    assert isinstance(tower, PlainTextTower)
    tokens = tokenize(LABELS * 20)
    assert (tower.encode(tokens) - model.encode_text(tokens)).abs().max() < 2e-5
    assert torch.equal(tower.encode_continuations(tokens), tower.encode(tokens))
    assert tower.lengths(tokens).unique().tolist() == [77]


def test_half_precision_stays_close(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path)
    model, tokenize = load(folder)
    half = open_clip.create_model(f"local-dir:{folder}", precision="fp16").eval().requires_grad_(False)
    tokens = tokenize(LABELS)
    fast = CausalTextTower(half).encode(tokens)
    assert fast.dtype is torch.float32
    assert torch.cosine_similarity(fast, model.encode_text(tokens)).min() > 0.999


def test_buckets_hold_every_row_once_and_little_padding() -> None:
    lengths = torch.tensor([9, 2, 2, 30, 5, 5, 2])
    assert [*_buckets(lengths, 12)] == [[1, 2, 6], [4, 5], [0], [3]]


def test_texts_behind_a_long_beginning_are_fewer_at_once() -> None:
    """Each holds keys and values of the beginning too: 8,192 flavors behind 60 tokens would take 2.2 GB a layer."""
    lengths = torch.full((8192,), 4)
    for shared in (0, 10, 60):
        sizes = [len(rows) for rows in _buckets(lengths, 32_768, shared)]
        assert sum(sizes) == 8192
        assert max(sizes) * (shared + 4) <= 4 * 32_768
    assert [len(rows) for rows in _buckets(lengths, 32_768, 10)] == [8192], "a short one costs nothing"


@pytest.mark.parametrize("way", ["encode", "encode_continuations", "encode_variants"])
@pytest.mark.parametrize("make", [CausalTextTower, PlainTextTower])
def test_texts_that_find_no_memory_are_halved_and_one_that_finds_none_is_said(
    tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, way: str, make: Any
) -> None:
    model, tokenize = tiny
    tokens = tokenize([f"a photo of {label}" for label in LABELS])
    wanted, tower, most = model.encode_text(tokens), make(model), 3
    for owner, name in ((tower, "_run"), (tower, "_run_tree"), (model, "encode_text")):
        run = getattr(owner, name, None)
        if run is None or (owner is model) != (make is PlainTextTower):
            continue

        def short(first: Any, *others: Any, run: Any = run) -> torch.Tensor:
            if len(first.paths if hasattr(first, "paths") else first) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.20 GiB")
            features: torch.Tensor = run(first, *others)
            return features

        monkeypatch.setattr(owner, name, short)
    found = getattr(tower, way)(tokens)
    assert (found - wanted).abs().max() < 2e-5
    most = 0
    with pytest.raises(OutOfMemory, match="not enough memory"):
        getattr(tower, way)(tokens)


def test_without_packed_weights_the_features_are_the_same(
    tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenize = tiny
    tokens = tokenize(LABELS)
    monkeypatch.setattr(text, "_packing_works", lambda block: False)
    plain = CausalTextTower(model)
    assert plain.size_bytes == 0
    assert (plain.encode(tokens) - model.encode_text(tokens)).abs().max() < 2e-5


@pytest.mark.parametrize(
    "packed",
    [
        lambda *arguments: (_ for _ in ()).throw(RuntimeError("other arguments")),
        lambda weight, bias, activation=None: lambda x: x @ weight.T * 1.01,
    ],
    ids=["fails", "computes something else"],
)
def test_packing_is_used_only_where_it_computes_the_same(
    tiny: tuple[Any, Any], packed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = tiny[0].transformer.resblocks[0]
    assert text._packing_works(block) == torch.backends.mkldnn.is_available()
    monkeypatch.setattr(text, "_packed_linear", packed)
    assert not text._packing_works(block)


def test_half_precision_is_not_packed(tmp_path: Path) -> None:
    half = open_clip.create_model(f"local-dir:{tiny_clip(tmp_path)}", precision="fp16")
    assert not text._packing_works(half.transformer.resblocks[0])
    assert CausalTextTower(half).size_bytes == 0

"""taggers.clip and taggers.clip.labels: ranking, label embeddings on disk, bad model folders."""

import functools
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.numpy import save_file as save_numpy

from captioner.contract import ModelSpec, inputs
from captioner.errors import BadModel, BadVocabulary, MissingPackage, ModelFailed, ModelNotFound, OutOfMemory
from captioner.files import cache_folder
from captioner.models import registry
from captioner.records import Forecast, Preparing, Tag
from captioner.settings import Effect
from taggers import vocabularies
from taggers.clip import STORED_LABELS, ClipSettings, ClipTagger, published
from taggers.clip import labels as labels_module
from taggers.clip.labels import LabelCache
from taggers.clip.loading import needs_quick_gelu
from taggers.clip.ranking import matrix_on
from taggers.vocabularies import Vocabulary
from tests.hub_server import HubServer
from tests.tiny_clip import CONFIG, tiny_clip
from tests.tiny_models import random_picture

COLOURS = ["red", "green", "blue", "black", "white"]
NOUNS = ["star", "house", "tree", "cat", "dog", "car", "heart", "circle", "boat", "fish", "sun", "moon", "bird", "key"]
FLAVORS = [f"a {colour} {noun}" for colour in COLOURS for noun in NOUNS]
RANK = ClipSettings()
NOTHING_LEFT = Forecast(0, "labels to embed", 0.0)
MEGABYTES = "MB"
WORDS = {"mediums": ["a pencil drawing", "pixel art", "a photo"], "flavors": FLAVORS}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("CAPTIONER_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The models are tiny; threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip"), WORDS)


def reference(tagger: ClipTagger, picture: Any, labels: Sequence[str]) -> dict[str, float]:
    """Label -> cosine similarity by open_clip's own functions, without any cache."""
    model = tagger._model
    with torch.inference_mode():
        image = model.encode_image(tagger._preprocess(picture)[None], normalize=True)
        text = model.encode_text(tagger._tokenizer(list(labels)), normalize=True)
    return dict(zip(labels, (image @ text.T)[0].tolist(), strict=True))


def test_every_vocabulary_is_ranked_by_cosine_similarity(folder: Path) -> None:
    tagger = ClipTagger.load(folder, device="cpu")
    for seed in range(3):
        picture = random_picture(seed)
        (tags,) = tagger.tag(inputs([picture]), ClipSettings())
        for kind, labels in WORDS.items():
            wanted = reference(tagger, picture, labels)
            found = [tag for tag in tags if tag.category == kind]
            assert len(found) == min(STORED_LABELS, len(labels))
            best = sorted(wanted.values(), reverse=True)[: len(found)]
            assert [tag.score for tag in found] == pytest.approx(best, abs=2e-3)  # embeddings are kept as float16
            assert all(tag.score == pytest.approx(wanted[tag.name], abs=2e-3) for tag in found)
        assert [tag.score for tag in tags] == sorted((tag.score for tag in tags), reverse=True)
        assert {tag.source for tag in tags} == {"clip"}


def test_a_batch_gives_what_single_pictures_give(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = ClipTagger.load(folder, device="cpu")
    pictures = [random_picture(seed, 30 + seed, 50) for seed in range(5)]
    single = [tagger.tag(inputs([picture]), ClipSettings())[0] for picture in pictures]
    assert tagger.tag(inputs(pictures), ClipSettings()) == single
    assert tagger.tag(inputs([]), ClipSettings()) == []


def test_blank_and_repeated_labels_are_ranked_but_never_become_tags(tmp_path: Path) -> None:
    tagger = ClipTagger.load(tiny_clip(tmp_path / "m", {"mediums": ["x"]}), device="cpu")
    labels = ("cat", "", "dog", "cat", *(f"{noun} {n}" for n in range(5) for noun in NOUNS))
    tagger.vocabularies = {"flavors": Vocabulary("flavors", labels, "test")}
    (tags,) = tagger.tag(inputs([random_picture(1)]), ClipSettings())
    names = [tag.name for tag in tags]
    assert len(names) == len(set(names)) == STORED_LABELS
    assert "" not in names


def test_kept_are_the_best_of_each_vocabulary_in_the_given_order() -> None:
    tags = [
        Tag("a", 0.9, "flavors", "clip"),
        Tag("b", 0.8, "artists", "clip"),
        Tag("c", 0.7, "flavors", "clip"),
        Tag("d", 0.6, "flavors", "clip"),
        Tag("e", 0.5, "artists", "clip"),
        Tag("f", 0.4, "mediums", "clip"),
    ]
    settings = ClipSettings(flavors=2, mediums=0)
    assert [tag.name for tag in ClipTagger.select(tags, settings)] == ["a", "b", "c"]
    fitting = settings.replaced(similarity_threshold=0.8)
    assert [tag.name for tag in ClipTagger.select(tags, fitting)] == ["a", "b"]


def test_the_maxima_only_compose_and_there_is_one_for_each_kind() -> None:
    effects = {field.name: field.effect for field in ClipSettings.fields()}
    assert {kind: effects[kind] for kind in vocabularies.KINDS} == dict.fromkeys(vocabularies.KINDS, Effect.COMPOSE)
    assert effects["mode"] is Effect.RUN


def test_a_folder_without_own_words_ranks_the_public_ones(tmp_path: Path) -> None:
    tagger = ClipTagger.load(tiny_clip(tmp_path / "m"), device="cpu")
    assert [*tagger.vocabularies] == [*vocabularies.KINDS]
    assert tagger.forecast(RANK).count == 10530 + 100970 + 95 + 200 + 72


def test_a_folder_whose_own_list_is_empty_tags_nothing(tmp_path: Path) -> None:
    tagger = ClipTagger.load(tiny_clip(tmp_path / "m", {}), device="cpu")
    assert tagger.tag(inputs([random_picture(1)]), ClipSettings()) == [()]


def test_it_says_what_it_is(folder: Path) -> None:
    tagger = ClipTagger.load(folder, device="cpu")
    assert (tagger.device, tagger.precision, tagger.runtime) == ("cpu", "fp32", "torch")
    before = tagger.size_bytes
    assert before >= sum(p.numel() * 4 for p in tagger._model.parameters())
    tagger.prepare(RANK)
    assert tagger.size_bytes == before + (len(FLAVORS) + 3) * 16 * 4
    assert len(tagger.revision) == 12


def test_moving_keeps_the_results(folder: Path) -> None:
    tagger = ClipTagger.load(folder, device="cpu")
    before = tagger.tag(inputs([random_picture(1)]), ClipSettings())
    tagger.move_to("cpu")
    assert tagger.tag(inputs([random_picture(1)]), ClipSettings()) == before


def test_half_precision_weights_load_as_full_on_the_cpu(tmp_path: Path) -> None:
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    path = tiny_clip(tmp_path / "m", WORDS) / "open_clip_model.safetensors"
    save_torch({name: tensor.half() for name, tensor in load_torch(path).items()}, path)
    tagger = ClipTagger.load(tmp_path / "m", device="cpu")
    assert tagger.precision == "fp32"
    assert tagger.tag(inputs([random_picture(1)]), ClipSettings())[0]


def test_half_precision_ranks_as_full_precision_does(folder: Path) -> None:
    """What runs on CUDA, run on the CPU: fp16 weights, fp32 similarities."""
    full = ClipTagger.load(folder, device="cpu")
    name = f"local-dir:{folder}"
    model, _, preprocess = open_clip.create_model_and_transforms(name, precision="fp16")
    half = ClipTagger(
        model.eval(), preprocess, open_clip.get_tokenizer(name), full.vocabularies, device="cpu", revision="half"
    )
    assert half.precision == "fp16"
    picture = random_picture(2)
    (wanted,), (found,) = full.tag(inputs([picture]), ClipSettings()), half.tag(inputs([picture]), ClipSettings())
    scores = {tag.name: tag.score for tag in wanted}
    assert {tag.name: tag.score for tag in found if tag.name in scores} == pytest.approx(
        {tag.name: scores[tag.name] for tag in found if tag.name in scores}, abs=1e-2
    )
    assert len(found) == len(wanted)
    prompt = half.interrogate(picture, ClipSettings(mode="chain", max_flavors=2, candidates=8), "a boat")
    assert prompt.text.startswith("a boat, ")


def test_nan_similarities_are_left_out_and_reported(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    tagger = ClipTagger.load(folder, device="cpu")
    tagger.prepare(RANK)
    assert tagger._labels is not None
    tagger._labels.matrix[0] = math.nan
    broken = next(iter(tagger.vocabularies.values())).labels[0]
    (tags,) = tagger.tag(inputs([random_picture(1)]), ClipSettings())
    assert broken not in [tag.name for tag in tags]
    assert all(math.isfinite(tag.score) for tag in tags)
    assert "clip gave no number for 1 similarities" in caplog.text
    tagger._labels.matrix[:] = math.nan
    with pytest.raises(ModelFailed, match="CLIP gave no number for this picture; leave it out"):
        tagger.tag(inputs([random_picture(1)]), ClipSettings())


def test_on_a_card_labels_take_half_and_rank_as_they_do_without_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.random.default_rng(0)
    stored = [numbers.standard_normal((count, 24)).astype(np.float16) for count in (7, 30)]
    on_cpu, on_card = matrix_on("cpu", stored), matrix_on("meta", stored)
    assert (on_cpu.dtype, on_card.dtype) == (torch.float32, torch.float16)
    assert on_cpu.shape == on_card.shape == (37, 24)
    tagger = ClipTagger.load(folder, device="cpu")
    pictures = inputs([random_picture(seed) for seed in range(3)])
    wanted = tagger.tag(pictures, ClipSettings())
    tagger._labels.matrix = tagger._labels.matrix.half()
    monkeypatch.setattr("taggers.clip.ranking._LABELS_AT_ONCE", 5)
    for found, expected in zip(tagger.tag(pictures, ClipSettings()), wanted, strict=True):
        assert [tag.name for tag in found] == [tag.name for tag in expected]
        assert [tag.score for tag in found] == pytest.approx([tag.score for tag in expected], abs=1e-6)


def test_a_batch_that_finds_no_memory_is_halved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = ClipTagger.load(folder, device="cpu")
    pictures = [random_picture(seed) for seed in range(5)]
    wanted = tagger.tag(inputs(pictures), ClipSettings())
    encode, sizes, most = tagger._model.encode_image, [], 1

    def encode_image(pixels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pixels))
        if len(pixels) > most:
            raise torch.OutOfMemoryError("out of memory")
        return encode(pixels)

    monkeypatch.setattr(tagger._model, "encode_image", encode_image)
    monkeypatch.setattr("taggers.clip.tagger._CPU_BATCH", 4)
    tagger.release_memory()  # it remembers the pictures
    assert [[t.name for t in tags] for tags in tagger.tag(inputs(pictures), ClipSettings())] == [
        [t.name for t in tags] for tags in wanted
    ]
    assert sizes == [4, 2, 1, 1, 1, 1, 1]
    most = 0
    tagger.release_memory()
    with pytest.raises(OutOfMemory, match="not enough memory for even one picture"):
        tagger.tag(inputs(pictures[:1]), ClipSettings())


def test_a_vocabulary_of_ones_own_is_ranked_beside_the_models(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(tmp_path / "own"))
    mine = vocabularies.add_own("mine", b"a yellow submarine\nan octopus\n")
    yours = vocabularies.add_own("yours", b"a garden\n")
    tagger = ClipTagger.load(folder, device="cpu")
    picture = random_picture(1)
    (without,) = tagger.tag(inputs([picture]), ClipSettings())
    for name in (mine, yours, mine):
        labels = vocabularies.own(name).labels
        (tags,) = tagger.tag(inputs([picture]), ClipSettings(own_vocabulary=name))
        own = {tag.name: tag.score for tag in tags if tag.category == "own"}
        assert own == pytest.approx(reference(tagger, picture, labels), abs=2e-3)
        assert tuple(tag for tag in tags if tag.category != "own") == without
        kept = ClipTagger.select(tags, ClipSettings(own_vocabulary=name, own_labels=1, flavors=0, mediums=0))
        assert [tag.name for tag in kept] == [max(own, key=lambda label: own[label])]
    with pytest.raises(BadVocabulary, match="called 'his'; add its file again"):
        tagger.tag(inputs([picture]), ClipSettings(own_vocabulary="his"))


# Label embeddings on disk


def test_labels_are_embedded_once_and_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ClipTagger.load(folder, device="cpu")
    assert first.forecast(RANK).count == len(FLAVORS) + 3
    tags = first.tag(inputs([random_picture(1)]), ClipSettings())
    assert first.forecast(RANK).count == 0
    second = ClipTagger.load(folder, device="cpu")
    assert second.forecast(RANK) == NOTHING_LEFT
    monkeypatch.setattr(second._text, "encode", lambda tokens: pytest.fail("embedded again"))
    assert second.tag(inputs([random_picture(1)]), ClipSettings()) == tags


def test_progress_is_told_up_to_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taggers.clip.labels.CHUNK", 30)
    monkeypatch.setattr("taggers.clip.labels._TOKENIZED", 50)  # the flavors take two such steps, the mediums one
    seen = [*ClipTagger.load(folder, device="cpu").prepare_steps(RANK)]
    total = len(FLAVORS) + 3
    assert seen == [Preparing(done, total, "labels") for done in (3, 3, 33, 63, total)]


def test_an_interrupted_run_goes_on_where_it_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taggers.clip.labels.CHUNK", 20)
    wanted = [
        tag.name for tag in ClipTagger.load(folder, device="cpu").tag(inputs([random_picture(1)]), ClipSettings())[0]
    ]
    for path in cache_folder().rglob("*.safetensors"):
        path.unlink()

    stopped = ClipTagger.load(folder, device="cpu")
    steps = stopped.prepare_steps(RANK)
    for _ in range(3):
        next(steps)
    steps.close()
    resumed = ClipTagger.load(folder, device="cpu")
    assert resumed.forecast(RANK).count == len(FLAVORS) - 40
    counted = []
    encode = resumed._text.encode
    monkeypatch.setattr(resumed._text, "encode", lambda tokens: counted.append(len(tokens)) or encode(tokens))
    assert [tag.name for tag in resumed.tag(inputs([random_picture(1)]), ClipSettings())[0]] == wanted
    assert sum(counted) == len(FLAVORS) - 40
    assert [path.name for path in cache_folder().rglob("*.chunks*")] == []


class FakeEncoder:
    """Embeds a label by its characters; knows no CLIP."""

    def __init__(self) -> None:
        self.embedded = 0

    def tokenize(self, labels: Sequence[str]) -> Any:
        return np.array([[len(label), ord(label[0])] for label in labels], np.float32)

    def lengths(self, tokens: Any) -> Any:
        return tokens[:, 0].astype(np.int64)

    def embed(self, tokens: Any) -> Any:
        self.embedded += len(tokens)
        return (tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).astype(np.float16)


def test_a_slow_machine_takes_steps_of_fewer_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    encoder = FakeEncoder()
    embed, sizes = encoder.embed, []

    def slowly(tokens: Any) -> Any:
        nonlocal now
        now += len(tokens) * seconds_a_label
        sizes.append(len(tokens))
        return embed(tokens)

    monkeypatch.setattr(encoder, "embed", slowly)
    monkeypatch.setattr("time.perf_counter", lambda: now)
    for seconds_a_label, wanted in ((0.001, [32, 128, 96]), (1 / 32, [32, 96, 96, 32]), (1.0, [32] * 8)):
        sizes.clear()
        cache = LabelCache("slow", tmp_path / str(seconds_a_label))
        steps = [done for done, _ in cache.compute(LONG, encoder)]
        assert sizes[: len(wanted)] == wanted, "a chunk of 256 labels"
        assert steps == [sum(sizes[: place + 1]) for place in range(len(sizes))]


def compute(cache: LabelCache, vocabulary: Vocabulary) -> tuple[Any, int]:
    encoder = FakeEncoder()
    *_, (_, whole) = cache.compute(vocabulary, encoder)
    return whole, encoder.embedded


LONG = Vocabulary("flavors", tuple(chr(97 + n % 26) * (1 + (n * 7) % 50) for n in range(600)), "test")


def test_embeddings_are_in_the_vocabularys_order_however_they_were_computed(tmp_path: Path) -> None:
    whole, embedded = compute(LabelCache("abc", tmp_path), LONG)
    assert embedded == len(LONG.labels)
    assert np.array_equal(whole, FakeEncoder().embed(FakeEncoder().tokenize(LONG.labels)))
    assert np.array_equal(LabelCache("abc", tmp_path).load(LONG), whole)


def test_the_file_has_the_layout_of_the_published_ones(tmp_path: Path) -> None:
    cache = LabelCache("abc", tmp_path)
    compute(cache, LONG)
    tensors = load_file(cache.path(LONG))
    assert {name: (t.dtype, t.shape) for name, t in tensors.items()} == {
        "embeds": (np.float16, (600, 2)),
        "hash": (np.int8, (64,)),
    }
    assert bytes(tensors["hash"]).decode("ascii") == LONG.digest


@pytest.mark.parametrize("damage", ["truncated", "empty", "other labels", "too few rows", "not finite", "not float16"])
def test_a_damaged_file_is_computed_again_with_a_warning(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = LabelCache("abc", tmp_path)
    whole, _ = compute(cache, LONG)
    path = cache.path(LONG)
    tensors = load_file(path)
    changes: dict[str, dict[str, Any]] = {
        "other labels": {"hash": tensors["hash"][::-1].copy()},
        "too few rows": {"embeds": tensors["embeds"][:-1].copy()},
        "not finite": {"embeds": np.where(np.arange(2) == 0, np.float16(np.nan), tensors["embeds"])},
        "not float16": {"embeds": tensors["embeds"].astype(np.float32)},
    }
    if damage in changes:
        save_numpy({**tensors, **changes[damage]}, path)
    else:
        assert cache.missing(LONG) == 0
        path.write_bytes(path.read_bytes()[:-100] if damage == "truncated" else b"")
        assert cache.missing(LONG) == 600, "else a forecast says that there is nothing to do"
    assert cache.load(LONG) is None
    assert f"{path.name} is damaged" in caplog.text
    again, _ = compute(cache, LONG)
    assert np.array_equal(again, whole)
    assert np.array_equal(cache.load(LONG), whole)


def test_a_damaged_chunk_is_computed_again_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = LabelCache("abc", tmp_path)
    steps = cache.compute(LONG, FakeEncoder())
    while next(steps)[0] < 2 * labels_module.CHUNK:
        pass
    chunks = sorted(tmp_path.rglob("*.chunks/*.safetensors"))
    assert len(chunks) == 2
    chunks[0].write_bytes(chunks[0].read_bytes()[:-10])
    whole, embedded = compute(cache, LONG)
    assert embedded == len(LONG.labels) - labels_module.CHUNK
    assert np.array_equal(whole, FakeEncoder().embed(FakeEncoder().tokenize(LONG.labels)))
    assert "00000000.safetensors is damaged" in caplog.text


def test_other_weights_and_other_labels_have_files_of_their_own(tmp_path: Path) -> None:
    other = Vocabulary("flavors", LONG.labels[:-1], "test")
    paths = {LabelCache(revision, tmp_path).path(words) for revision in ("abc", "def") for words in (LONG, other)}
    assert len(paths) == 4


def test_a_cache_that_cannot_be_written_costs_a_warning_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "labels").write_text("a file where the folder should be")
    cache = LabelCache("abc", tmp_path)
    whole, _ = compute(cache, LONG)
    assert len(whole) == 600
    assert len(caplog.records) == 1
    assert "label embeddings cannot be kept" in caplog.text


def test_nothing_unfinished_is_left_behind(tmp_path: Path) -> None:
    cache = LabelCache("abc", tmp_path)
    compute(cache, LONG)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [cache.path(LONG)]


@pytest.mark.parametrize(
    ("platform", "environment", "wanted"),
    [
        ("linux", {"CAPTIONER_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/captioner"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/u/.cache/captioner"),
        ("linux", {}, "/home/u/.cache/captioner"),
        ("darwin", {}, "/home/u/Library/Caches/captioner"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/captioner/Cache"),
        ("win32", {}, "/home/u/AppData/Local/captioner/Cache"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    platform: str, environment: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CAPTIONER_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/u"))
    assert cache_folder() == Path(wanted)


def test_the_forecast_counts_what_is_missing_at_the_measured_speed(folder: Path) -> None:
    tagger = ClipTagger.load(folder, device="cpu")
    ticks = iter([10.0, 12.0])
    count = len(FLAVORS) + 3
    found = tagger.forecast(RANK, lambda: next(ticks))
    assert (found.count, found.things, found.download_mb) == (count, "labels to embed", 0)
    assert found.seconds == pytest.approx(2.0 / 49 * count)  # 47 flavors and 2 mediums took two seconds
    assert tagger.forecast(RANK, lambda: pytest.fail("measured twice")) == found
    tagger.prepare(RANK)
    assert tagger.forecast(RANK) == NOTHING_LEFT


def test_a_vocabulary_of_ones_own_is_foretold_and_prepared_as_well(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(tmp_path / "own"))
    mine = vocabularies.add_own("mine", b"a yellow submarine\nan octopus\n")
    tagger = ClipTagger.load(folder, device="cpu")
    tagger.prepare(RANK)
    own = ClipSettings(own_vocabulary=mine)
    assert tagger.forecast(own).count == 2
    assert [*tagger.prepare_steps(own)] == [Preparing(2, 2, "labels")]
    assert tagger.forecast(own) == NOTHING_LEFT
    with pytest.raises(BadVocabulary):
        tagger.forecast(ClipSettings(own_vocabulary="nobody's"))


# Published label embeddings

PUBLISHED = Vocabulary("mediums", ("a photo", "pixel art", "a pencil drawing"), "clip-interrogator")


@pytest.fixture
def hub_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub of our own with the repository of label embeddings, and an empty Hugging Face cache."""
    import huggingface_hub

    repository = tmp_path / "repository"
    repository.mkdir()
    with HubServer({"pharmapsychotic/ci-preprocess": repository}) as server:
        real = huggingface_hub.snapshot_download

        def snapshot_download(*arguments: Any, **keywords: Any) -> str:
            return real(*arguments, **keywords, endpoint=server.url, cache_dir=tmp_path / "hub")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        monkeypatch.setattr(huggingface_hub, "HfApi", functools.partial(huggingface_hub.HfApi, endpoint=server.url))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield server


def published_tagger(tmp_path: Path, name: str = "clip-v1") -> ClipTagger:
    folder = tmp_path / name
    if not folder.exists():
        tiny_clip(folder, {"mediums": ["x"]})
    tagger = ClipTagger.load(
        folder, device="cpu", spec=next((one for one in registry.MODELS if one.name == name), None)
    )
    tagger.vocabularies = {"mediums": PUBLISHED}
    return tagger


def fetch(tagger: ClipTagger) -> list[Preparing]:
    return [*tagger.prepare_steps(RANK, published=True)]


def publish(server: HubServer, embeds: Any, vocabulary: Vocabulary = PUBLISHED) -> Path:
    repository = server.repositories["pharmapsychotic/ci-preprocess"]
    path = repository / "ViT-L-14_openai_mediums.safetensors"
    save_numpy({"embeds": embeds, "hash": np.frombuffer(vocabulary.digest.encode(), np.int8)}, path)
    (repository / "ViT-L-14_openai_mediums.pkl").write_bytes(b"never asked for")
    return path


def right_embeds(tagger: ClipTagger) -> Any:
    with torch.inference_mode():
        features = tagger._model.encode_text(tagger._tokenizer(list(PUBLISHED.labels)), normalize=True)
    return features.half().numpy()


def test_published_embeddings_are_fetched_once_and_used(
    tmp_path: Path, hub_server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagger = published_tagger(tmp_path)
    publish(hub_server, right_embeds(tagger))
    assert tagger.published() == {"mediums": 1}
    assert tagger.forecast(RANK).download_mb == 1
    assert fetch(tagger)[-1] in (Preparing(0, 1, MEGABYTES), Preparing(1, 1, MEGABYTES))
    assert tagger.published() == {}
    assert tagger.forecast(RANK) == NOTHING_LEFT
    (tags,) = tagger.tag(inputs([random_picture(1)]), ClipSettings())
    wanted = reference(tagger, random_picture(1), PUBLISHED.labels)
    assert {tag.name: tag.score for tag in tags} == pytest.approx(wanted, abs=2e-3)
    assert hub_server.gets("ViT-L-14_openai_mediums.safetensors") == [""]
    assert not [path for _, path, _ in hub_server.requests if path.endswith(".pkl")]
    assert published_tagger(tmp_path).published() == {}


def test_published_embeddings_of_other_labels_are_refused(tmp_path: Path, hub_server: HubServer) -> None:
    tagger = published_tagger(tmp_path)
    publish(hub_server, right_embeds(tagger), Vocabulary("mediums", ("x", "y", "z"), "test"))
    with pytest.raises(BadModel, match=r"ViT-L-14_openai_mediums\.safetensors .* it is of other labels"):
        fetch(tagger)
    assert tagger.forecast(RANK).count == 3


@pytest.mark.parametrize("change", [lambda e: e[::-1].copy(), lambda e: e[:, :8].copy()], ids=["values", "width"])
def test_published_embeddings_of_other_weights_are_refused(tmp_path: Path, hub_server: HubServer, change: Any) -> None:
    tagger = published_tagger(tmp_path)
    publish(hub_server, change(right_embeds(tagger)))
    with pytest.raises(BadModel, match="published embeddings of mediums are not of these weights"):
        fetch(tagger)
    assert tagger.forecast(RANK).count == 3


def test_embeddings_nobody_published_are_reported(tmp_path: Path, hub_server: HubServer) -> None:
    with pytest.raises(BadModel, match=r"ci-preprocess has no ViT-L-14_openai_mediums"):
        fetch(published_tagger(tmp_path))


def test_a_hub_that_is_away_leaves_embedding_here(tmp_path: Path, hub_server: HubServer) -> None:
    hub_server.close()
    tagger = published_tagger(tmp_path)
    with pytest.raises(ModelNotFound, match=r"mediums\.safetensors \(1 MB\) could not be .* or embed the labels here"):
        fetch(tagger)
    assert [*tagger.prepare_steps(RANK)] == [Preparing(3, 3, "labels")]


def test_the_hub_is_asked_only_when_published_embeddings_are_wanted(tmp_path: Path, hub_server: HubServer) -> None:
    tagger = published_tagger(tmp_path)
    assert tagger.forecast(RANK).download_mb == 1
    tagger.prepare(RANK)
    assert hub_server.requests == []


def test_nothing_is_offered_for_weights_or_words_of_ones_own(tmp_path: Path, hub_server: HubServer) -> None:
    assert published_tagger(tmp_path, "my-own").published() == {}
    tagger = published_tagger(tmp_path)
    tagger.vocabularies = {"mediums": Vocabulary("mediums", ("x",), "own.txt")}
    assert tagger.published() == {}
    assert fetch(tagger) == [Preparing(1, 1, "labels")]
    assert hub_server.requests == []


@pytest.mark.parametrize("spec", [spec for spec in registry.of_family("clip") if spec.tag], ids=lambda spec: spec.name)
def test_every_registered_model_has_a_published_name(spec: ModelSpec) -> None:
    assert spec.tag is not None
    wanted = {"clip-v1": "ViT-L-14_openai_flavors", "clip-v2": "ViT-H-14_laion2b_s32b_b79k_flavors"}
    assert published.file_name(spec.tag, "flavors") == wanted[spec.name] + ".safetensors"


# Loading


def test_importing_the_tagger_loads_nothing_heavy() -> None:
    code = (
        "import sys, taggers.clip, taggers.wd14;"
        "print([m for m in ('torch', 'open_clip', 'onnxruntime', 'transformers') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_missing_open_clip_is_named_with_its_pip_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingPackage, match="CLIP needs open_clip: pip install open_clip_torch"):
        ClipTagger.load(folder, device="cpu")


def change_weights(folder: Path, change: Any) -> None:
    path = folder / "open_clip_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_numpy(tensors, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("visual.proj"), r"Missing key\(s\) in state_dict: \"visual.proj\""),
        (lambda t: t.update(more=np.zeros(3)), r"Unexpected key\(s\) in state_dict: \"more\""),
        (
            lambda t: t.update({"visual.proj": np.zeros((32, 8), np.float32)}),
            r"visual.proj has shape \[32, 8\] but open_clip_config.json makes it \[32, 16\]",
        ),
        (
            lambda t: t.update(positional_embedding=np.zeros((40, 32), np.float32)),
            r"positional_embedding has shape \[40, 32\] but open_clip_config.json makes it \[77, 32\]",
        ),
        (
            lambda t: t.update({"visual.positional_embedding": np.zeros((10, 32), np.float32)}),
            r"visual.positional_embedding has shape \[10, 32\]",
        ),
    ],
    ids=["missing", "unexpected", "shape", "text positions", "picture positions"],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS)
    change_weights(folder, change)
    with pytest.raises(BadModel, match=message) as caught:
        ClipTagger.load(folder, device="cpu")
    assert "open_clip_model.safetensors" in str(caught.value)


@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "open_clip_config.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no {name}"),
        (b"", "{name} is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "{name} is a Git LFS pointer"),
    ],
)
def test_files_that_are_not_there_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tiny_clip(tmp_path / "m", WORDS) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadModel, match=message.format(name=name)):
        ClipTagger.load(tmp_path / "m", device="cpu")


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    path = tiny_clip(tmp_path / "m", WORDS) / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BadModel, match=r"open_clip_model\.safetensors is cut short"):
        ClipTagger.load(tmp_path / "m", device="cpu")


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "open_clip_model.pt", "model.pth"])
def test_pickled_weights_are_never_opened(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS)
    (folder / "open_clip_model.safetensors").rename(folder / name)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("opened a pickle"))
    with pytest.raises(BadModel, match=name):
        ClipTagger.load(folder, device="cpu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "is not an open_clip configuration"),
        ('{"model_cfg": {}}', "is not an open_clip configuration"),
        ('{"model_cfg": {"vision_cfg": 1, "text_cfg": 2}}', "is not an open_clip configuration"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tiny_clip(tmp_path / "m", WORDS) / "open_clip_config.json"
    path.write_text(text)
    with pytest.raises(BadModel, match=r"open_clip_config\.json " + message):
        ClipTagger.load(tmp_path / "m", device="cpu")


def test_a_configuration_open_clip_cannot_build_is_refused(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS)
    config = {**CONFIG, "model_cfg": {**CONFIG["model_cfg"], "no_such_part": 1}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(BadModel, match="no_such_part"):
        ClipTagger.load(folder, device="cpu")


def test_a_folders_bad_words_are_refused(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "m", WORDS)
    (folder / "vocabularies" / "mediums.txt").write_bytes(b"\xff\xfe\n")
    with pytest.raises(BadVocabulary, match=r"mediums\.txt is not UTF-8"):
        ClipTagger.load(folder, device="cpu")


@pytest.mark.parametrize(
    ("path", "switch", "wanted"),
    [
        ("clip-v1", None, True),
        ("clip-v1", False, True),
        ("vit_large_patch14_clip_224.openai", None, True),
        ("hub/models--timm--vit_large_patch14_clip_224.openai/snapshots/0123", None, True),
        ("anything", True, True),
        ("anything", None, False),
        ("clip-v2", None, False),
        ("clip-demo", None, False),
        ("hub/models--laion--CLIP-ViT-H-14-laion2B-s32B-b79K/snapshots/0123", None, False),
        ("hub/models--timm--vit_base_patch32_clip_224.metaclip_400m/snapshots/0123", None, True),
        ("vit_base_patch16_clip_224.openai", None, True),
        ("hub/models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K/snapshots/0123", None, False),
    ],
)
def test_openai_weights_get_quick_gelu(path: str, switch: bool | None, wanted: bool) -> None:
    config = {} if switch is None else {"quick_gelu": switch}
    spec = registry.find(path) if path in ("clip-v1", "clip-v2", "clip-demo") else None
    assert needs_quick_gelu(Path("/models") / path, {"model_cfg": config}, spec) is wanted


def test_quick_gelu_really_is_in_the_model(tmp_path: Path) -> None:
    from open_clip.transformer import QuickGELU

    for name, kind in (("clip-v1", QuickGELU), ("clip-v2", torch.nn.GELU)):
        folder = tiny_clip(tmp_path / name, WORDS)
        model = ClipTagger.load(folder, device="cpu", spec=registry.find(name))._model
        towers = (model.transformer, model.visual.transformer)
        assert all(type(block.mlp.gelu) is kind for tower in towers for block in tower.resblocks)

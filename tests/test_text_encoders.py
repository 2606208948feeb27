"""captioner.models.text_encoders and service.token_counting: exact where a tokenizer is here, about where it is not.

What downloads runs in a process of its own with its own cache, as in test_sources.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.captions.tokens import count_tokens
from captioner.errors import BadModel
from captioner.formats.check_rules import token_limit
from captioner.formats.checked import Question
from captioner.formats.trainers.registry import TARGETS
from captioner.formats.trainers.target import BASE_MODELS, ENCODER_OF_MODEL
from captioner.models import text_encoders
from captioner.models.text_encoders import TEXT_ENCODERS, cached_counter
from captioner.service.exports import ExportWish
from captioner.service.service import Service
from captioner.service.token_counting import counter_for, encoder_title
from tests.hub_server import HubServer
from tests.service_makers import added, png
from tests.shell import Shell
from tests.tiny_tokenizers import tiny_json, tiny_spiece

ROOT = Path(text_encoders.__file__).resolve().parents[2]
T5, QWEN = TEXT_ENCODERS["t5"], TEXT_ENCODERS["qwen"]
CAPTION = "cat " * 3 + "dog"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where repositories are looked for, a folder `owner/name` each; nothing is in it."""
    folder = tmp_path / "cache"
    known = {encoder.repo: folder / encoder.repo for encoder in TEXT_ENCODERS.values()}
    monkeypatch.setattr(
        text_encoders, "cached_folder", lambda spec: known[spec.repo] if known[spec.repo].is_dir() else None
    )
    return folder


def put(cache: Path, name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tokenizer's file in the cache, taken for the one whose hash is known."""
    encoder = TEXT_ENCODERS[name]
    if encoder.sha256:
        tiny = replace(encoder, sha256=hashlib.sha256(data).hexdigest())
        monkeypatch.setattr(text_encoders, "TEXT_ENCODERS", {**TEXT_ENCODERS, name: tiny})
    return write(cache, name, data)


def write(cache: Path, name: str, data: bytes) -> Path:
    path = cache / TEXT_ENCODERS[name].repo / TEXT_ENCODERS[name].file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# Which encoder


def test_every_model_that_has_a_limit_has_an_encoder_that_counts() -> None:
    limited = {
        model
        for trainer in TARGETS
        for model in BASE_MODELS
        if token_limit(Question(trainer=trainer, base_model=model))
    }
    assert limited == set(ENCODER_OF_MODEL)
    assert set(ENCODER_OF_MODEL.values()) == {"clip", *TEXT_ENCODERS}
    assert [encoder_title(model) for model in ("sdxl", "flux1", "qwen-image", "other")] == [
        "CLIP",
        "T5",
        "Qwen2.5-VL",
        "",
    ]


def test_clip_is_exact_and_needs_no_tokenizer(cache: Path) -> None:
    counter = counter_for("sdxl")
    assert (counter.count("a red cat"), counter.is_exact, counter.trouble) == (3, True, "")


@pytest.mark.parametrize("model", ["sd35", "flux1", "qwen-image", "other"])
def test_where_no_tokenizer_is_the_number_is_clips_and_about(cache: Path, model: str) -> None:
    counter = counter_for(model)
    assert (counter.count(CAPTION), counter.is_exact, counter.trouble) == (count_tokens(CAPTION), False, "")


# What counts


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a cat", 2),
        ("a   cats  ", 3),  # spaces are one, and none at the end
        ("a </s> cat", 3),
        ("<extra_id_7>", 1),
        ("cat \ud83d", 3),  # half a character
    ],
)
def test_t5_counts_by_its_pieces_without_the_end(
    cache: Path, monkeypatch: pytest.MonkeyPatch, text: str, count: int
) -> None:
    put(cache, "t5", tiny_spiece(), monkeypatch)
    counter = counter_for("flux1")
    assert (counter.is_exact, counter.trouble) == (True, "")
    assert counter.count(text) == count


def test_a_tokenizer_json_counts_whole_texts_without_the_end(cache: Path) -> None:
    write(cache, "qwen", tiny_json())
    counter = counter_for("qwen-image")
    assert (counter.is_exact, counter.trouble) == (True, "")
    assert counter.count("cat " * 600) == 600  # the file would cut at 4 and add an end
    assert counter_for("flux1").is_exact is False  # which is T5's


def test_another_file_in_the_place_is_read_anew(cache: Path) -> None:
    path = write(cache, "qwen", tiny_json())
    assert cached_counter("qwen") is cached_counter("qwen")
    path.write_bytes(b"{")
    with pytest.raises(BadModel):
        cached_counter("qwen")


# What is refused


def test_a_file_with_another_hash_is_refused(cache: Path) -> None:
    path = write(cache, "t5", tiny_spiece())
    with pytest.raises(BadModel) as raised:
        cached_counter("t5")
    assert str(raised.value) == (
        f"{path}, the tokenizer of T5, cannot be used: it is damaged or another file (its sha256 differs). "
        "Delete it to fetch it again."
    )


SPIECE = tiny_spiece()
PANIC = {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("qwen", b"", "it cannot be read as JSON: "),
        ("qwen", b"\xff\xfe{}", "it cannot be read as JSON: "),
        ("qwen", b"[" * 100_000, "it cannot be read as JSON: it is nested too deeply."),
        ("qwen", b"[]", "it is JSON, but no tokenizer."),
        ("qwen", b'{"model": {}}', "it is JSON, but no tokenizer that can be used."),
        ("qwen", tiny_json(vocab={"cat": 0}), "it is JSON, but no tokenizer that can be used."),
        ("qwen", json.dumps({**json.loads(tiny_json()), **PANIC}).encode(), "no tokenizer that can be used."),
        ("qwen", b" " * (QWEN.max_bytes + 1), "it has 20,000,001 bytes; at most 20,000,000 are read."),
        ("t5", SPIECE[:-1], "it is no SentencePiece model."),
        ("t5", b"\x80", "it is no SentencePiece model."),
        ("t5", b"\x0f", "it is no SentencePiece model."),
        ("t5", b"", "it is no SentencePiece model: it has no pieces."),
        ("t5", b"<!DOCTYPE html>", "it is no SentencePiece model."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_damaged_file_is_one_sentence_and_the_number_is_about(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, reason: str
) -> None:
    path = put(cache, name, data, monkeypatch)
    counter = counter_for("qwen-image" if name == "qwen" else "flux1")
    assert (counter.count(CAPTION), counter.is_exact) == (count_tokens(CAPTION), False)
    assert counter.trouble.startswith(f"{path}, the tokenizer of ") and reason in counter.trouble
    assert counter.trouble.endswith("Delete it to fetch it again.") and "\n" not in counter.trouble


# The command line


def long_set(shell: Shell) -> None:
    for name, words in (("a", 600), ("b", 500)):
        shell.picture(f"in/{name}.png")
        (shell.folder / f"in/{name}.txt").write_text("cat " * words)


def found(shell: Shell, *words: str) -> tuple[list[str], dict[str, object], str]:
    ran = shell("check", "in", "--for", "simpletuner", *words, "--captions-only", "--json")
    (shown,) = ran.objects
    assert ran.status == 0
    return [one["what"] for one in shown["findings"] if one["rule"] == "tokens"], shown["tokens"], ran.err


def test_check_says_about_until_the_tokenizer_is_here(
    shell: Shell, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_set(shell)
    about = {"encoder": "Qwen2.5-VL", "limit": 511, "is_exact": False}
    what = "with a caption over the limit of 511 tokens"
    model = ("--base-model", "qwen-image")
    assert found(shell, *model) == ([f"{what}, about 600 in the longest"], about, "")
    path = write(cache, "qwen", tiny_json())
    assert found(shell, *model) == ([what], {**about, "is_exact": True}, "")
    assert found(shell, *model, "--exact-tokens") == ([what], {**about, "is_exact": True}, "")
    path.write_bytes(b"[]")
    whats, tokens, err = found(shell, *model)
    assert (whats, tokens) == ([f"{what}, about 600 in the longest"], about)
    assert err.startswith("note: ") and err.endswith("Delete it to fetch it again. Tokens are counted about.\n")
    assert found(shell, "--base-model", "sdxl", "--exact-tokens")[1:] == (
        {"encoder": "CLIP", "limit": 75, "is_exact": True},
        "",
    )


def test_a_set_that_leaves_is_counted_exactly_too(shell: Shell, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(cache, "t5", tiny_spiece(), monkeypatch)
    shell.picture("photos/a.png")
    words = ("photos", "--format", "kohya", "--base-model", "sd35", "--suffix", "s" * 300)
    ran = shell.caption(*words, "--out", "exact")
    assert ran.status == 0, ran.err
    assert "with a caption over the limit of 255 tokens; shorten it" in (shell.folder / "exact/START.txt").read_text()
    path = write(cache, "t5", b"damaged")
    ran = shell.caption(*words, "--out", "about")
    assert ran.status == 0 and f"{path}, the tokenizer of T5, cannot be used" in ran.err
    start = (shell.folder / "about/START.txt").read_text()
    assert f"{path}, the tokenizer of T5, cannot be used: it is damaged or another file" in start


def test_the_page_is_told_about_how_many_until_it_knows(
    service: Service, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id = str(service.new_set()["set"])
    added(service, set_id, "a.png", png((9, 9, 9)), "cat " * 600)
    wish = ExportWish.read({"format": "simpletuner", "base_model": "qwen-image"})

    def look() -> tuple[list[str], list[str]]:
        told = service.exports.look(set_id, wish)
        return [one["what"] for one in told["findings"] if one["rule"] == "tokens"], told["notes"]

    what = "with a caption over the limit of 511 tokens"
    assert look() == ([f"{what}, about 600 in the longest"], [])
    path = write(cache, "qwen", tiny_json())
    assert look() == ([what], [])
    path.write_bytes(b"[]")
    (about,), (trouble,) = look()
    assert about.endswith("about 600 in the longest") and trouble.endswith(
        "it is JSON, but no tokenizer. Delete it to fetch it again."
    )


# The hub


def check(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept: Mapping[str, str] = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING")) and not name.lower().endswith("_proxy")
    }
    return subprocess.run(
        [sys.executable, "-m", "captioner", "check", "in", *words, "--captions-only", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**kept, "HF_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        cwd=home.parent,
    )


def test_the_tokenizer_is_fetched_once_when_asked_for_and_then_found_offline(shell: Shell, tmp_path: Path) -> None:
    long_set(shell)
    home, asked = shell.folder / "home", ("--for", "simpletuner", "--base-model", "qwen-image")
    served = tmp_path / "served"
    served.mkdir()
    (served / QWEN.file).write_bytes(tiny_json())
    (served / "model.safetensors").write_bytes(b"never asked for")
    with HubServer({QWEN.repo: served}) as hub:
        ran = check(home, *asked, HF_ENDPOINT=hub.url)
        assert (json.loads(ran.stdout)["tokens"]["is_exact"], hub.requests) == (False, [])
        ran = check(home, *asked, "--exact-tokens", HF_ENDPOINT=hub.url)
        assert (json.loads(ran.stdout)["tokens"]["is_exact"], ran.returncode) == (True, 0), ran.stderr
        assert "downloading: " in ran.stderr
        assert (len(hub.gets(QWEN.file)), hub.gets("model.safetensors")) == (1, [])
        hub.requests.clear()
        for words in ((), ("--exact-tokens",)):
            ran = check(home, *asked, *words, HF_ENDPOINT=hub.url)
            assert (json.loads(ran.stdout)["tokens"]["is_exact"], ran.stderr, hub.requests) == (True, "", [])
    ran = check(home, *asked, HF_HUB_OFFLINE="1")
    assert (json.loads(ran.stdout)["tokens"]["is_exact"], ran.stderr) == (True, "")


def test_a_tokenizer_that_cannot_be_fetched_is_a_note(shell: Shell, tmp_path: Path) -> None:
    long_set(shell)
    home, asked = shell.folder / "home", ("--for", "kohya", "--base-model", "flux1", "--exact-tokens")
    served = tmp_path / "served"
    served.mkdir()
    (served / T5.file).write_bytes(tiny_spiece())
    with HubServer({T5.repo: served}) as hub:
        ran = check(home, *asked, HF_ENDPOINT=hub.url)  # another file than the one whose hash is known
    assert (json.loads(ran.stdout)["tokens"]["is_exact"], ran.returncode) == (False, 0)
    assert "its sha256 differs" in ran.stderr.splitlines()[-1]
    ran = check(shell.folder / "other", *asked, HF_ENDPOINT="http://127.0.0.1:9")
    assert (json.loads(ran.stdout)["tokens"]["is_exact"], ran.returncode) == (False, 0)
    assert ran.stderr.startswith("note: the tokenizer of T5 (1 MB) could not be downloaded from google/t5-v1_1-xxl: ")
    assert ran.stderr.endswith("or go on with numbers that are about right. Tokens are counted about.\n")

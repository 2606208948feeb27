"""captioner.models.blip.loading: folders of many releases of transformers load, and as transformers loads them."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertTokenizer, BlipProcessor

from captioner.errors import BadModel
from captioner.models.blip import loading, selfcheck
from captioner.models.blip.decoder import BlipDecoder
from tests.tiny_models import VOCABULARY, random_picture, save_tiny_blip

TEXTS = [
    "a picture of ",
    "A  Dog's cat, sitting on the TREE.",
    "überall é 犬 dog-house",
    "",
    "[SEP] [DEC]a star",
    "x" * 200,
]

# What older releases wrote beside what describes the model.
OLD_CONFIG = {
    "_commit_hash": None,
    "_name_or_path": "",
    "architectures": None,
    "bad_words_ids": None,
    "chunk_size_feed_forward": 0,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "pruned_heads": {},
    "task_specific_params": None,
    "tokenizer_class": None,
    "torch_dtype": None,
    "transformers_version": "4.26.0.dev0",
    "use_bfloat16": False,
}
OLD_TOKENIZER = {
    "do_basic_tokenize": True,
    "do_lower_case": True,
    "model_max_length": 512,
    "name_or_path": "bert-base-uncased",
    "never_split": None,
    "processor_class": "BlipProcessor",
    "special_tokens_map_file": None,
    "strip_accents": None,
    "tokenize_chinese_chars": True,
    "tokenizer_class": "BertTokenizer",
    "unk_token": "[UNK]",
    "sep_token": {"__type": "AddedToken", "content": "[SEP]", "lstrip": False},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("models") / "tiny-blip")


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def as_written_long_ago(folder: Path) -> None:
    def change(values: dict[str, Any]) -> None:
        for config in (values, values["text_config"], values["vision_config"]):
            config.update({key: value for key, value in OLD_CONFIG.items() if key not in config})

    edit(folder / "config.json", change)
    (folder / "tokenizer_config.json").write_text(json.dumps(OLD_TOKENIZER))
    edit(folder / "preprocessor_config.json", lambda values: values.update(processor_class="BlipProcessor"))


def as_written_tomorrow(folder: Path) -> None:
    for path in folder.glob("*config.json"):
        edit(
            path, lambda values: values.update(unheard_of={"a": [1]}, transformers_version="9.0", chat_template="{{a}}")
        )


def with_one_processor_file(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    BlipProcessor.from_pretrained(folder.parent / "whole").save_pretrained(folder)


def with_a_word_list(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")


def in_capitals(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", lambda values: values.update(do_lower_case=False))


LAYOUTS = [as_written_long_ago, as_written_tomorrow, with_one_processor_file, with_a_word_list, in_capitals]


@pytest.mark.parametrize("layout", [lambda _: None, *LAYOUTS])
def test_tokenizer_and_pictures_are_as_transformers_makes_them(
    tiny: Path, tmp_path: Path, layout: Callable[[Path], None]
) -> None:
    shutil.copytree(tiny, tmp_path / "whole")
    folder = shutil.copytree(tiny, tmp_path / "m")
    layout(folder)
    _, pictures, tokenizer = loading.load(folder, torch.float32)
    plain = BlipProcessor.from_pretrained(folder)
    assert isinstance(plain.tokenizer, BertTokenizer)
    for text in TEXTS:
        own = tokenizer(text, add_special_tokens=False).input_ids
        assert own == plain.tokenizer(text, add_special_tokens=False).input_ids, text
        ids = [*own, *range(len(VOCABULARY))]
        decoded = [
            one.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)
            for one in (tokenizer, plain.tokenizer)
        ]
        assert decoded[0] == decoded[1]
    picture = random_picture(0, width=90, height=40)
    values = [one(images=[picture], return_tensors="pt")["pixel_values"] for one in (pictures, plain.image_processor)]
    assert torch.equal(values[0], values[1])


def test_special_tokens_beside_the_vocabulary_keep_their_numbers(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "m")

    def move_out(values: dict[str, Any]) -> None:
        for name in ("[DEC]", "[ENC]"):
            del values["model"]["vocab"][name]
        last = len(VOCABULARY) - 2
        words = [word for word in VOCABULARY if word not in ("[DEC]", "[ENC]")]
        values["model"]["vocab"] = {word: number for number, word in enumerate(words)}
        kept = [entry for entry in values["added_tokens"] if entry["content"] not in ("[DEC]", "[ENC]")]
        values["added_tokens"] = [
            *kept,
            *({"id": last + n, "content": name, "special": True} for n, name in enumerate(("[DEC]", "[ENC]"))),
        ]

    edit(folder / "tokenizer.json", move_out)
    _, _, tokenizer = loading.load(folder, torch.float32)
    last = len(VOCABULARY) - 2
    assert tokenizer.convert_tokens_to_ids(["[DEC]", "[ENC]"]) == [last, last + 1]
    assert tokenizer.decode([last, last + 1], skip_special_tokens=True) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(added_tokens=3), "has no list of up to 1,000 added_tokens"),
        (lambda v: v.update(added_tokens=[{"content": "a"}]), "an added token without id or content"),
        (lambda v: v.update(added_tokens=[{"id": -1, "content": "a"}]), "added_tokens has id -1, but it must be"),
        (lambda v: v.update(added_tokens=[3]), "added_tokens is not a JSON object"),
        (lambda v: v["model"]["vocab"].pop("[UNK]"), r"has no \[UNK\], which stands for words it lacks"),
        (lambda v: v["model"].update(vocab={"a": "b"}), "has no vocabulary of up to"),
        (lambda v: v["model"].update(vocab={"a" * 1001: 1}), "has no vocabulary of up to"),
        (lambda v: v["model"].update(vocab={"a": -1}), "has no vocabulary of up to"),
        (lambda v: v["model"].update(vocab={"a": 1.5}), "has no vocabulary of up to"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(tiny: Path, tmp_path: Path, change: Any, message: str) -> None:
    folder = shutil.copytree(tiny, tmp_path / "m")
    edit(folder / "tokenizer.json", change)
    with pytest.raises(BadModel, match=message):
        loading.load(folder, torch.float32)


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="this system does not tell what is mapped")
@pytest.mark.parametrize("is_fast", [True, False])
def test_a_loaded_model_lets_its_file_go(tiny: Path, is_fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "fast_is_supported", lambda is_packed: is_fast)
    decoder = BlipDecoder.load(tiny, "cpu", lambda: "abc")
    gc.collect()
    assert decoder.is_fast is is_fast and decoder.revision == "abc"
    assert str(tiny.resolve()) not in Path("/proc/self/maps").read_text()

"""Florence-2 and its fine-tunes in the layout they are published in: the same model as transformers' own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from captioner.errors import BadModel
from captioner.models.vision_language.answering import VisionLanguageModel
from captioner.models.vision_language.published_florence import is_published
from captioner.models.vision_language.settings import VisionLanguageSettings
from tests.published_florence import MARKS, save_both

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers' own

TASK = "<DETAILED_CAPTION>"
PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 30 + 20 * seed, 3), dtype=np.uint8))
    for seed in range(3)
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("florence")
    save_both(root / "native", root / "published")
    return root / "native", root / "published"


@pytest.fixture(scope="module")
def native(folders: tuple[Path, Path]) -> VisionLanguageModel:
    return VisionLanguageModel.load(folders[0], "cpu")


@pytest.fixture(scope="module")
def published(folders: tuple[Path, Path]) -> VisionLanguageModel:
    return VisionLanguageModel.load(folders[1], "cpu")


def logits(model: VisionLanguageModel, task: str) -> torch.Tensor:
    inputs = model._asking.inputs(PICTURES[:2], [task] * 2, "")
    begin = torch.tensor([[2, 0, 40, 50, 60]] * 2)
    with torch.inference_mode():
        found: torch.Tensor = model._model(**inputs, decoder_input_ids=begin).logits
    return found


@pytest.mark.parametrize("task", [TASK, "<GENERATE_TAGS>"])
def test_logits_are_those_of_the_same_model_in_transformers_own_layout(
    native: VisionLanguageModel, published: VisionLanguageModel, task: str
) -> None:
    of_native, of_published = logits(native, task), logits(published, task)
    assert of_published.shape[-1] == of_native.shape[-1] - 1, "transformers' own has a row for <image> beside them"
    assert torch.equal(of_published, of_native[..., :-1])
    assert of_published.std() > 0.01 and not torch.equal(of_published[0], of_published[1])


@pytest.mark.parametrize("beams", [1, 3])
def test_it_says_the_same(native: VisionLanguageModel, published: VisionLanguageModel, beams: int) -> None:
    settings = VisionLanguageSettings(num_beams=beams, max_new_tokens=12, no_repeat_ngram_size=3)
    answers = [model.answer(PICTURES, [TASK] * 3, settings, [0] * 3) for model in (native, published)]
    assert [(one.text, one.finish) for one in answers[0]] == [(one.text, one.finish) for one in answers[1]]
    with torch.inference_mode():
        tokens = [
            model._model.generate(
                **model._asking.inputs(PICTURES, [TASK] * 3, ""), max_new_tokens=12, num_beams=beams, do_sample=False
            )
            for model in (native, published)
        ]
    assert torch.equal(*tokens) and tokens[0].unique(dim=0).shape[0] > 1


def test_the_tokens_that_its_code_adds_are_there_in_order(published: VisionLanguageModel) -> None:
    words = published._asking.tokenizer
    first = words.convert_tokens_to_ids(MARKS[0])
    assert words.convert_tokens_to_ids(list(MARKS)) == list(range(first, first + 1024))
    assert len(words) == published._model.config.text_config.vocab_size


def test_features_of_pictures_are_kept(published: VisionLanguageModel) -> None:
    assert published._features.is_used


def test_which_layout_a_folder_has(folders: tuple[Path, Path], tmp_path: Path) -> None:
    assert [is_published(folder) for folder in (*folders, tmp_path)] == [False, True, False]


def copied(folders: tuple[Path, Path], folder: Path) -> Path:
    shutil.copytree(folders[1], folder)
    return folder


def change(path: Path, part: str, **values: Any) -> None:
    config = json.loads(path.read_text())
    (config[part] if part else config).update(values)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("kept", ["language_model.lm_head.weight", "language_model.model.encoder.embed_tokens.weight"])
def test_the_table_of_words_may_be_stored_under_another_name(
    folders: tuple[Path, Path], published: VisionLanguageModel, tmp_path: Path, kept: str
) -> None:
    folder = copied(folders, tmp_path / "other")
    tensors = load_file(folder / "model.safetensors")
    tensors[kept] = tensors.pop("language_model.model.shared.weight")
    save_file(tensors, folder / "model.safetensors")
    assert torch.equal(logits(VisionLanguageModel.load(folder, "cpu"), TASK), logits(published, TASK))


def test_half_precision_on_disk_is_full_on_the_cpu(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """As Microsoft stores it."""
    folder = copied(folders, tmp_path / "half")
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor.half() for name, tensor in tensors.items()}, folder / "model.safetensors")
    model = VisionLanguageModel.load(folder, "cpu")
    assert model.precision == "fp32"
    assert logits(model, TASK).isfinite().all()


def test_tensors_that_are_missing_or_unknown_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    folder = copied(folders, tmp_path / "damaged")
    whole = load_file(folder / "model.safetensors")

    def refused(tensors: dict[str, torch.Tensor]) -> str:
        save_file(tensors, folder / "model.safetensors")
        with pytest.raises(BadModel) as raised:
            VisionLanguageModel.load(folder, "cpu")
        return str(raised.value)

    name = "vision_tower.blocks.0.0.spatial_block.ffn.fn.net.fc1.bias"
    assert "lacks 1 of the tensors" in refused({other: whole[other] for other in whole if other != name})
    assert "a tensor lora_A, which Florence-2 has not" in refused({**whole, "lora_A": torch.ones(2)})
    bias = "language_model.final_logits_bias"
    assert "other than 0" in refused({**whole, bias: torch.ones_like(whole[bias])})
    assert "lacks 1" in refused({**whole, "image_projection": torch.ones(3, 3)})


@pytest.mark.parametrize(
    ("file", "part", "values", "message"),
    [
        ("config.json", "text_config", {"d_model": 10**9}, "d_model 1000000000, but it must be a whole number"),
        ("config.json", "text_config", {"activation_function": "evil"}, "activation_function .evil., but it must be"),
        ("config.json", "text_config", {"vocab_size": 50}, "a tokenizer of 1,124 tokens and a config.json of 50"),
        ("config.json", "vision_config", {"dim_embed": [8, 8]}, "dim_embed a list, but it must be a list of 4"),
        ("config.json", "vision_config", {"image_feature_source": ["temporal_avg_pool"] * 2}, "image_feature_source"),
        ("preprocessor_config.json", "", {"do_center_crop": True}, "do_center_crop true, but it must be false"),
    ],
)
def test_values_that_florence_does_not_have_are_refused(
    folders: tuple[Path, Path], tmp_path: Path, file: str, part: str, values: dict[str, Any], message: str
) -> None:
    folder = copied(folders, tmp_path / "other")
    change(folder / file, part, **values)
    with pytest.raises(BadModel, match=message):
        VisionLanguageModel.load(folder, "cpu")


@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json", "model.safetensors"])
def test_files_that_are_missing_are_named(folders: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    folder = copied(folders, tmp_path / "less")
    (folder / name).unlink()
    with pytest.raises(BadModel, match=f"has no {name}"):
        VisionLanguageModel.load(folder, "cpu")

"""GIT, BLIP-2, InstructBLIP and Kosmos-2 through the same door: asked alone or together, equal to plain generate."""

from __future__ import annotations

import re

import pytest
import torch

from captioner.captions.plan import Plan
from captioner.models import registry
from captioner.models.vision_language.answering import VisionLanguageModel
from captioner.models.vision_language.settings import VisionLanguageSettings
from tests import tiny_vlm
from tests.older_vlm import BUILDERS, save
from tests.test_vision_language import PICTURES, QUESTION, SEEDS, WAYS, plainly, told

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers' own

OTHERS = ("florence2", "blip2", "paligemma", "qwen3_vl", "llava", "vit_gpt2")
_MARKS = re.compile(r"</(doc|chunk|line)>")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, VisionLanguageModel]:
    root = tmp_path_factory.mktemp("older")
    folders = {family: save(family, root / family) for family in BUILDERS}
    folders |= {family: tiny_vlm.save(family, root / family) for family in OTHERS}
    return {family: VisionLanguageModel.load(folder, "cpu") for family, folder in folders.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", BUILDERS)
def test_a_batch_says_what_plain_generate_says_of_each_picture_alone(
    models: dict[str, VisionLanguageModel], family: str, way: str
) -> None:
    model = models[family]
    together = model.answer(PICTURES, [QUESTION] * 3, WAYS[way], SEEDS)
    assert len({said.text for said in together}) > 1
    for picture, seed, said in zip(PICTURES, SEEDS, together, strict=True):
        assert said.text == told(model, picture, way, seed)
        assert said.text == _MARKS.sub("", plainly(model, picture, way, seed)[0]).strip()
        assert said.score is not None and said.score < 0


@pytest.mark.parametrize("family", [*BUILDERS, *OTHERS])
def test_questions_of_different_lengths_change_nothing(models: dict[str, VisionLanguageModel], family: str) -> None:
    """Padding between picture and question would, in models whose encoder reads both or that count places in a row."""
    model = models[family]
    questions = ["a photo", "a photo of what is said to be a cat with many words", "a photo"]
    for settings in (WAYS["greedy"], WAYS["beams"]):
        together = model.answer(PICTURES, questions, settings, SEEDS)
        alone = [model.answer([PICTURES[row]], [questions[row]], settings, [SEEDS[row]])[0] for row in range(3)]
        assert [said.text for said in together] == [said.text for said in alone]
        assert [said.score for said in together] == pytest.approx([said.score for said in alone], rel=1e-3)


def test_a_question_does_not_end_the_answer(models: dict[str, VisionLanguageModel]) -> None:
    """GIT's tokenizer puts behind every text what ends an answer; an empty question leaves the beginning alone."""
    asking = models["git"]._asking
    for question, wanted in ((QUESTION, f"<s>{QUESTION}"), ("", "<s>")):
        inputs = asking.inputs(PICTURES[:1], [question], "")
        assert asking.tokenizer.decode(inputs["input_ids"][0]) == wanted
        assert inputs["attention_mask"].shape == inputs["input_ids"].shape
    assert told(models["git"], PICTURES[0], "greedy", 0)


def test_an_empty_question_is_what_the_model_does_by_itself(models: dict[str, VisionLanguageModel]) -> None:
    git = models["git"]
    said = git.answer([PICTURES[0]], [""], VisionLanguageSettings(prompt="", max_new_tokens=10), [0])[0].text
    pixels = git._asking.inputs(PICTURES[:1], [""], "")["pixel_values"]
    with torch.inference_mode():
        plain = git._model.generate(pixel_values=pixels, max_new_tokens=10, do_sample=False)
    assert said == git._asking.tokenizer.batch_decode(plain, skip_special_tokens=True)[0].strip() != ""


def test_an_encoder_s_question_keeps_its_end(models: dict[str, VisionLanguageModel]) -> None:
    asking = models["florence2"]._asking
    [row] = asking.inputs(PICTURES[:1], ["<CAPTION>"], "")["input_ids"]
    assert row[-1] == asking.tokenizer.eos_token_id


def test_a_model_without_questions_says_so(models: dict[str, VisionLanguageModel]) -> None:
    assert models["vit_gpt2"].note.startswith("takes no question: what the prompt says is not read")
    assert not models["git"].note.startswith("takes no question")


@pytest.mark.parametrize(
    "said", ["<think>a dog?</think>a cat", "a dog? no.\n</think>\n a cat", "◁think▷hm◁/think▷a cat", "a cat"]
)
def test_thoughts_are_taken_off(
    models: dict[str, VisionLanguageModel], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    model = models["llava"]
    monkeypatch.setattr(model._asking.tokenizer, "batch_decode", lambda rows, **_: [said] * len(rows))
    assert told(model, PICTURES[0], "greedy", 0) == "a cat"


def test_names_of_models_that_think_aloud_are_warned_of() -> None:
    def warned(name: str) -> list[str]:
        return Plan.from_flat({"captioner": name}).warnings()

    [warning] = warned("Qwen/Qwen3-VL-8B-Thinking")
    assert warning.startswith("Qwen/Qwen3-VL-8B-Thinking thinks aloud before it answers")
    assert warned("Qwen/Qwen3-VL-8B-Instruct") == warned("blip-demo") == warned("thinking/Qwen3") == []


def test_they_have_names() -> None:
    repos = {spec.repo: spec for spec in registry.of_family("vlm")}
    for repo in ("microsoft/git-base-coco", "Salesforce/blip2-opt-2.7b", "Salesforce/instructblip-flan-t5-xl"):
        assert repos[repo].licence == "MIT" and repos[repo].stored_bytes == 4
    assert repos["microsoft/git-base-coco"].defaults["prompt"] == ""
    assert "microsoft/kosmos-2-patch14-224" in repos

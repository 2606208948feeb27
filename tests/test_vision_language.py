"""Vision-language models of any family: asked alone or in a batch, by beams or by chance, with kept features."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from captioner import __main__ as command_line
from captioner.captions.groups import CAPTIONER
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import BadModel, MissingPackage, ModelFailed, SettingsError
from captioner.models.manager import ModelManager
from captioner.models.vision_language import VisionLanguageCaptioner
from captioner.models.vision_language.answering import VisionLanguageModel
from captioner.models.vision_language.settings import VisionLanguageSettings, wanted_by_folder
from captioner.pipeline import make_layers
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models
from tests.service_makers import added, page_values, wait_for_job
from tests.tiny_vlm import BUILDERS, save, want

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers' own

QUESTION = "a photo of"
SEEDS = [5, 6, 7]
WITHOUT_FEATURES = {"blip2", "vit_gpt2"}
WITHOUT_PREFIX = {*WITHOUT_FEATURES, "florence2", "paligemma"}
WAYS = {
    "greedy": VisionLanguageSettings(prompt=QUESTION, max_new_tokens=10),
    "beams": VisionLanguageSettings(prompt=QUESTION, max_new_tokens=10, num_beams=3),
    "drawn": VisionLanguageSettings(
        prompt=QUESTION, max_new_tokens=10, method="nucleus", temperature=0.8, top_p=0.9, top_k=20
    ),
}


def noise(number: int, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8))


PICTURES = [noise(1, 40, 40), noise(2, 64, 32), noise(3, 30, 60)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("vlm")
    return {family: save(family, root / family) for family in BUILDERS}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, VisionLanguageModel]:
    return {family: VisionLanguageModel.load(folder, "cpu") for family, folder in folders.items()}


def told(model: VisionLanguageModel, picture: Image.Image, way: str, seed: int) -> str:
    return model.answer([picture], [QUESTION], WAYS[way], [seed])[0].text


def plainly(model: VisionLanguageModel, picture: Image.Image, way: str, seed: int) -> list[str]:
    """What transformers' own generate says of the picture alone: with its sampling, and pixels for features."""
    inputs = model._asking.inputs([picture], [QUESTION], "")
    torch.manual_seed(seed)
    how: dict[str, dict[str, Any]] = {
        "greedy": {"do_sample": False},
        "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 3},
        "drawn": {"do_sample": True, "temperature": 0.8, "top_p": 0.9, "top_k": 20},
    }
    with torch.inference_mode():
        said = model._model.generate(**inputs, max_new_tokens=10, **how[way])
    if model._is_encoder_decoder:
        said = said[:, 1:]
    elif "input_ids" in inputs and torch.equal(said[0, : inputs["input_ids"].shape[1]], inputs["input_ids"][0]):
        said = said[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in model._asking.tokenizer.batch_decode(said, skip_special_tokens=True)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", BUILDERS)
def test_a_batch_says_what_plain_generate_says_of_each_picture_alone(
    models: dict[str, VisionLanguageModel], family: str, way: str
) -> None:
    model = models[family]
    together = model.answer(PICTURES, [QUESTION] * 3, WAYS[way], SEEDS)
    for picture, seed, said in zip(PICTURES, SEEDS, together, strict=True):
        first, *others = plainly(model, picture, way, seed)
        assert said.text == first == told(model, picture, way, seed)
        assert [other.text for other in said.alternatives] == [text for text in dict.fromkeys(others) if text != first]
        assert said.score is not None and said.score < 0


@pytest.mark.parametrize("family", BUILDERS)
def test_a_picture_is_answered_the_same_after_another_one_and_from_what_is_kept_of_it(
    models: dict[str, VisionLanguageModel], family: str
) -> None:
    """Some families keep positions of the last picture on the model; in some a question's end changes its beginning."""
    model = models[family]
    model.forget_pictures()
    before = model.size_bytes
    plain = {(at, way): plainly(model, PICTURES[at], way, 5) for at in (0, 1) for way in WAYS}
    for at, way in [(0, "beams"), (1, "beams"), (0, "drawn"), (1, "greedy"), (0, "beams"), (0, "greedy")]:
        [said] = model.answer([PICTURES[at]], [QUESTION], WAYS[way], [5], is_again=True)
        first, *others = plain[at, way]
        assert [said.text, *(other.text for other in said.alternatives)] == list(dict.fromkeys([first, *others]))
    kept = len(model._prefixes._kept)
    assert kept == (0 if family in WITHOUT_PREFIX else 2)
    assert ("again for each try" in model.note) is (family in WITHOUT_PREFIX)
    assert model.size_bytes >= before + model._prefixes.size_bytes
    model.forget_pictures()
    assert model.size_bytes == before


@pytest.mark.parametrize("family", BUILDERS)
def test_several_settings_and_draws_of_a_picture_are_what_plain_generate_says(
    models: dict[str, VisionLanguageModel], family: str
) -> None:
    captioner = VisionLanguageCaptioner(models[family])
    shown = PictureInput(PICTURES[1])
    plain = {(way, seed): plainly(models[family], PICTURES[1], way, seed)[0] for way in WAYS for seed in (3, 4)}
    grid = [("drawn", 3), ("beams", 3), ("drawn", 4), ("greedy", 4)]
    said = captioner.caption_grid(shown, [WAYS[way].replaced(seed=seed) for way, seed in grid])
    assert [one.text for one in said] == [plain[cell] for cell in grid]
    drawn = captioner.draw(shown, WAYS["drawn"].replaced(seed=1), skip=2, count=2)
    assert [one.text for one in drawn] == [plain["drawn", 3], plain["drawn", 4]]
    assert all(one.score is not None and one.score < 0 for one in drawn)


def test_a_beginning_is_kept_only_when_a_picture_is_asked_again(models: dict[str, VisionLanguageModel]) -> None:
    model = models["qwen3_vl"]
    model.forget_pictures()
    for picture in PICTURES:
        told(model, picture, "greedy", 0)
    assert model._prefixes.size_bytes == 0
    told(model, PICTURES[2], "beams", 0)
    assert model._prefixes.size_bytes > 0


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_5"])
def test_a_beginning_that_changes_answers_is_not_used(
    folders: dict[str, Path], family: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without what the model itself remembers of a picture's positions, its beginning is continued wrongly."""
    model = VisionLanguageModel.load(folders[family], "cpu")
    model._prefixes._stateful = []
    with caplog.at_level("INFO"):
        for at in (0, 1, 0, 0):
            [said] = model.answer([PICTURES[at]], [QUESTION], WAYS["greedy"], [0], is_again=True)
            assert said.text == plainly(model, PICTURES[at], "greedy", 0)[0]
    assert model.note == "reads picture and question again for each try"
    assert caplog.text.count("beginnings of answers are not kept") == 1


@pytest.mark.parametrize("family", BUILDERS)
def test_features_of_pictures_are_kept_where_they_give_the_same(
    models: dict[str, VisionLanguageModel], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models[family]
    assert model._features.is_used is (family not in WITHOUT_FEATURES)
    if not model._features.is_used:
        return
    # Asked again, a model first proves on two pictures that beginnings can be kept.
    for way in WAYS:
        told(model, PICTURES[0], way, 1)
    model.forget_pictures()
    asked = []
    reader = model._features._reader
    monkeypatch.setattr(model._features, "_reader", _counting(reader, asked))
    for way in WAYS:
        told(model, PICTURES[0], way, 1)
    assert len(asked) == 1, "the tower looked once for three settings"
    with_features = model.size_bytes
    model.forget_pictures()
    assert model.size_bytes < with_features


def _counting(reader: Any, asked: list[int]) -> Any:
    from functools import wraps

    @wraps(reader)
    def read(*values: Any, **named: Any) -> Any:
        asked.append(1)
        return reader(*values, **named)

    return read


def test_features_that_change_answers_are_not_used(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models.vision_language import features

    honest = features._joined
    monkeypatch.setattr(features, "_joined", lambda found: honest([found[0]] * len(found)))
    model = VisionLanguageModel.load(folders["llava"], "cpu")
    assert not model._features.is_used
    assert len({one.text for one in model.answer(PICTURES, [QUESTION] * 3, WAYS["greedy"], SEEDS)}) > 1


def test_rules_look_at_the_answer_alone(models: dict[str, VisionLanguageModel]) -> None:
    """A word of the prompt is no repetition: with transformers' own rule this prompt would forbid its letters."""
    model = models["qwen2_vl"]
    first = told(model, PICTURES[0], "greedy", 0)
    settings = WAYS["greedy"].replaced(prompt=QUESTION, no_repeat_ngram_size=1)
    said = model.answer([PICTURES[0]], [QUESTION], settings, [0])[0].text
    assert said[0] == first[0]
    assert len(set(said)) == len(said), "no token twice in the answer"
    settings = WAYS["greedy"].replaced(prompt=first[0] * 9, repetition_penalty=5.0)
    plain = model.answer([PICTURES[0]], [settings.prompt], settings.replaced(repetition_penalty=1.0), [0])[0].text
    said = model.answer([PICTURES[0]], [settings.prompt], settings, [0])[0].text
    assert said[0] == plain[0] and said != plain, "what the prompt repeats is no repetition either"


def test_an_answer_that_is_cut_says_so(models: dict[str, VisionLanguageModel]) -> None:
    ends = {
        said.finish: said
        for family in BUILDERS
        for said in models[family].answer(PICTURES, [QUESTION] * 3, WAYS["beams"], SEEDS)
    }
    assert set(ends) == {"stop", "length"}


def test_the_style_of_asking_is_found_out(models: dict[str, VisionLanguageModel]) -> None:
    found = {family: model._asking.style for family, model in models.items()}
    assert found["joycaption"] == "string"
    assert found["paligemma"] == found["florence2"] == found["blip2"] == "plain"
    assert found["vit_gpt2"] == "picture"
    assert {found[family] for family in ("llava", "qwen2_vl", "gemma3", "internvl", "glm4v", "mistral3")} == {"parts"}


def test_a_system_prompt_changes_the_question_where_there_is_one(models: dict[str, VisionLanguageModel]) -> None:
    asking = models["qwen2_vl"]._asking
    rows = [asking.inputs([PICTURES[0]], [QUESTION], system)["input_ids"] for system in ("", "you draw")]
    texts = [asking.tokenizer.decode(row[0]) for row in rows]
    assert "you draw" not in texts[0] and "<|im_start|>system\nyou draw" in texts[1]


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "gemma3", "mistral3"])
def test_a_word_that_stands_for_the_picture_is_refused_in_a_prompt(
    models: dict[str, VisionLanguageModel], family: str
) -> None:
    token = {"llava": "<image>", "qwen2_vl": "<|image_pad|>", "gemma3": "<start_of_image>", "mistral3": "[IMG]"}[family]
    with pytest.raises(SettingsError, match=r"the prompt has .*; leave it out"):
        models[family].answer([PICTURES[0]], [f"what is in {token}?"], WAYS["greedy"], [0])
    reader = VisionLanguageCaptioner(models[family])
    with pytest.raises(ModelFailed, match="with this picture's own words in it, the prompt has"):
        reader.caption([PictureInput(PICTURES[0], existing=f"a {token}")], WAYS["greedy"].replaced(prompt="{existing}"))


def test_a_prompt_that_leaves_no_room_for_an_answer_is_refused_and_a_long_answer_ends_where_the_model_does(
    models: dict[str, VisionLanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["qwen2_vl"]
    count = model._asking.inputs([PICTURES[0]], [QUESTION], "")["input_ids"].shape[1]
    text = model._model.config.get_text_config(decoder=True)
    plain = told(model, PICTURES[0], "beams", 0)
    monkeypatch.setattr(text, "max_position_embeddings", count + 4)
    [said] = model.answer([PICTURES[0]], [QUESTION], WAYS["beams"].replaced(min_new_tokens=8), [0])
    assert len(said.text) <= 4 < len(plain) and said.finish == "length"
    monkeypatch.setattr(text, "max_position_embeddings", count)
    with pytest.raises(
        SettingsError, match=rf"take {count} tokens, and this model has room for {count} with its answer"
    ):
        model.answer([PICTURES[0]], [QUESTION], WAYS["beams"], [0])


@pytest.mark.parametrize("family", ["llava", "qwen3_5", "gemma3", "florence2", "blip2"])
@pytest.mark.parametrize("way", ["greedy", "beams"])
def test_an_answer_s_score_is_what_its_tokens_scores_come_to(
    models: dict[str, VisionLanguageModel], family: str, way: str
) -> None:
    """As transformers itself reckons it up: the sum of log-probabilities, of beams as the search ranks them."""
    model = models[family]
    [said] = model.answer([PICTURES[0]], [QUESTION], WAYS[way], [0])
    how = {"num_beams": 3} if way == "beams" else {}
    with torch.inference_mode():
        plain = model._model.generate(
            **model._asking.inputs([PICTURES[0]], [QUESTION], ""),
            **how,
            max_new_tokens=10,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        indices = getattr(plain, "beam_indices", None)
        each = model._model.compute_transition_scores(plain.sequences, plain.scores, indices, normalize_logits=not how)
    wanted = float(plain.sequences_scores[0] if how else each[0].sum())
    assert said.score == pytest.approx(wanted, abs=1e-4)


def test_scores_that_are_not_numbers_fail_the_picture(folders: dict[str, Path]) -> None:
    model = VisionLanguageModel.load(folders["llava"], "cpu")
    with torch.no_grad():
        model._model.lm_head.weight.fill_(torch.nan)
    with pytest.raises(ModelFailed, match="NaN"):
        model.answer([PICTURES[0]], [QUESTION], WAYS["greedy"], [0])


# Folders


def copied(folders: dict[str, Path], family: str, folder: Path) -> Path:
    shutil.copytree(folders[family], folder)
    return folder


def load(folder: Path) -> VisionLanguageCaptioner:
    return VisionLanguageCaptioner.load(folder, device="cpu")


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_folder_that_lacks_tensors_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied(folders, "qwen3_vl", tmp_path / "less")
    tensors = load_file(folder / "model.safetensors")
    gone = next(name for name in tensors if "deepstack" in name)
    del tensors[gone]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadModel, match=f"lacks 1 of the tensors .*{gone.rpartition('.')[0].rpartition('.')[2]}"):
        load(folder)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl"])
def test_a_template_that_leaves_the_picture_out_is_refused(
    folders: dict[str, Path], tmp_path: Path, family: str
) -> None:
    folder = copied(folders, family, tmp_path / "blind")
    template = "{% for m in messages %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(BadModel, match=r"no way was found to show this model a picture .* its own chat template"):
        load(folder)


def test_code_of_a_folder_s_own_is_never_run(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders, "llava", tmp_path / "code")
    (folder / "evil.py").write_text("raise SystemExit('run')")
    rewrite(folder / "config.json", model_type="evil", auto_map={"AutoModelForImageTextToText": "evil.Evil"})
    with pytest.raises(BadModel, match="code of its own"):
        load(folder)


@pytest.mark.parametrize("name", ["processor_config.json", "tokenizer_config.json"])
def test_no_other_file_of_a_folder_may_name_code(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = copied(folders, "llava", tmp_path / "code")
    rewrite(folder / name, auto_map={"AutoProcessor": "evil.Evil"})
    with pytest.raises(BadModel, match="code of its own"):
        load(folder)


def test_a_pickle_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders, "llava", tmp_path / "pickle")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadModel, match="can run code"):
        load(folder)


def test_weights_may_lie_in_shards(folders: dict[str, Path], models: dict[str, Any], tmp_path: Path) -> None:
    model = models["llava"]
    folder = copied(folders, "llava", tmp_path / "shards")
    (folder / "model.safetensors").unlink()
    model._model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    again = load(folder)
    assert again.caption([PictureInput(PICTURES[0])], WAYS["greedy"])[0].text == told(model, PICTURES[0], "greedy", 0)
    assert again.size_bytes >= sum(path.stat().st_size for path in folder.glob("*.safetensors")) * 0.9


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd", "model.bin", 3])
def test_an_index_names_files_beside_it_only(folders: dict[str, Path], tmp_path: Path, name: Any) -> None:
    folder = copied(folders, "llava", tmp_path / "index")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(BadModel, match="names no weights files"):
        load(folder)


def test_a_shard_that_is_cut_short_is_refused(folders: dict[str, Path], models: dict[str, Any], tmp_path: Path) -> None:
    folder = copied(folders, "llava", tmp_path / "cut")
    (folder / "model.safetensors").unlink()
    models["llava"]._model.save_pretrained(folder, max_shard_size="20KB")
    shard = max(folder.glob("model-*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(BadModel, match="cut short"):
        load(folder)


def test_a_package_that_a_model_needs_is_named(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models.vision_language import loading

    def fail(*_: Any, **__: Any) -> None:
        raise ImportError("SmolVLMProcessor requires num2words", name="num2words")

    monkeypatch.setattr(loading.AutoProcessor, "from_pretrained", fail)
    with pytest.raises(MissingPackage, match="needs a package that is not installed: num2words"):
        load(folders["llava"])


SAMPLING = {"do_sample": True, "temperature": 1e-6, "repetition_penalty": 3.0, "top_k": 3, "min_length": 9}


@pytest.fixture
def sampling(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A folder whose generation_config.json asks for sampling and penalties."""
    return want(copied(folders, "qwen2_vl", tmp_path / "sampling"), **SAMPLING)


def test_what_a_folder_asks_for_is_the_default_of_its_settings_and_given_values_win(
    folders: dict[str, Path], sampling: Path
) -> None:
    plan = Plan.from_flat({CAPTIONER: str(sampling), "vlm_top_p": 0.5})
    wanted = {"method": "nucleus", "temperature": 0.05, "repetition_penalty": 3.0, "top_k": 3, "top_p": 0.5}
    settings = plan.captioner.settings.to_mapping()
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["max_new_tokens"] == VisionLanguageSettings().max_new_tokens
    assert plan.notes == (
        f"{sampling} asks for method nucleus, repetition penalty 3.0, top k 3, temperature 0.05 itself, in its folder; "
        "a flag of yours wins.",
    )
    assert Plan.from_flat(plan.to_flat()).notes == (), "what is written out is nobody's default"
    greedy = Plan.from_flat({CAPTIONER: str(sampling), "vlm_method": "beam", "vlm_repetition_penalty": 1.0})
    assert (greedy.captioner.settings.method, greedy.notes) == ("beam", ())  # type: ignore[attr-defined]
    plain = Plan.from_flat({CAPTIONER: str(folders["qwen2_vl"])})
    assert (plain.captioner.settings, plain.notes) == (VisionLanguageSettings(), ())


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"do_sample": True}, {"method": "nucleus", "temperature": 1.0, "top_p": 1.0, "top_k": 50}),
        (
            {"do_sample": True, "top_k": 0, "top_p": 0.8, "temperature": 9},
            {"top_k": 0, "top_p": 0.8, "temperature": 2.0},
        ),
        ({"do_sample": True, "temperature": 0}, {}),
        (
            {"temperature": 0.1, "top_k": 5, "num_beams": 4, "max_new_tokens": 64},
            {"num_beams": 4, "max_new_tokens": 64},
        ),
        ({"min_new_tokens": 900, "length_penalty": 0, "num_beams": None, "top_p": "x"}, {"length_penalty": 0.0}),
        (
            {"repetition_penalty": float("nan"), "no_repeat_ngram_size": True, "max_new_tokens": 10**400},
            {"max_new_tokens": 4096},
        ),
    ],
)
def test_a_generation_config_in_our_words(content: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = wanted_by_folder(content)
    drawing = {"method": "nucleus", "temperature": 1.0, "top_p": 1.0, "top_k": 50} if "method" in found else {}
    assert found == {**drawing, **wanted}
    VisionLanguageSettings.from_mapping(found)


def test_the_folder_s_sampling_does_not_stay_in_force(folders: dict[str, Path], sampling: Path) -> None:
    plain, loaded = load(folders["qwen2_vl"]), load(sampling)
    for settings in WAYS.values():
        said = [one.caption([PictureInput(PICTURES[0])], settings)[0].text for one in (plain, loaded)]
        assert said[0] == said[1]


def test_which_folders_are_taken(folders: dict[str, Path], tmp_path: Path) -> None:
    assert all(VisionLanguageCaptioner.accepts(folder) for folder in folders.values())
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "blip", "vision_config": {}, "architectures": ["X"]})
    )
    assert not VisionLanguageCaptioner.accepts(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}))
    assert not VisionLanguageCaptioner.accepts(tmp_path)
    assert not VisionLanguageCaptioner.accepts(tmp_path / "nothing")


def test_hub_ids_are_names() -> None:
    spec = VisionLanguageCaptioner.spec_for("Qwen/Qwen3-VL-2B-Instruct")
    assert spec is not None and spec.repo == "Qwen/Qwen3-VL-2B-Instruct"
    assert not [name for name in spec.files if name.endswith((".py", ".bin", ".pt", "*"))]
    for name in ("blip-base", "a/b/c", "../b", "a/..", "", "a b/c"):
        assert VisionLanguageCaptioner.spec_for(name) is None


# From the doors of the product


@pytest.fixture
def models_folder(folders: dict[str, Path], tmp_path: Path) -> Iterator[str]:
    with fake_models(tmp_path / "models") as root:
        shutil.copytree(folders["qwen3_vl"], Path(root) / "qwen3-vl-2b")
        yield root


ASKED = {CAPTIONER: "qwen3-vl-2b", "vlm_prompt": QUESTION, "vlm_max_new_tokens": 8}


def test_one_picture_that_fails_costs_itself(models_folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ModelManager(models=models_folder, device="cpu")
    plan = Plan.from_flat(ASKED, models_folder)
    bad = Image.new("RGB", (33, 33))
    answer = VisionLanguageModel.answer

    def fail_on_bad(model: Any, images: Any, *more: Any) -> Any:
        if any(image.size == bad.size for image in images):
            raise RuntimeError("a kernel failed")
        return answer(model, images, *more)

    monkeypatch.setattr(VisionLanguageModel, "answer", fail_on_bad)
    given = [("a", PictureInput(PICTURES[0])), ("b", PictureInput(bad)), ("c", PictureInput(PICTURES[1]))]
    results = [result for batch in make_layers(given, plan, manager, batch_size=3) for result in batch]
    assert [bool(result.error) for result in results] == [False, True, False]
    manager.close()


def test_it_captions_from_the_command_line(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    PICTURES[0].save(tmp_path / "photos" / "cat.png")
    words = ["caption", str(tmp_path / "photos"), "--captioner", str(folders["qwen3_vl"]), "--existing", "ignore"]
    assert command_line.main([*words, "--vlm-prompt", QUESTION, "--vlm-max-new-tokens", "8", "--device", "cpu"]) == 0
    model = VisionLanguageModel.load(folders["qwen3_vl"], "cpu")
    said = model.answer([PICTURES[0]], [QUESTION], WAYS["greedy"].replaced(max_new_tokens=8), [0])[0].text
    assert capsys.readouterr().out.strip() == f"{tmp_path / 'photos' / 'cat.png'}: {said}" != ""


def test_it_captions_from_page_and_api_as_any_captioner(models_folder: str, tmp_path: Path) -> None:
    manager = ModelManager(models=models_folder, device="cpu")
    with Workspace(tmp_path / "work") as workspace, Worker() as worker:
        service = Service(workspace, worker, manager)
        set_id = service.new_set()["set"]
        picture_id = added(service, set_id, "cat.png", _png(PICTURES[0]))
        values = page_values(service, captioner="qwen3-vl-2b", vlm_prompt=QUESTION, vlm_max_new_tokens=8)
        service.jobs.start(set_id, None, values)
        assert wait_for_job(service, set_id)["state"] == "done"
        [layer] = workspace.layers(set_id, picture_id)
        assert (layer.family, layer.model) == ("vlm", "qwen3-vl-2b")
        assert layer.run_settings["prompt"] == QUESTION
        plan = service.choices.plan_of_flat(ASKED)
        assert service.live.caption_one(set_id, picture_id, plan) == layer.sentence.text  # type: ignore[union-attr]
    manager.close()


def _png(image: Image.Image) -> bytes:
    import io

    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()

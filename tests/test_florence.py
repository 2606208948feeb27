"""Florence-2 as a family of its own: tasks instead of questions, in either layout, from every door."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captioner import __main__ as command_line
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import SettingsError
from captioner.models import registry, sources
from captioner.models.manager import ModelManager
from captioner.models.vision_language.florence import TASKS, FlorenceCaptioner, FlorenceSettings
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models
from tests.published_florence import save_both
from tests.service_makers import added, page_values, wait_for_job

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers' own

PICTURE = Image.fromarray(np.random.default_rng(7).integers(0, 255, (40, 60, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two models: florence-2-base as transformers stores it, promptgen-base-v2.0 as it is published."""
    with fake_models(tmp_path_factory.mktemp("florence") / "models") as root:
        save_both(Path(root) / "florence-2-base", Path(root) / "promptgen-base-v2.0")
        yield root


@pytest.fixture(scope="module")
def captioner(models_folder: str) -> FlorenceCaptioner:
    return FlorenceCaptioner.load(Path(models_folder) / "promptgen-base-v2.0", device="cpu")


def said(captioner: FlorenceCaptioner, **settings: Any) -> str:
    chosen = FlorenceSettings.from_mapping({"max_new_tokens": 8, **settings})
    return captioner.caption([PictureInput(PICTURE)], chosen)[0].text


def test_a_task_is_asked_as_its_token_alone(captioner: FlorenceCaptioner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = captioner._model.answer
    monkeypatch.setattr(
        captioner._model,
        "answer",
        lambda images, prompts, *more, **named: asked.extend(prompts) or answer(images, prompts, *more, **named),
    )
    for task in TASKS:
        assert said(captioner, task=task)
    assert said(captioner, own_task="<DESCRIPTION>Describe this image in great detail.")
    assert asked[:4] == ["<CAPTION>", "<DETAILED_CAPTION>", "<MORE_DETAILED_CAPTION>", "<GENERATE_TAGS>"]
    assert asked[4:] == ["<MIXED_CAPTION>", "<MIXED_CAPTION_PLUS>", "<ANALYZE>", FLUX]


FLUX = "<DESCRIPTION>Describe this image in great detail."


@pytest.mark.parametrize("words", ["<CAPTION> ", " <CAPTION>", "<GENERATE_TAGS>tags", "say <ANALYZE>"])
def test_a_task_s_token_must_stand_alone(words: str) -> None:
    with pytest.raises(SettingsError, match=r"own_task is .*, but <[A-Z_]+> must stand alone, without so much as a"):
        FlorenceSettings(own_task=words)
    assert FlorenceSettings(own_task="<CAPTION>").prompt == "<CAPTION>"


def test_tasks_are_a_choice() -> None:
    [field] = [field for field in FlorenceSettings.fields() if field.name == "task"]
    assert field.options == tuple(TASKS)
    with pytest.raises(SettingsError, match="task is 'OD'; it must be one of caption, detailed_caption"):
        FlorenceSettings(task="OD")


def test_several_draws_differ_and_beams_do_not_draw(captioner: FlorenceCaptioner) -> None:
    drawn = FlorenceSettings(method="nucleus", temperature=2.0, top_p=1.0, max_new_tokens=8)
    assert FlorenceCaptioner.can_draw(drawn) and not FlorenceCaptioner.can_draw(FlorenceSettings())
    texts = {one.text for one in captioner.draw(PictureInput(PICTURE), drawn, skip=0, count=4)}
    assert len(texts) > 1


def test_names_and_folders_of_the_family(models_folder: str) -> None:
    for name in ("microsoft/Florence-2-large", "MiaoshouAI/Florence-2-base-PromptGen-v2.0", "ann/PromptGen-mine"):
        assert sources.family_of(name, "captioner") == "florence"
    assert sources.family_of("Qwen/Qwen3-VL-2B-Instruct", "captioner") == "vlm"
    assert registry.named_in_family("florence-2", "florence") is None
    for name in ("florence-2-base", "promptgen-base-v2.0"):
        assert sources.family_of(str(Path(models_folder) / name), "captioner") == "florence"
    repos = {spec.repo for spec in registry.of_family("florence")}
    assert {"microsoft/Florence-2-large-ft", "MiaoshouAI/Florence-2-large-PromptGen-v2.0"} <= repos


def test_settings_of_a_plan_are_tasks() -> None:
    plan = Plan.from_flat({"captioner": "promptgen-large-v2.0", "florence_task": "mixed_caption"})
    assert (plan.captioner.family, plan.captioner.settings.prompt) == ("florence", "<MIXED_CAPTION>")  # type: ignore[attr-defined]
    assert Plan.from_flat(plan.to_flat()) == plan


def test_it_captions_from_the_command_line_alike_in_both_layouts(
    models_folder: str, captioner: FlorenceCaptioner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    PICTURE.save(tmp_path / "photos" / "cat.png")
    lines = []
    for name in ("florence-2-base", "promptgen-base-v2.0"):
        words = ["caption", str(tmp_path / "photos"), "--captioner", name, "--models", models_folder]
        asked = ["--florence-task", "detailed_caption", "--florence-max-new-tokens", "8", "--existing", "ignore"]
        assert command_line.main([*words, *asked, "--device", "cpu"]) == 0
        lines.append(capsys.readouterr().out.strip())
    assert lines[0] == lines[1] == f"{tmp_path / 'photos' / 'cat.png'}: {said(captioner, task='detailed_caption')}"


def test_it_captions_from_page_and_api_as_any_captioner(models_folder: str, tmp_path: Path) -> None:
    manager = ModelManager(models=models_folder, device="cpu")
    data = io.BytesIO()
    PICTURE.save(data, "PNG")
    with Workspace(tmp_path / "work") as workspace, Worker() as worker:
        service = Service(workspace, worker, manager)
        set_id = service.new_set()["set"]
        picture_id = added(service, set_id, "cat.png", data.getvalue())
        values = page_values(
            service, captioner="promptgen-base-v2.0", florence_task="generate_tags", florence_max_new_tokens=8
        )
        service.jobs.start(set_id, None, values)
        assert wait_for_job(service, set_id)["state"] == "done"
        [layer] = workspace.layers(set_id, picture_id)
        assert (layer.family, layer.model) == ("florence", "promptgen-base-v2.0")
        assert layer.run_settings["task"] == "generate_tags"
        assert service.choices.captioner_families()["promptgen-base-v2.0"] == "florence"
        assert service.models.warnings(set_id) == []
        service.choices.store(set_id, Plan.from_flat({"captioner": "ann/Qwen3-VL-Thinking"}))
        [warning] = service.models.warnings(set_id)
        assert warning.startswith("ann/Qwen3-VL-Thinking thinks aloud before it answers")
    manager.close()

"""captioner.models.listing: one row a model, with what goes on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from captioner.errors import BadModel
from captioner.models import listing, registry
from captioner.models.downloads import Download
from captioner.models.forecasts import forecast_folder
from captioner.models.manager import ModelManager
from captioner.models.sources import DEMO_FOLDER
from tests import test_manager
from tests.test_manager import WeightlessModel

models, cuda = test_manager.models, test_manager.cuda


def row(manager: ModelManager, name: str) -> dict[str, Any]:
    return next(row for row in listing.rows(manager) if row["name"] == name)


def test_every_model_of_the_registry_has_a_row_that_loads_nothing() -> None:
    manager = ModelManager(device="tpu")  # which nobody has: asking for it would raise
    rows = listing.rows(manager)
    assert [row["name"] for row in rows] == [spec.name for spec in registry.MODELS]
    demo = row(manager, "blip-demo")
    assert (demo["state"], demo["source"], demo["size_bytes"]) == ("downloaded", "ships with Captioner", None)
    assert all(one["licence"] and one["kind"] in ("captioner", "tagger") for one in rows)


def test_a_row_tells_what_the_model_takes_and_can_do() -> None:
    rows = {one["name"]: one for one in listing.rows(ModelManager(device="tpu"))}
    demo = rows["blip-demo"]
    weights = DEMO_FOLDER / "blip-demo" / "model.safetensors"
    assert demo["disk_bytes"] == weights.stat().st_size
    assert demo["memory_bytes"]["cpu"] > demo["disk_bytes"] > demo["memory_bytes"]["cuda"] / 2
    assert demo["memory_bytes"]["cpu"] == forecast_folder(DEMO_FOLDER / "blip-demo", "cpu").total_bytes
    far = rows["qwen3-vl-8b"]
    assert (far["disk_bytes"], far["memory_bytes"]["cuda"]) == (18_000_000_000, 18_000_000_000)
    assert demo["can"] == ["prompt", "beams", "draws", "scores", "live"]
    assert far["can"] == ["prompt", "beams", "draws"]
    assert rows["promptgen-base-v2.0"]["can"] == ["tasks", "beams", "draws"]
    assert rows["wd14-demo"]["can"][:2] == ["live", "tags"]
    assert "compares" in rows["clip-demo"]["can"] and "tags" not in rows["blip-itm-base"]["can"]


def test_a_row_follows_its_model(models: str, cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ModelManager(models=models, vram_bytes=250, clock=lambda: 77.0)
    assert row(manager, "a")["state"] == "downloaded"
    seen = []
    load = WeightlessModel.load.__func__  # type: ignore[attr-defined]

    def looked_at(cls: type[WeightlessModel], place: Path, **rest: Any) -> WeightlessModel:
        seen.append(row(manager, "a")["state"])
        loaded: WeightlessModel = load(cls, place, **rest)
        return loaded

    monkeypatch.setattr(WeightlessModel, "load", classmethod(looked_at))
    with manager.use("a", "weightless"):
        resident = row(manager, "a")
    assert seen == ["loading"]
    assert resident["state"] == "resident"
    assert resident["is_in_use"]
    assert (resident["device"], resident["precision"], resident["runtime"]) == ("cuda", "fp32", "none")
    assert (resident["size_bytes"], resident["last_used"]) == (100, 77.0)
    assert manager.free() == ["a"]
    assert row(manager, "a")["state"] == "offloaded"
    assert manager.unload("a", "weightless")
    assert row(manager, "a")["state"] == "downloaded"


def test_a_folder_of_ones_own_has_a_row_while_it_is_in_memory(models: str) -> None:
    manager = ModelManager(models=models, device="cpu")
    with manager.use("b", "weightless"):
        found = row(manager, "b")
    assert (found["source"], found["state"]) == (str(Path(models) / "b"), "resident")
    assert manager.unload("b", "weightless")
    assert "b" not in [one["name"] for one in listing.rows(manager)]


def test_a_model_that_cannot_be_loaded_is_failed_until_it_can(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = ModelManager(models=models, device="cpu")

    def broken(cls: type[WeightlessModel], place: Path, **rest: Any) -> WeightlessModel:
        raise BadModel(f"{place.name} is broken; download it again.")

    with monkeypatch.context() as patch:
        patch.setattr(WeightlessModel, "load", classmethod(broken))
        with pytest.raises(BadModel), manager.use("a", "weightless"):
            pass
    assert (row(manager, "a")["state"], row(manager, "a")["failure"]) == ("failed", "a is broken; download it again.")
    with manager.use("a", "weightless"):
        assert (row(manager, "a")["state"], row(manager, "a")["failure"]) == ("resident", "")


def test_a_download_says_how_fast_it_is_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.models.downloads.download_steps", lambda spec: iter(()))
    download = Download(registry.find("blip-base"), clock=lambda: 0.0)
    assert download.wait(10)
    download.done_bytes, download.total_bytes = 300, 1000
    download._seen.extend([(10.0, 100), (14.0, 300)])
    assert download.to_mapping() == {
        "done_bytes": 300,
        "total_bytes": 1000,
        "bytes_a_second": 50,
        "seconds_left": 14,
    }

"""captioner.models.manager: models are loaded once, kept within a budget, and never moved while in use."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from captioner.contract import ModelSpec, Tagger
from captioner.errors import BadModel, CaptionerError, ModelNotFound, OutOfMemory
from captioner.models import manager as manager_module
from captioner.models import registry, sources
from captioner.models.manager import ModelManager, resolve_device
from captioner.records import Tag
from captioner.settings import Settings
from tests.tiny_models import save_tiny_blip


class WeightlessModel:
    """A model of 100 bytes that notes what is done with it."""

    family: ClassVar[str] = "weightless"
    Settings: ClassVar[type[Settings]] = Settings
    happened: ClassVar[list[str]] = []
    load_s: ClassVar[float] = 0.0

    precision = "fp32"
    runtime = "none"
    revision = "0" * 12
    size_bytes = 100
    warning = ""
    note = ""
    other_names = ""
    is_remote: ClassVar[bool] = False
    is_live = True
    spec_for = Tagger.spec_for

    def __init__(self, name: str, device: str) -> None:
        self.name = name
        self.device = device

    @classmethod
    def load(cls, place: Path, *, device: str, spec: ModelSpec | None = None) -> WeightlessModel:
        time.sleep(cls.load_s)
        if place.name == "broken":
            raise BadModel(f"{place} is broken")
        cls.happened.append(f"load {place.name} on {device}")
        return cls(place.name, device)

    def release_memory(self) -> None:
        """It remembers nothing."""

    def remember_more(self, more_bytes: int) -> None:
        """It remembers nothing."""

    def move_to(self, device: str) -> None:
        self.happened.append(f"move {self.name} to {device}")
        self.device = device


class WeightlessTagger(Tagger):
    """A tagger of 100 bytes that nobody loads. answer: what it says when it is asked about so many pictures."""

    family = "weightless"
    Settings = Settings
    device, precision, runtime, revision, size_bytes = "cuda", "fp32", "none", "0", 100

    def __init__(self, answer: Callable[[int], list[tuple[Tag, ...]]]) -> None:
        self._answer = answer

    @classmethod
    def load(cls, place: Any, **_: Any) -> Any:
        raise NotImplementedError

    def move_to(self, device: str) -> None:
        raise NotImplementedError

    @staticmethod
    def select(tags: Any, settings: Any) -> Any:
        raise NotImplementedError

    def tag(self, inputs: Any, settings: Any) -> list[tuple[Tag, ...]]:
        return self._answer(len(inputs))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with the weightless models a, b, c and broken in it."""
    spec = ModelSpec(
        name="a",
        kind="tagger",
        family="weightless",
        entry=f"{__name__}:WeightlessModel",
        repo="nobody/a",
        licence="MIT",
        about="for tests",
    )
    monkeypatch.setattr(registry, "MODELS", (*registry.MODELS, spec))
    for name in ("a", "b", "c", "broken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_bytes(bytes(100))
    WeightlessModel.happened.clear()
    return str(tmp_path)


@pytest.fixture
def happened(models: str) -> list[str]:
    return WeightlessModel.happened


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a CUDA device."""
    monkeypatch.setattr(manager_module, "resolve_device", lambda wish: "cuda")


def states(manager: ModelManager) -> dict[str, str]:
    return {report.name: report.state for report in manager.report()}


def test_python_does_not_search_for_what_can_be_freed_while_a_model_loads(
    models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching: list[bool] = []
    load = WeightlessModel.load

    def noted(place: Path, **given: Any) -> WeightlessModel:
        searching.append(gc.isenabled())
        return load(place, **given)

    monkeypatch.setattr(WeightlessModel, "load", noted)
    with ModelManager(models=models, device="cpu").use("a", "weightless"):
        searching.append(gc.isenabled())
    assert searching == [False, True]


def test_a_model_is_loaded_once(models: str, happened: list[str]) -> None:
    manager = ModelManager(models=models, device="cpu")
    with manager.use("a", "weightless") as first, manager.use("a", "weightless") as second:
        assert first is second
    with manager.use("a", "weightless") as third:
        assert third is first
    assert happened == ["load a on cpu"]


def test_the_report_says_what_the_models_say_of_themselves(models: str, happened: list[str]) -> None:
    manager = ModelManager(models=models, device="cpu")
    assert manager.report() == []
    with manager.use("a", "weightless"):
        (report,) = manager.report()
        assert (report.name, report.family, report.state, report.device) == ("a", "weightless", "loaded", "cpu")
        assert (report.precision, report.runtime, report.size_bytes, report.is_in_use) == ("fp32", "none", 100, True)
    assert not manager.report()[0].is_in_use


def test_beyond_the_budget_the_least_recently_used_goes_to_the_cpu_and_comes_back(
    models: str, happened: list[str], cuda: None
) -> None:
    manager = ModelManager(models=models, vram_bytes=250)
    for name in ("a", "b", "a", "c"):
        with manager.use(name, "weightless"):
            pass
    assert happened == ["load a on cuda", "load b on cuda", "move b to cpu", "load c on cuda"]
    assert states(manager) == {"c": "loaded", "a": "loaded", "b": "offloaded"}
    with manager.use("b", "weightless") as model:
        assert model.device == "cuda"
    assert happened[4:] == ["move a to cpu", "move b to cuda"]
    assert states(manager) == {"b": "loaded", "c": "loaded", "a": "offloaded"}


def test_a_model_in_use_is_never_moved_and_what_does_not_fit_beside_it_is_refused(
    models: str, happened: list[str], cuda: None
) -> None:
    manager = ModelManager(models=models, vram_bytes=150)
    with manager.use("a", "weightless") as first:
        with pytest.raises(OutOfMemory, match=r"b does not fit: with the models in use .* a larger --vram-gib\."):
            with manager.use("b", "weightless"):
                pass
        assert first.device == "cuda"
    with manager.use("b", "weightless") as second:
        assert second.device == "cuda"
    assert states(manager) == {"b": "loaded", "a": "offloaded"}


def test_on_the_cpu_a_budget_drops_models_and_they_are_loaded_again(models: str, happened: list[str]) -> None:
    manager = ModelManager(models=models, device="cpu", ram_bytes=150)
    for name in ("a", "b", "a"):
        with manager.use(name, "weightless"):
            pass
    assert happened == ["load a on cpu", "load b on cpu", "load a on cpu"]
    assert states(manager) == {"a": "loaded"}


def test_what_a_model_remembers_of_pictures_goes_before_its_weights(models: str, cuda: None) -> None:
    class Remembering(WeightlessModel):
        size_bytes = 200

        def release_memory(self) -> None:
            self.happened.append(f"{self.name} forgets")
            self.size_bytes = 100

    manager = ModelManager(models=models, vram_bytes=300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "WeightlessModel", Remembering)
        for name in ("a", "b"):
            with manager.use(name, "weightless"):
                pass
    assert states(manager) == {"a": "loaded", "b": "loaded"}
    assert Remembering.happened == ["load a on cuda", "load b on cuda", "a forgets"]


class OutOfMemoryError(RuntimeError):
    """As torch's."""


class Card:
    """A CUDA device that refuses models above so many at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self.on_card: set[str] = set()
        load, move_to = WeightlessModel.load.__func__, WeightlessModel.move_to  # type: ignore[attr-defined]

        def crowded_load(cls: type[WeightlessModel], folder: Path, *, device: str, **known: Any) -> WeightlessModel:
            self.place(folder.name, device)
            return load(cls, folder, device=device)

        def crowded_move(model: WeightlessModel, device: str) -> None:
            self.place(model.name, device)
            move_to(model, device)

        monkeypatch.setattr(WeightlessModel, "load", classmethod(crowded_load))
        monkeypatch.setattr(WeightlessModel, "move_to", crowded_move)

    def place(self, name: str, device: str) -> None:
        if device == "cpu":
            self.on_card.discard(name)
        elif len(self.on_card) >= self.room:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        else:
            self.on_card.add(name)


def test_when_memory_runs_out_idle_models_step_back_and_it_is_tried_again(
    models: str, happened: list[str], cuda: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Card(monkeypatch, room=2)
    manager = ModelManager(models=models, vram_bytes=1000)
    for name in ("a", "b", "c"):
        with manager.use(name, "weightless"):
            pass
    assert happened[2:] == ["move a to cpu", "move b to cpu", "load c on cuda"]
    with manager.use("c", "weightless"), manager.use("a", "weightless") as model:
        assert model.device == "cuda"
        with pytest.raises(OutOfMemory, match="b does not fit into the memory left on cuda; close other programs, or"):
            with manager.use("b", "weightless"):
                pass
    assert states(manager) == {"a": "loaded", "c": "loaded", "b": "offloaded"}
    with manager.use("b", "weightless") as model:
        assert model.device == "cuda"


def test_a_model_that_never_fits_is_one_sentence(
    models: str, happened: list[str], cuda: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Card(monkeypatch, room=0)
    manager = ModelManager(models=models, vram_bytes=1000)
    with pytest.raises(OutOfMemory, match=r"or use a smaller model or --device cpu\.$"):
        with manager.use("a", "weightless"):
            pass
    assert manager.report() == []


def test_a_download_keeps_nobody_from_the_models_that_are_here(
    models: str, happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = ModelManager(models=models, device="cpu")
    find_model, is_asked, has_come = sources.find_model, threading.Event(), threading.Event()

    def slow_find_model(name: str, *rest: Any, **more: Any) -> Any:
        if name == "b":
            is_asked.set()
            assert has_come.wait(10)
        return find_model(name, *rest, **more)

    monkeypatch.setattr(sources, "find_model", slow_find_model)

    def use(name: str) -> None:
        with manager.use(name, "weightless"):
            pass

    use("a")
    downloading = threading.Thread(target=use, args=("b",))
    downloading.start()
    assert is_asked.wait(10)
    other = threading.Thread(target=use, args=("a",))
    other.start()
    other.join(20)
    is_free = not other.is_alive()
    has_come.set()
    downloading.join(10)
    other.join(10)
    assert is_free
    assert happened == ["load a on cpu", "load b on cpu"]


def test_weights_in_shards_need_room_for_all_of_them(models: str, happened: list[str]) -> None:
    shards = Path(models) / "shards"
    shards.mkdir()
    for number in (1, 2, 3):
        (shards / f"model-{number:05}-of-00003.safetensors").write_bytes(bytes(40))
    (shards / "tokenizer.json").write_bytes(bytes(90))
    manager = ModelManager(models=models, device="cpu", ram_bytes=210)
    for name in ("a", "shards"):
        with manager.use(name, "weightless"):
            assert len(manager.report()) == 1, "120 bytes of shards do not fit beside 100 in 210"


def test_without_a_budget_the_cpu_keeps_all(models: str, happened: list[str]) -> None:
    manager = ModelManager(models=models, device="cpu")
    for name in ("a", "b", "c"):
        with manager.use(name, "weightless"):
            pass
    assert states(manager) == {"a": "loaded", "b": "loaded", "c": "loaded"}


def test_a_model_above_the_whole_budget_is_refused_before_it_is_loaded(
    models: str, happened: list[str], cuda: None
) -> None:
    manager = ModelManager(models=models, vram_bytes=10)
    with pytest.raises(OutOfMemory, match=r"a does not fit: .* Choose a smaller model"):
        with manager.use("a", "weightless"):
            pass
    assert happened == []
    assert manager.report() == []
    assert list(manager.failures()) == [("weightless", "a")]


def test_a_model_that_cannot_be_loaded_is_not_kept(models: str, happened: list[str]) -> None:
    manager = ModelManager(models=models, device="cpu")
    for _ in range(2):
        with pytest.raises(BadModel, match="is broken"):
            with manager.use("broken", "weightless"):
                pass
    assert manager.report() == []


def test_an_unknown_model_names_the_known_ones(models: str) -> None:
    with pytest.raises(ModelNotFound, match=r"no weightless model is called 'z'.* the names are a\."):
        with ModelManager(models=models).use("z", "weightless"):
            pass


def test_two_threads_load_a_model_once_and_the_report_does_not_wait(
    models: str, happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WeightlessModel, "load_s", 0.2)
    manager = ModelManager(models=models, device="cpu")

    def use() -> None:
        with manager.use("a", "weightless"):
            pass

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert manager.report() == []
    for thread in threads:
        thread.join(10)
    assert happened == ["load a on cpu"]


def test_close_lets_go_of_all(models: str, happened: list[str]) -> None:
    manager = ModelManager(models=models, device="cpu")
    with manager.use("a", "weightless"):
        manager.close()
    assert manager.report() == []


def test_a_real_model_is_kept_and_reported(tmp_path: Path) -> None:
    folder = save_tiny_blip(tmp_path / "tiny")
    manager = ModelManager(device="cpu")
    with manager.use(str(folder), "blip") as captioner:
        assert captioner.device == "cpu"
    (report,) = manager.report()
    assert (report.name, report.device, report.precision, report.runtime) == (str(folder), "cpu", "fp32", "torch")
    weights_bytes = (folder / "model.safetensors").stat().st_size
    assert report.size_bytes == pytest.approx(weights_bytes, rel=0.1)


@pytest.mark.parametrize("wish", ["gpu", "", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CUDA", "cuda:\u0661"])
def test_a_device_nobody_knows_is_refused(wish: str) -> None:
    with pytest.raises(CaptionerError, match="it must be auto, cpu, cuda or cuda:N") as caught:
        resolve_device(wish)
    assert caught.value.code == "bad_device"


def test_a_bad_device_is_told_when_a_model_is_used(models: str) -> None:
    manager = ModelManager(models=models, device="tpu")
    with pytest.raises(CaptionerError, match="device is 'tpu'"):
        with manager.use("a", "weightless"):
            pass


def test_importing_the_manager_the_worker_and_blip_loads_nothing_heavy() -> None:
    code = """
import sys
import captioner.models.manager, captioner.worker, captioner.models.blip
captioner.models.manager.ModelManager(device="cpu").report()
heavy = {"torch", "transformers", "open_clip", "onnxruntime", "huggingface_hub", "gradio", "numpy"}
print(sorted(heavy & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


@pytest.mark.gpu
def test_on_a_card_the_budget_is_most_of_its_memory(models: str, happened: list[str]) -> None:
    import torch

    manager = ModelManager(models=models, device="cuda")
    assert manager.budget_bytes is not None
    assert 0.8 < manager.budget_bytes / torch.cuda.get_device_properties(0).total_memory < 0.9


def test_a_model_elsewhere_is_reached_while_no_lock_is_held_and_never_steps_back(
    models: str, happened: list[str], cuda: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its server takes to answer nobody here waits for."""
    manager = ModelManager(models=models, vram_bytes=150)
    reached: list[str] = []
    load = WeightlessModel.load.__func__  # type: ignore[attr-defined]

    def far(cls: type[WeightlessModel], place: Path, *, device: str, spec: ModelSpec | None = None) -> Any:
        with ThreadPoolExecutor(1) as other:  # another thread may use the manager meanwhile
            other.submit(manager.close).result(10)
        reached.append(place.name)
        return load(cls, place, device=device, spec=spec)

    with monkeypatch.context() as patched:
        patched.setattr(WeightlessModel, "is_remote", True)
        patched.setattr(WeightlessModel, "load", classmethod(far))
        with manager.use("a", "weightless") as there:
            there.is_remote, there.size_bytes = True, 0
    for name in "bc":
        with manager.use(name, "weightless"):
            pass
    assert reached == ["a"]
    assert states(manager)["a"] == "loaded", "it takes nothing here"

"""What the manager does when memory is short, when models are idle, and when a trainer needs the card."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence

import pytest
from PIL import Image

from captioner.answers import answers_of
from captioner.contract import PictureInput
from captioner.errors import OutOfMemory
from captioner.models.byte_cache import ByteCache
from captioner.models.devices import Memory
from captioner.models.manager import ModelManager
from captioner.models.memory import in_halves, make_room
from captioner.records import Tag
from tests import test_manager
from tests.test_manager import WeightlessModel, WeightlessTagger, states

models, cuda, happened = test_manager.models, test_manager.cuda, test_manager.happened

FULL = (
    MemoryError(),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("Failed to allocate memory for requested buffer of size 9"),
    RuntimeError("Available memory of 1 is smaller than requested bytes of 2"),
)


def use(manager: ModelManager, *names: str) -> None:
    for name in names:
        with manager.use(name, "weightless"):
            pass


@pytest.mark.parametrize("error", FULL, ids=str)
def test_work_that_finds_no_memory_is_halved_then_others_step_back_then_it_costs_one_picture(
    models: str, happened: list[str], cuda: None, error: Exception
) -> None:
    manager = ModelManager(models=models, vram_bytes=1000)
    use(manager, "b")
    asked: list[int] = []

    def work(pictures: Sequence[int]) -> Sequence[int]:
        asked.append(len(pictures))
        if len(pictures) > 1 or states(manager)["b"] == "loaded" or pictures[0] == 9:
            raise error
        return pictures

    with manager.use("a", "weightless"):
        assert in_halves(work, [1, 2, 3, 4]) == [1, 2, 3, 4]
        assert asked == [4, 2, 1, 1, 1, 1, 1]
        assert states(manager) == {"a": "loaded", "b": "offloaded"}
        with pytest.raises(OutOfMemory, match="not enough memory for even one picture"):
            in_halves(work, [9])
    use(manager, "b")
    assert states(manager)["b"] == "loaded", "it comes back when it is used"


def test_a_model_that_looks_after_no_memory_itself_has_others_step_back_too(
    models: str, happened: list[str], cuda: None
) -> None:
    def tag(count: int) -> list[tuple[Tag, ...]]:
        if states(manager)["b"] == "loaded":
            raise RuntimeError("CUDA error: out of memory")
        return [()] * count

    manager = ModelManager(models=models, vram_bytes=1000)
    use(manager, "b")
    tagging = WeightlessTagger(tag)  # type: ignore[abstract]
    shown = PictureInput(Image.new("RGB", (8, 8)))
    with manager.use("a", "weightless"):
        assert answers_of(tagging, [shown, shown], WeightlessModel.Settings()) == [(), ()]
    use(manager, "b")
    [said] = answers_of(tagging, [shown], WeightlessModel.Settings())  # outside, where nobody can make way
    assert isinstance(said, OutOfMemory)


def test_something_large_that_a_model_makes_has_others_make_way_first(
    models: str, happened: list[str], cuda: None
) -> None:
    manager = ModelManager(models=models, vram_bytes=250)
    use(manager, "b")
    with manager.use("a", "weightless"):
        make_room(50)
        assert states(manager)["b"] == "loaded"
        make_room(60)
        assert states(manager)["b"] == "offloaded"
    make_room(1000)  # nobody is asked outside


def test_the_card_is_freed_for_a_trainer_and_models_come_back(models: str, happened: list[str], cuda: None) -> None:
    manager = ModelManager(models=models, vram_bytes=1000)
    use(manager, "a", "b")
    with manager.use("a", "weightless"):
        assert manager.free() == ["b"]
        assert states(manager) == {"a": "loaded", "b": "offloaded"}
    assert states(manager) == {"a": "offloaded", "b": "offloaded"}, "who was in use goes when it is done"
    assert manager.memory_report().used_bytes == 0
    assert manager.memory_report().offloaded_bytes == 200
    use(manager, "a")
    assert states(manager)["a"] == "loaded"


def test_what_nobody_uses_leaves_after_its_time(models: str, happened: list[str], cuda: None) -> None:
    now = [0.0]
    manager = ModelManager(models=models, vram_bytes=1000, idle_s=600, clock=lambda: now[0])
    use(manager, "a")
    now[0] = 500
    use(manager, "b")
    now[0] = 650
    with manager.use("c", "weightless"):
        assert manager.step_back_unused() == ["a"]
        now[0] = 5000
        assert manager.step_back_unused() == ["b"]
    assert states(manager) == {"c": "loaded", "b": "offloaded", "a": "offloaded"}
    manager.close()


def test_an_idle_model_leaves_by_itself(models: str, happened: list[str], cuda: None) -> None:
    manager = ModelManager(models=models, vram_bytes=1000, idle_s=0.01)
    gone = threading.Event()
    move_to = WeightlessModel.move_to

    def moved(model: WeightlessModel, device: str) -> None:
        move_to(model, device)
        gone.set()

    step_back = manager.step_back_unused
    failures = [RuntimeError("a card that does not answer")]

    def step_back_unused() -> list[str]:
        if failures:
            raise failures.pop()
        return step_back()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WeightlessModel, "move_to", moved)
        patch.setattr(manager, "step_back_unused", step_back_unused)
        use(manager, "a")
        assert gone.wait(30), "also after a look that failed"
    manager.close()


def test_models_that_stepped_back_take_no_more_of_the_memory_than_is_allowed(
    models: str, happened: list[str], cuda: None
) -> None:
    manager = ModelManager(models=models, vram_bytes=150, ram_bytes=100)
    use(manager, "a", "b")
    assert states(manager) == {"b": "loaded", "a": "offloaded"}
    use(manager, "c")
    assert states(manager) == {"c": "loaded", "b": "offloaded"}, "a, which waited longest, is gone"
    assert manager.memory_report().offloaded_bytes == 100


def test_a_model_that_takes_more_than_was_foreseen_is_refused_and_let_go(
    models: str, happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WeightlessModel, "size_bytes", 500)
    manager = ModelManager(models=models, device="cpu", ram_bytes=300)
    with pytest.raises(OutOfMemory, match=r"start with a larger --ram-gib\."), manager.use("a", "weightless"):
        pass
    assert manager.report() == []


@pytest.mark.parametrize("way", ["room", "free", "unload", "close"])
def test_a_model_that_goes_is_gone_before_what_is_free_is_given_back(
    models: str, happened: list[str], cuda: None, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Also one that holds itself in a circle, as a decoder and its recordings do."""
    gone: list[bool] = []
    monkeypatch.setattr("captioner.models.residents.free_cached_memory", lambda: gone.append(seen() is None))
    manager = ModelManager(models=models, vram_bytes=150, ram_bytes=0)
    with manager.use("a", "weightless") as model:
        model.circle = model
        seen = weakref.ref(model)
        del model
    gone.clear()
    if way == "room":
        use(manager, "b")
    elif way == "free":
        manager.free()
    elif way == "unload":
        assert manager.unload("a", "weightless")
    else:
        manager.close()
    assert any(gone)
    manager.close()


def test_what_is_there_beside_a_model_is_not_searched_for_what_can_be_freed_until_a_model_goes(
    models: str, happened: list[str]
) -> None:
    """Such a search stops all threads, for a third of a second where torch was imported."""

    class Circle:
        def __init__(self) -> None:
            self.itself = self

    circle = Circle()
    is_there = weakref.ref(circle)
    manager = ModelManager(models=models, device="cpu")
    use(manager, "a")
    del circle
    gc.collect()
    assert is_there() is not None
    manager.close()
    gc.collect()
    assert is_there() is None


def test_on_a_card_torch_says_what_it_keeps_and_other_runtimes_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Part(WeightlessModel):
        def __init__(self, runtime: str, device: str = "cuda") -> None:
            super().__init__("a", device)
            self.runtime = runtime

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (20 << 30, 40 << 30))
    memory = Memory("cuda")
    onnx = Part("CUDAExecutionProvider")
    assert memory.used_bytes([Part("torch"), Part("torch"), onnx]) == 700 + 100
    assert memory.used_bytes([onnx, Part("CPUExecutionProvider", "cpu")]) == 700 + 100, "on the CPU it takes nothing"
    assert Memory("cpu").used_bytes([Part("torch", "cpu"), Part("CPUExecutionProvider", "cpu")]) == 200
    # Half of the card is others': what is free, and what models have, but for 0.7 GiB.
    assert memory.default_budget_bytes(5 << 30) == 25 * 2**30 - int(0.7 * 2**30)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40 << 30, 40 << 30))
    assert memory.default_budget_bytes(0) == int(0.85 * (40 << 30))


def test_what_is_remembered_grows_no_further_than_there_is_room() -> None:
    cache: ByteCache[str] = ByteCache(1000)
    cache.put("a", "a", 60)
    cache.grow_at_most(50)
    cache.put("b", "b", 50)
    assert (len(cache), cache.size_bytes) == (2, 110)
    cache.put("c", "c", 50)
    assert (len(cache), cache.size_bytes) == (2, 100)
    cache.grow_at_most(-40)
    cache.put("d", "d", 200)
    assert (len(cache), cache.size_bytes) == (0, 0), "not even the newest, where there is no room"

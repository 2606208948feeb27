"""Every way in which a card is known to fail leads to the sentence and the action that fit it.

Cards that cannot be used at all are in test_cards, onnxruntime's own forms in test_onnx_session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from PIL import Image

from captioner.answers import answers_of
from captioner.contract import PictureInput
from captioner.errors import CardLost, ModelFailed, OutOfMemory
from captioner.models.manager import ModelManager
from captioner.records import Tag
from tests import test_manager
from tests.test_manager import WeightlessModel, WeightlessTagger, states

models, cuda, happened = test_manager.models, test_manager.cuda, test_manager.happened


class OnnxError(Exception):
    """As onnxruntime's, which share no base class."""

    __module__ = "onnxruntime.capi.onnxruntime_pybind11_state"


def torch_error(text: str) -> Exception:
    return torch.AcceleratorError(text) if hasattr(torch, "AcceleratorError") else RuntimeError(text)


Happens = Literal["halves", "one picture", "job"]
"""What a failure in work costs. halves: it is asked with less, others step back, and only then it costs one picture.
job: all ends, with one sentence."""


@dataclass(frozen=True)
class Form:
    """error: as the library raises it. costs: see `Happens`. says: a part of the sentence."""

    error: Exception
    costs: Happens
    says: str


SHORT = "found no memory for this picture; close other programs or save a smaller copy"
LOST = "does nothing more until Captioner is started again. Restart it"
FORMS = (
    Form(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "halves", SHORT),
    Form(torch_error("CUDA error: out of memory"), "halves", SHORT),
    Form(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "halves", SHORT),
    Form(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "halves", SHORT),
    Form(OnnxError("CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size)"), "halves", SHORT),
    Form(OnnxError("Failed to allocate memory for requested buffer of size 9"), "halves", SHORT),
    Form(OnnxError("Available memory of 1 is smaller than requested bytes of 2"), "halves", SHORT),
    Form(RuntimeError("[enforce fail at alloc_cpu.cpp:117] can't allocate memory"), "halves", SHORT),
    Form(torch_error("CUDA error: an illegal memory access was encountered"), "job", LOST),
    Form(torch_error("CUDA error: device-side assert triggered"), "job", LOST),
    Form(torch_error("CUDA error: unspecified launch failure"), "job", LOST),
    Form(torch_error("CUDA error: misaligned address"), "job", LOST),
    Form(torch_error("CUDA error: uncorrectable ECC error encountered"), "job", LOST),
    Form(OnnxError("CUDA failure 700: an illegal memory access was encountered ; GPU=0"), "job", LOST),
    Form(RuntimeError("The size of tensor a (3) must match"), "one picture", "leave it out. The log says where"),
    Form(RuntimeError("an illegal memory access, said a plug-in of its own"), "one picture", "leave it out"),
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form.error)[:60])
def test_a_failure_in_work_has_its_sentence_and_its_action(
    models: str, happened: list[str], cuda: None, form: Form
) -> None:
    manager = ModelManager(models=models, vram_bytes=1000)
    with manager.use("b", "weightless"):
        pass
    were_asked: list[tuple[int, str]] = []

    def fail(count: int) -> list[tuple[Tag, ...]]:
        were_asked.append((count, states(manager)["b"]))
        raise form.error

    tagger = WeightlessTagger(fail)  # type: ignore[abstract]
    shown = [PictureInput(Image.new("RGB", (8, 8)))] * 2

    def run() -> list[str]:
        with manager.use("a", "weightless"):
            return [str(answer) for answer in answers_of(tagger, shown, WeightlessModel.Settings())]

    if form.costs == "job":
        with pytest.raises(CardLost) as caught:
            run()
        said, asked = [str(caught.value)], [(2, "loaded")]
    else:
        said = run()
        asked = [(2, "loaded"), (1, "loaded"), (1, "loaded")]
        if form.costs == "halves":
            asked = [(2, "loaded"), (1, "loaded"), (1, "offloaded"), (1, "offloaded"), (1, "offloaded")]
    assert [form.says in one for one in said] == [True] * len(said), said
    assert were_asked == asked


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form.costs == "halves"], ids=lambda form: str(form.error)[:60]
)
def test_a_model_that_finds_no_memory_while_it_loads_has_a_second_try_without_the_idle_ones(
    models: str, happened: list[str], cuda: None, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    manager = ModelManager(models=models, vram_bytes=1000)
    with manager.use("b", "weightless"):
        pass
    tried: list[str] = []

    def load(place: Any, **_: Any) -> WeightlessModel:
        tried.append(states(manager)["b"])
        raise form.error

    monkeypatch.setattr(WeightlessModel, "load", load)
    with pytest.raises(OutOfMemory, match="a does not fit into the memory left on cuda; close other"):
        with manager.use("a", "weightless"):
            pass
    assert tried == ["loaded", "offloaded"]


@pytest.mark.parametrize("form", [one for one in FORMS if one.costs == "job"], ids=lambda form: str(form.error)[:60])
def test_a_card_that_is_lost_while_a_model_loads_or_goes_is_said_too(
    models: str, happened: list[str], cuda: None, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    """Where torch is asked after its last failure, it fails again, in place of what was said before."""
    manager = ModelManager(models=models, vram_bytes=1000)

    def fail(*_: Any, **more: Any) -> None:
        raise form.error

    with pytest.raises(CardLost, match="Restart it") as caught:
        with manager.use("a", "weightless"):
            monkeypatch.setattr(manager._residents, "make_room", fail)
            raise ModelFailed("said before")
    assert caught.value.code == "card_lost"

"""taggers.onnx_session: which provider runs a file, and what is said where a card does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioner.__main__ import main
from captioner.contract import inputs
from captioner.errors import OutOfMemory
from captioner.models.devices import Memory
from captioner.models.manager import ModelManager
from taggers.wd14 import Wd14Settings, Wd14Tagger
from tests.tiny_onnx import tiny_wd14

PLAIN = Image.new("RGB", (20, 20), (1, 2, 3))


class FakeSession:
    """onnxruntime's session, which runs on the CPU; on a card where `works` says so."""

    def __init__(self, real: Any, providers: list[object], state: dict[str, Any]) -> None:
        self._real = real
        self._state = state
        self._cuda = bool(state["works"]) and len(providers) > 1

    def run(self, names: list[str], fed: dict[str, Any], options: Any) -> Any:
        if self._cuda and self._state["run_fails"]:
            raise self._state["run_fails"].pop()
        return self._real.run(names, fed, None if self._cuda else options)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"] if self._cuda else ["CPUExecutionProvider"]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An onnxruntime that offers CUDA and prints as the real one does; `works` says whether it comes up, `fails` how it
    does not, `run_fails` how runs on it fail."""
    import onnxruntime

    state: dict[str, Any] = {"works": False, "opened": [], "run_fails": []}
    real = onnxruntime.InferenceSession

    def session(path: str, options: object, providers: list[object], enable_fallback: int) -> FakeSession:
        assert enable_fallback == 0
        print("EP Error")
        if "fails" in state and len(providers) > 1:
            raise RuntimeError(state["fails"])
        state["opened"].append(providers)
        return FakeSession(real(path, options, providers=["CPUExecutionProvider"]), providers, state)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudnn.so.9"))
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    return state


def test_a_fall_back_to_the_cpu_is_a_warning(tmp_path: Path, cuda: dict[str, Any]) -> None:
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cuda")
    assert (tagger.device, tagger.runtime) == ("cpu", "CPUExecutionProvider")
    assert tagger.warning.startswith("runs on the CPU although there is a GPU")
    assert "pip install onnxruntime-gpu[cuda,cudnn]" in tagger.warning
    tagger.move_to("cpu")
    assert tagger.warning == "", "the CPU was asked for"


def test_a_fall_back_to_the_cpu_is_seen_on_the_command_line_and_told_to_the_page(
    tmp_path: Path, cuda: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine with a card whose onnxruntime lacks the CUDA libraries."""
    tiny_wd14(tmp_path / "models" / "wd-vit-tagger-v3")
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr("captioner.models.manager.resolve_device", lambda wish: "cuda")
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (1 << 33, 1 << 33))
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    words = ["caption", str(tmp_path / "a.png"), str(tmp_path / "a.png"), "--captioner", "", "--wd14", "default"]
    assert main([*words, "--models", str(tmp_path / "models")]) == 0
    said = capsys.readouterr().err
    warning = "wd-vit-tagger-v3 runs on the CPU although there is a GPU"
    assert said.count(f"note: {warning}") == 1
    manager = ModelManager(models=str(tmp_path / "models"))
    with manager.use("wd-vit-tagger-v3", "wd14"):
        [report] = manager.report()
    assert report.warning.startswith(warning)


def test_cuda_is_asked_for_first_and_on_the_right_card(tmp_path: Path, cuda: dict[str, Any]) -> None:
    cuda["works"] = True
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cuda:1")
    [[(name, wish), other]] = cuda["opened"]
    assert (name, wish["device_id"], other) == ("CUDAExecutionProvider", 1, "CPUExecutionProvider")
    assert wish["arena_extend_strategy"] == "kSameAsRequested"
    assert (tagger.device, tagger.runtime) == ("cuda:1", "CUDAExecutionProvider")
    assert tagger.warning == ""


def test_moving_opens_the_session_on_the_other_provider(tmp_path: Path, cuda: dict[str, Any]) -> None:
    cuda["works"] = True
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cpu")
    tagger.move_to("cuda")
    assert tagger.device == "cuda"
    tagger.move_to("cuda")
    assert tagger.size_bytes > 0
    tagger.move_to("cpu")
    assert (tagger.device, tagger.size_bytes, len(cuda["opened"])) == ("cpu", 0, 2), "it is only put away"
    assert tagger.tag(inputs([PLAIN]), Wd14Settings())
    assert (tagger.device, len(cuda["opened"])) == ("cpu", 3)


NEEDS = "Update the driver, or install it anew: pip install onnxruntime-gpu[cuda,cudnn]"
FULL = (
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; expr=cudaMalloc((void**)&p, size)",
    "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&handle)",
    "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0",
    "Failed to allocate memory for requested buffer of size 9",
    "Available memory of 1 is smaller than requested bytes of 2",
)


class RunError(Exception):
    """As onnxruntime's, which share no base class."""

    __module__ = "onnxruntime.capi.onnxruntime_pybind11_state"


@pytest.mark.parametrize(
    "fault",
    [
        "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version",
        "CUDA failure 100: no CUDA-capable device is detected",
        "CUDA failure 209: no kernel image is available for execution on the device",
        "CUBLAS failure 1: CUBLAS_STATUS_NOT_INITIALIZED",
    ],
)
def test_why_a_card_does_not_come_up_is_said_and_nothing_is_printed(
    tmp_path: Path, cuda: dict[str, Any], capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    cuda["fails"] = fault
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cuda")
    assert tagger.device == "cpu"
    assert f"onnxruntime's CUDA does not come up ({fault}). {NEEDS}" in tagger.warning
    assert capsys.readouterr().out == ""
    assert tagger.tag(inputs([PLAIN]), Wd14Settings())


@pytest.mark.parametrize("said", FULL)
def test_a_card_that_is_full_is_no_damaged_file(tmp_path: Path, cuda: dict[str, Any], said: str) -> None:
    cuda["fails"] = said
    with pytest.raises(OutOfMemory, match="does not fit on cuda"):
        Wd14Tagger.load(tiny_wd14(tmp_path), device="cuda")


@pytest.mark.parametrize("said", FULL)
def test_a_run_that_finds_no_memory_is_halved_in_a_session_made_anew(
    tmp_path: Path, cuda: dict[str, Any], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Its arena goes with the old one, and the new one may take what the card has left then."""
    cuda["works"] = True
    left = [500, 800]
    monkeypatch.setattr(Memory, "left_bytes", lambda memory: left.pop(0))
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cuda")
    cuda["run_fails"] = [RunError(said)]
    assert len(tagger.tag(inputs([PLAIN] * 4), Wd14Settings())) == 4
    assert (tagger.device, tagger.warning) == ("cuda", "")
    assert [wish["gpu_mem_limit"] for [(_, wish), _] in cuda["opened"]] == [500, 800]
    left[:] = [1] * 9
    cuda["run_fails"] = [RunError(said) for _ in range(9)]
    with pytest.raises(OutOfMemory, match="not enough memory for even one picture"):
        tagger.tag(inputs([PLAIN]), Wd14Settings())
    assert tagger.warning == "", "it was only put away"


def test_a_card_that_onnxruntime_has_no_code_for_is_left_in_the_first_run(tmp_path: Path, cuda: dict[str, Any]) -> None:
    cuda["works"] = True
    tagger = Wd14Tagger.load(tiny_wd14(tmp_path), device="cuda")
    fault = "CUDA failure 209: no kernel image is available for execution on the device ; GPU=0"
    cuda["run_fails"] = [RunError(fault)]
    assert tagger.tag(inputs([PLAIN]), Wd14Settings())
    assert tagger.device == "cpu"
    assert f"onnxruntime's CUDA does not come up ({fault})" in tagger.warning


def test_a_machine_that_has_no_such_package_is_not_told_to_install_it(
    tmp_path: Path, cuda: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    warning = Wd14Tagger.load(tiny_wd14(tmp_path), device="cuda").warning
    assert warning.endswith("there is no onnxruntime with CUDA for aarch64")
    assert "pip" not in warning


def test_json_stays_one_object_a_line_whatever_onnxruntime_prints(
    tmp_path: Path, cuda: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cuda["fails"] = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version"
    tiny_wd14(tmp_path / "models" / "wd-vit-tagger-v3")
    for name in ("a.png", "b.png"):
        PLAIN.save(tmp_path / name)
    monkeypatch.setattr("captioner.models.manager.resolve_device", lambda wish: "cuda")
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (1 << 33, 1 << 33))
    words = ["caption", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--captioner", "", "--wd14", "default"]
    assert main([*words, "--json", "--models", str(tmp_path / "models")]) == 0
    printed = capsys.readouterr()
    assert [Path(json.loads(line)["picture"]).name for line in printed.out.splitlines()] == ["a.png", "b.png"]
    assert printed.err.count("EP Error") == 2
    assert "Failed to load libcudnn" in printed.err

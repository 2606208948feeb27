"""Which card models run on, what is said of one that they cannot run on, and how a model comes to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from captioner.errors import CaptionerError
from captioner.models import cards, devices
from captioner.models.cards import put_on
from captioner.models.devices import resolve_device, why_on_cpu
from captioner.models.manager import ModelManager
from tests import test_manager

models, happened = test_manager.models, test_manager.happened

GTX_1080, RTX_2060, RTX_4090, H200, RTX_5090 = (6, 1), (7, 5), (8, 9), (9, 0), (12, 0)
BUILT_FOR = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@dataclass
class Machine:
    """What torch says of the machine. cards: their compute capabilities. refusal: why CUDA does not come up."""

    cards: list[tuple[int, int]] = field(default_factory=list)
    refusal: str = ""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One with an NVIDIA driver and a torch with CUDA 13, whose cards a test says."""
    here = Machine()

    def init() -> None:
        if here.refusal:
            raise RuntimeError(here.refusal)

    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(here.cards))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(here.cards))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: BUILT_FOR)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: here.cards[index])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Card {index}")
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(cards, "_has_nvidia_driver", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return here


@pytest.mark.parametrize("capability", [RTX_2060, (8, 0), (8, 7), RTX_4090, H200, (10, 3), RTX_5090, (12, 1)])
def test_a_card_that_torch_has_code_for_is_taken(machine: Machine, capability: tuple[int, int]) -> None:
    machine.cards = [capability]
    assert (resolve_device("auto"), resolve_device("cuda"), why_on_cpu()) == ("cuda", "cuda", "")


@pytest.mark.parametrize(
    ("capability", "why"),
    [((5, 2), "too old"), (GTX_1080, "too old"), ((7, 0), "too old"), ((11, 0), "newer"), ((13, 0), "newer")],
)
def test_a_card_that_torch_has_no_code_for_is_refused_and_auto_leaves_it_with_a_sentence(
    machine: Machine, capability: tuple[int, int], why: str
) -> None:
    machine.cards = [capability]
    assert resolve_device("auto") == "cpu"
    has = f"Card 0 has compute capability {capability[0]}.{capability[1]}, and this torch has code for 7.5, 8.0, 8.6, "
    assert has in why_on_cpu()
    for wish in ("cuda", "cuda:0"):
        with pytest.raises(CaptionerError, match=f"the card is {why} (for|than) it; use --device cpu") as caught:
            resolve_device(wish)
        assert has in str(caught.value)
        assert caught.value.code == "bad_device"


@pytest.mark.parametrize(("capability", "serves"), [((13, 0), True), ((12, 0), True), (H200, False)])
def test_code_that_the_driver_translates_serves_its_card_and_newer_ones(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], serves: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "compute_120"])
    machine.cards = [capability]
    assert (resolve_device("auto") == "cuda") is serves


def test_auto_takes_the_first_card_that_serves(machine: Machine) -> None:
    machine.cards = [GTX_1080, RTX_4090]
    assert (resolve_device("auto"), resolve_device("cuda:1")) == ("cuda:1", "cuda:1")
    with pytest.raises(CaptionerError, match="there are 2 CUDA devices here, numbered from 0"):
        resolve_device("cuda:2")


def test_cards_of_another_maker_have_other_numbers(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    machine.cards = [(11, 0)]
    assert resolve_device("auto") == "cuda"


def test_a_torch_built_for_the_cpu_beside_a_card_is_said(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert resolve_device("auto") == "cpu"
    assert "although there is an NVIDIA card" in why_on_cpu()
    assert "this torch is built for the CPU. Install torch and torchvision with CUDA" in why_on_cpu()
    with pytest.raises(CaptionerError, match="this torch is built for the CPU"):
        resolve_device("cuda")


def test_an_old_driver_is_said_with_the_one_that_is_needed(machine: Machine) -> None:
    machine.refusal = (
        "The NVIDIA driver on your system is too old (found version 12040). Please update your GPU driver by "
        "downloading and installing a new version"
    )
    assert resolve_device("auto") == "cpu"
    assert why_on_cpu().endswith("is too old (found version 12040). This torch needs driver 580 or newer.")
    with pytest.raises(CaptionerError, match="driver 580 or newer; or use --device cpu"):
        resolve_device("cuda:0")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_cards_that_were_hidden_are_not_missed(machine: Machine, monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    machine.refusal = "No CUDA GPUs are available"
    assert why_on_cpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert why_on_cpu() == ""


def test_without_a_card_nothing_is_said_and_cuda_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "_has_nvidia_driver", lambda: False)
    assert (resolve_device("auto"), why_on_cpu()) == ("cpu", "")
    for wish in ("cuda", "cuda:0"):
        with pytest.raises(CaptionerError, match="no CUDA device here; use --device cpu"):
            resolve_device(wish)


def test_a_driver_is_seen_by_the_files_it_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where nothing of /proc is there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    assert cards._has_nvidia_driver() == Path("/proc/driver/nvidia/version").is_file()
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32" / "nvcuda.dll").touch()
    assert cards._has_nvidia_driver()


def test_every_model_tells_why_it_is_on_the_cpu_unless_that_was_asked_for(
    models: str, happened: list[str], machine: Machine
) -> None:
    machine.cards = [GTX_1080]
    manager = ModelManager(models=models)
    for name in ("a", "b"):
        with manager.use(name, "weightless"):
            pass
    first, second = (report.warning for report in manager.report())
    assert first == second
    assert first.startswith(
        "Models run on the CPU although there is an NVIDIA card, which is many times slower: Card 0"
    )
    asked = ModelManager(models=models, device="cpu")
    with asked.use("a", "weightless"):
        assert [report.warning for report in asked.report()] == [""]


def test_without_torch_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_torch() -> int:
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(devices.cards, "count_cards", no_torch)
    assert (resolve_device("auto"), why_on_cpu()) == ("cpu", "")
    with pytest.raises(CaptionerError, match="The device cuda needs torch: pip install torch"):
        resolve_device("cuda")


def test_on_a_card_attention_is_not_cudnns(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        def to(self, device: str) -> str:
            return device

    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        assert put_on(Module(), "cpu") == "cpu"
        assert torch.backends.cuda.cudnn_sdp_enabled()
        assert put_on(Module(), "cuda:1") == "cuda:1"
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def test_models_come_to_a_device_by_one_way_only() -> None:
    """A module moved past `put_on` would have cuDNN's attention on the cards that are slow with it."""
    root = Path(__file__).parent.parent
    found = [
        f"{path.relative_to(root)}:{number}"
        for folder in ("captioner", "taggers")
        for path in (root / folder).rglob("*.py")
        if path.name not in ("cards.py", "selfcheck.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if any(f"{name}.to(device" in line or f"{name}.cuda(" in line for name in ("model", "module"))
    ]
    assert found == []

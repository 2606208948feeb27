"""NVIDIA cards: which of them this torch can use, why not the others, and how a model is brought to one.

A card that is there and cannot be used is said, whoever made it so: models on the CPU are many times slower. Importing
this loads nothing heavy; torch is asked when a function is called.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from captioner.errors import CaptionerError, CardLost
from captioner.limits import shown

_LOST = (
    "illegal memory access",
    "illegal instruction",
    "misaligned address",
    "device-side assert",
    "launch failure",
    "launch timed out",
    "hardware stack error",
    "invalid program counter",
    "uncorrectable ecc",
)
"""As the driver says it, by torch and by onnxruntime."""

_LEAST_DRIVERS = {"12": "driver 525 or newer", "13": "driver 580 or newer"}
"""What a CUDA of this number asks for (NVIDIA's table of minor version compatibility)."""


def count_cards() -> int:
    """How many CUDA devices torch finds. Raises: ModuleNotFoundError: no torch."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an old driver, which `why_no_card` says
        return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def card_number(device: str) -> int:
    """ "cuda" -> 0, "cuda:1" -> 1."""
    return int(device.partition(":")[2] or 0)


def why_unusable(index: int) -> str:
    """Why models cannot run on one of torch's CUDA devices, to follow a colon; "" where they can.

    torch moves weights to a card that it has no code for; the first thing computed there would fail.
    """
    import torch

    if torch.version.cuda is None:  # ROCm's cards have other numbers
        return ""
    names = torch.cuda.get_arch_list()
    built_for = sorted({_capability(name) for name in names if name.startswith("sm_")})
    translated = [_capability(name) for name in names if name.startswith("compute_")]  # PTX, for that card and newer
    major, minor = torch.cuda.get_device_capability(index)
    if not names or any(major == other and minor >= least for other, least in built_for):
        return ""
    if any((major, minor) >= least for least in translated):
        return ""
    served = ", ".join(f"{one}.{other}" for one, other in built_for)
    is_old = bool(built_for) and (major, minor) < built_for[0]
    return (
        f"{torch.cuda.get_device_name(index)} has compute capability {major}.{minor}, and this torch has code for "
        f"{served}; the card is {'too old for it' if is_old else 'newer than it'}"
    )


def why_no_card() -> str:
    """Why torch finds no CUDA device although there is an NVIDIA driver, to follow a colon; "" where there is none, or
    cards were hidden on purpose.
    """
    import torch

    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or torch.version.hip or not _has_nvidia_driver():
        return ""
    if torch.version.cuda is None:
        return (
            "this torch is built for the CPU. Install torch and torchvision with CUDA, by the command that "
            "pytorch.org/get-started gives for this system"
        )
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition(". ")[0].partition("\n")[0].rstrip(".") or type(error).__name__
        wanted = _LEAST_DRIVERS.get(torch.version.cuda.partition(".")[0], "a newer driver")
        return f"{reason}. This torch needs {wanted}"
    return "torch finds no CUDA device"


def is_lost(error: BaseException) -> bool:
    """Whether an error is one after which CUDA fails at everything until the process ends."""
    text = str(error).lower()
    return isinstance(error, Exception) and "cuda" in text and any(words in text for words in _LOST)


@contextmanager
def lost_card_is_said() -> Iterator[None]:
    """Raises: CardLost: within the block, work failed with what only a restart mends."""
    try:
        yield
    except Exception as error:
        if isinstance(error, CaptionerError) or not is_lost(error):
            raise
        reason = shown((str(error).splitlines() or [""])[0], max_length=160)
        raise CardLost(
            f"the graphics card gave up ({reason}) and does nothing more until Captioner is started again. Restart it; "
            "if this comes again, update the driver or start it with --device cpu."
        ) from error


def put_on(module: Any, device: str) -> Any:
    """The torch module, its weights on a device: the one way by which models come to a card.

    cuDNN's attention, which torch prefers on H100, H200 and B200, plans anew for each shape, 20 to 40 ms a time, and a
    caption has a new shape a step; torch's own kernels need no plan.
    """
    if device.startswith("cuda"):
        import torch

        torch.backends.cuda.enable_cudnn_sdp(False)
    return module.to(device)


def _capability(name: str) -> tuple[int, int]:
    """ "sm_120" or "sm_90a" -> (12, 0) or (9, 0)."""
    number = int("".join(filter(str.isdigit, name)))
    return number // 10, number % 10


def _has_nvidia_driver() -> bool:
    system = Path(os.environ.get("SYSTEMROOT", "/")) / "System32" / "nvcuda.dll"
    return Path("/proc/driver/nvidia/version").is_file() or system.is_file() or shutil.which("nvidia-smi") is not None

"""The device that models run on: which there is, what of its memory is taken, and what may be.

Importing this loads nothing heavy; torch is asked only about a card, or whether there is one.
"""

from __future__ import annotations

from collections.abc import Iterable

from captioner.contract import Model
from captioner.errors import CaptionerError, MissingPackage
from captioner.models import cards

# What of a card's memory models may take where nobody says: the rest is for other programs and CUDA's own context.
_CARD_SHARE = 0.85
_SPARE_BYTES = int(0.7 * 2**30)


class Memory:
    """What models take of a device's memory.

    On a CPU that is what they say themselves, weights, copies and what they remember. On a card torch says what it has
    reserved, with what it keeps for later and what graphs work on, and what other runtimes take is added.
    """

    def __init__(self, device: str) -> None:
        self._device = device

    @property
    def is_card(self) -> bool:
        """Whether it is a CUDA device."""
        return self._device.startswith("cuda")

    def used_bytes(self, models: Iterable[Model]) -> int:
        """What these models take, which are all that are on the device."""
        by_torch = others = 0
        for model in models:
            if self.is_card and model.device == "cpu":  # it fell back, or runs elsewhere
                continue
            if model.runtime == "torch":
                by_torch += model.size_bytes
            else:
                others += model.size_bytes
        return max(by_torch, self._reserved_bytes()) + others

    def default_budget_bytes(self, used_bytes: int) -> int | None:
        """What models may take where nobody says: 85 % of a card, less where other programs are on it; None on a CPU.

        Args: used_bytes: what models take now.
        """
        if not self.is_card:
            return None
        import torch

        free_bytes, total_bytes = torch.cuda.mem_get_info(self._device)
        return max(0, int(min(_CARD_SHARE * total_bytes, free_bytes + used_bytes - _SPARE_BYTES)))

    def left_bytes(self) -> int | None:
        """What one more model may take of a card beside all that is on it; None on a CPU."""
        return self.default_budget_bytes(0) if self._has_torch() else None

    def taken_elsewhere(self) -> int:
        """What of a card is taken by all but torch, in this process and others; 0 on a CPU. Another runtime's share is
        the difference of two such figures.
        """
        if not self._has_torch():
            return 0
        import torch

        free_bytes, total_bytes = torch.cuda.mem_get_info(self._device)
        return max(0, int(total_bytes - free_bytes) - self._reserved_bytes())

    def hold_to(self, size_bytes: int, models: Iterable[Model]) -> None:
        """Let torch reserve of a card what these models leave of so many bytes. More is out of memory, and halved."""
        if not self._has_torch():
            return
        import torch

        others = sum(model.size_bytes for model in models if model.runtime != "torch")
        total_bytes = torch.cuda.get_device_properties(self._device).total_memory
        share = min(1.0, max(0.0, (size_bytes - others) / total_bytes))
        torch.cuda.set_per_process_memory_fraction(share, self._device)

    def _reserved_bytes(self) -> int:
        if not self._has_torch():
            return 0
        import torch

        return int(torch.cuda.memory_reserved(self._device))

    def _has_torch(self) -> bool:
        """Whether torch can be asked about the device."""
        if not self.is_card:
            return False
        import torch

        return bool(torch.cuda.is_available())


def resolve_device(wish: str) -> str:
    """ "auto", "cpu", "cuda" or "cuda:N" -> the device to use, after a look at what this machine has; auto takes the
    first card that models can run on.

    Raises: CaptionerError: no such device, or models cannot run on it; says what there is.
    """
    if wish == "cpu":
        return "cpu"
    kind, _, number = wish.partition(":")
    if wish != "auto" and not (kind == "cuda" and (wish == "cuda" or (number.isascii() and number.isdigit()))):
        raise CaptionerError(f"device is {wish!r}; it must be auto, cpu, cuda or cuda:N.", code="bad_device")
    try:
        count = cards.count_cards()
    except ModuleNotFoundError as error:
        if wish == "auto":
            return "cpu"
        raise MissingPackage(f"The device {wish} needs torch: pip install torch") from error
    if wish == "auto":
        usable = next((index for index in range(count) if not cards.why_unusable(index)), None)
        return "cpu" if usable is None else f"cuda:{usable}" if usable else "cuda"
    if not count:
        why = cards.why_no_card()
        raise CaptionerError(
            f"device is {wish}, but torch cannot use the NVIDIA card here: {why}; or use --device cpu."
            if why
            else f"device is {wish}, but torch finds no CUDA device here; use --device cpu, or install the driver and "
            "a torch with CUDA.",
            code="bad_device",
        )
    index = int(number or 0)
    if index >= count:
        raise CaptionerError(
            f"device is {wish}, but there are {count} CUDA devices here, numbered from 0.", code="bad_device"
        )
    if why := cards.why_unusable(index):
        raise CaptionerError(
            f"device is {wish}, but models cannot run on it: {why}; use --device cpu.", code="bad_device"
        )
    return wish


def why_on_cpu() -> str:
    """What a person should know where "auto" came to the CPU although there is an NVIDIA card; "" where all is well."""
    try:
        count = cards.count_cards()
    except ModuleNotFoundError:
        return ""
    why = cards.why_unusable(0) if count else cards.why_no_card()
    return f"Models run on the CPU although there is an NVIDIA card, which is many times slower: {why}." if why else ""

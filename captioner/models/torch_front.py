"""What captioners and taggers that run on torch have in common: a thin front that the registry names.

Importing a front loads nothing heavy; only its `load` imports the tensor code behind it, within `needing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Protocol

from captioner.contract import Model
from captioner.errors import MissingPackage

_PACKAGES = ("torch", "torchvision", "transformers", "safetensors")


class TorchModel(Protocol):
    """What stands behind a front. size_bytes: of the weights where they are now, and of what it remembers of pictures.

    The rest is as in `contract.Model`.
    """

    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    def move_to(self, device: str) -> None: ...
    def forget_pictures(self) -> None: ...
    def remember_more(self, more_bytes: int) -> None: ...


class TorchFront(Model):
    """Hands what is asked of every model on to the one behind it."""

    may_work_beside: ClassVar[bool] = True

    def __init__(self, behind: TorchModel) -> None:
        self._behind = behind

    @property
    def device(self) -> str:
        """Where the weights are now."""
        return self._behind.device

    @property
    def precision(self) -> str:
        """fp16 or bf16 on CUDA, fp32 on the CPU."""
        return self._behind.precision

    @property
    def runtime(self) -> str:
        """torch."""
        return "torch"

    @property
    def revision(self) -> str:
        """Short hexadecimal fingerprint of the weights."""
        return self._behind.revision

    @property
    def size_bytes(self) -> int:
        """Bytes the weights take where they are now, and what it remembers of pictures."""
        return self._behind.size_bytes

    def move_to(self, device: str) -> None:
        """Bring the weights to a device; "cpu" offloads."""
        self._behind.move_to(device)

    def release_memory(self) -> None:
        """Let go of what is remembered of pictures (part of `size_bytes`); it is made again when it is needed."""
        self._behind.forget_pictures()

    def remember_more(self, more_bytes: int) -> None:
        """Bound what is remembered of pictures from now on."""
        self._behind.remember_more(more_bytes)


@contextmanager
def needing(title: str) -> Iterator[None]:
    """Around the import of tensor code. Raises: MissingPackage: what it runs on is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in _PACKAGES:
            raise MissingPackage(f"{title} needs {error.name}: pip install -r requirements.txt") from error
        raise

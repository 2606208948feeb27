"""An ONNX file opened on a device: which provider really runs it, and what of the memory it takes and gives back.

onnxruntime falls back from CUDA to the CPU in silence, many times slower; here the provider really in use is told, and
why another is not. Knows no picture and no labels.
"""

from __future__ import annotations

import contextlib
import importlib
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from captioner.errors import BadModel, MissingPackage, OutOfMemory
from captioner.models.cards import card_number
from captioner.models.devices import Memory
from captioner.models.memory import is_out_of_memory
from captioner.side_by_side import usable_cores

_PIP = "pip install onnxruntime-gpu[cuda,cudnn] (without an NVIDIA card: pip install onnxruntime)"
_NO_CODE = "no kernel image"  # what CUDA says of a card for which onnxruntime has no code, in the first run
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_WITH_WHEELS = ("x86_64", "amd64")  # machines for which there is an onnxruntime with CUDA
_DATA_ENDS = ("_data", ".data")  # where a graph over 2 GB has its weights


class OnnxSession:
    """A file on a device; put away when it leaves a card, and opened again when it is asked or comes back."""

    def __init__(self, path: Path, device: str) -> None:
        """Args: device: "cpu", "cuda", "cuda:1"; CUDA falls back to the CPU with a `warning`.

        Raises: MissingPackage. OutOfMemory. BadModel: the file cannot be read.
        """
        self.path = path
        self._session: Any = None
        self._taken_bytes = 0  # of a card, as it was measured
        self._most_at_once = 0
        self._fault = ""  # why a provider that was asked for is not in use
        self._asked = device
        parts = (path, *(path.with_name(path.name + end) for end in _DATA_ENDS))
        self._file_bytes = sum(part.stat().st_size for part in parts if part.is_file())
        self._open(device)

    @property
    def inputs(self) -> list[Any]:
        """What the graph takes; each has a name, a type and a shape."""
        return list(self._session.get_inputs())

    @property
    def outputs(self) -> list[Any]:
        """What it gives."""
        return list(self._session.get_outputs())

    @property
    def provider(self) -> str:
        """The provider that really runs the graph; the CPU's while it is put away."""
        return str(self._session.get_providers()[0]) if self._session is not None else CPU

    @property
    def device(self) -> str:
        """cuda, cuda:N or cpu, by the provider really in use."""
        return self._asked if self.provider == CUDA else "cpu"

    @property
    def size_bytes(self) -> int:
        """What it takes where it is: the weights, on a card with what opening and running took beside; nothing while it
        is put away. A run gives back what it works on.
        """
        return 0 if self._session is None else max(self._file_bytes, self._taken_bytes)

    @property
    def warning(self) -> str:
        """What the person should know about how it runs, "" when all is well."""
        if not self._asked.startswith("cuda") or self._session is None or self.provider == CUDA:
            return ""
        if self._fault:
            why = f"onnxruntime's CUDA does not come up ({self._fault}). Update the driver, or install it anew: {_PIP}"
        elif platform.machine().lower() in _WITH_WHEELS:
            why = f"onnxruntime could not load its CUDA provider. Install it with its libraries: {_PIP}"
        else:
            why = f"there is no onnxruntime with CUDA for {platform.machine()}"
        return f"runs on the CPU although there is a GPU, which is many times slower: {why}"

    def move_to(self, device: str) -> None:
        """Open the file again on another device; onnxruntime cannot move a session.

        One that leaves a card is put away, and opened on the CPU only if it is asked there.
        """
        if device == self._asked:
            return
        if device == "cpu":
            self._session, self._taken_bytes, self._asked = None, 0, device
        else:
            self._open(device)

    def run(self, names: Sequence[str], fed: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs of these names. Args: fed: by the input's name, (batch, ...)."""
        if self._session is None:
            self._open(self._asked)
        if self.provider != CUDA:
            return list(self._session.run(names, fed, _giving_back("cpu:0")))
        memory = Memory(self._asked)
        size = max(len(batch) for batch in fed.values())
        before = memory.taken_elsewhere() if size > self._most_at_once else None
        try:
            found = list(self._session.run(names, fed, _giving_back(f"gpu:{card_number(self._asked)}")))
        except Exception as error:  # onnxruntime's own errors share no base class
            if is_out_of_memory(error):
                self._session, self._taken_bytes = None, 0  # opened again within what the card has left then
                raise
            if _NO_CODE not in str(error):
                raise
            self._open_on_cpu(_first_line(error))
            return self.run(names, fed)
        if before is not None:
            self._taken_bytes += max(0, memory.taken_elsewhere() - before)
            self._most_at_once = size
        return found

    def _open(self, device: str) -> None:
        self._session, self._taken_bytes, self._most_at_once, self._fault = None, 0, 0, ""
        self._asked = device
        wish = _cuda_wish(device) if device.startswith("cuda") else None
        if wish is not None:
            memory = Memory(device)
            before = memory.taken_elsewhere()
            self._session = self._opened([(CUDA, wish), CPU])
            self._taken_bytes = max(0, memory.taken_elsewhere() - before)
        if self._session is None:
            self._session = self._opened([CPU])

    def _open_on_cpu(self, fault: str) -> None:
        """Instead of the card. Args: fault: why, in the words of CUDA."""
        self._session, self._taken_bytes, self._fault = None, 0, fault
        self._session = self._opened([CPU])

    def _opened(self, providers: list[Any]) -> Any:
        """A session; None where a card was asked for and does not come up, for a reason that `warning` tells."""
        onnxruntime: Any = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # An explicit number keeps onnxruntime from pinning threads to cores a container may not use.
        options.intra_op_num_threads = usable_cores()
        # Idle threads that spin would take the cores from the captioner, which runs in turn with the tagger.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # Without a fall back of its own, which prints to stdout and hides why.
            with contextlib.redirect_stdout(sys.stderr):
                return onnxruntime.InferenceSession(str(self.path), options, providers=providers, enable_fallback=0)
        except Exception as error:  # onnxruntime's own errors share no base class
            if is_out_of_memory(error):
                name = self.path.parent.name
                raise OutOfMemory(f"{name} does not fit on {self._asked}; use --device cpu.") from error
            if len(providers) > 1:
                self._fault = _first_line(error)
                return None
            raise BadModel(f"{self.path} cannot be read ({_first_line(error)}); download it again.") from error


def import_onnxruntime() -> Any:
    """The package, imported on first use. Raises: MissingPackage."""
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingPackage(f"this tagger needs onnxruntime: {_PIP}") from error
    onnxruntime.set_default_logger_severity(3)  # it warns of devices that it does not find
    return onnxruntime


def _cuda_wish(device: str) -> dict[str, Any] | None:
    """How CUDA's provider is asked for; None where this onnxruntime has none."""
    onnxruntime: Any = import_onnxruntime()
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
            onnxruntime.preload_dlls()  # finds the CUDA libraries that came as Python packages
    if CUDA not in onnxruntime.get_available_providers():
        return None
    # By default the arena doubles each time it grows, and the search tries algorithms that take gigabytes. Without a
    # limit, Windows' driver would go on in the processor's memory, many times slower, and never say so.
    limit_bytes = Memory(device).left_bytes()
    return {
        "device_id": card_number(device),
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        **({} if limit_bytes is None else {"gpu_mem_limit": max(1, limit_bytes)}),
    }


def _giving_back(arena: str) -> Any:
    """What has a run give back to the system what it worked on: 64 MB for a picture of a ViT-B at 448 px.

    Without an arena each step would ask for memory anew: a ConvNeXt-tiny takes 239 ms of CPU time a picture so, with an
    arena 227, and given back after each run 220; a ViT-B 982, 902 and 911.
    """
    options = import_onnxruntime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
    return options


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

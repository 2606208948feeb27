"""The models in memory within their budget: what they take, and which step back for another.

Only the table is safe to read from any thread; whoever changes it or moves a model holds the manager's lock. Finds and
loads no model.
"""

from __future__ import annotations

import atexit
import gc
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from captioner.contract import Model
from captioner.errors import OutOfMemory
from captioner.limits import in_gib
from captioner.models.devices import Memory
from captioner.models.memory import free_cached_memory
from captioner.models.sources import ModelSource

Key = tuple[str, str]
"""A model's family, and its name or folder as it was asked for."""


atexit.register(gc.unfreeze)  # else libraries complain at the end of what was not freed


@dataclass(slots=True)
class Resident:
    """A model in memory. last_used: seconds since 1970. is_unwanted: it steps back when its users are done."""

    source: ModelSource
    model: Model
    last_used: float
    users: int = 0
    is_offloaded: bool = False
    is_unwanted: bool = False

    @property
    def may_step_back(self) -> bool:
        """Whether it takes something of the device that nobody uses now."""
        return not self.users and not self.is_offloaded and not self.model.is_remote


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReport:
    """What models take in all, in bytes.

    used_bytes: on the device, as it was measured. budget_bytes: what they may take there, None without a limit.
    offloaded_bytes: of models that wait in the processor's memory. ram_budget_bytes: what those may take.
    """

    device: str
    used_bytes: int
    budget_bytes: int | None
    offloaded_bytes: int
    ram_budget_bytes: int | None


class Residents:
    """All models in memory, least recently used first."""

    def __init__(self, device: Callable[[], str], vram_bytes: int | None, ram_bytes: int | None) -> None:
        """Args: as `ModelManager`; device: asked when it is first needed."""
        self._device = device
        self._vram_bytes = vram_bytes
        self._ram_bytes = ram_bytes
        self._kept: OrderedDict[Key, Resident] = OrderedDict()
        self._table = threading.Lock()  # held for a moment around changes, so that who only looks never waits

    def items(self) -> list[tuple[Key, Resident]]:
        """All, least recently used first."""
        with self._table:
            return list(self._kept.items())

    def get(self, key: Key) -> Resident | None:
        """One of them, None where it is not here."""
        with self._table:
            return self._kept.get(key)

    def add(self, key: Key, resident: Resident) -> None:
        """Take a model in, as the last one used.

        Python's search for what can be freed no longer looks at what is there by now, until a model goes: with torch
        and a model it took 330 ms, in the midst of a person's change to 10,000 captions.
        """
        with self._table:
            self._kept[key] = resident
        gc.freeze()

    def touch(self, key: Key) -> None:
        """Make it the last one used."""
        with self._table:
            self._kept.move_to_end(key)

    def clear(self) -> None:
        """Let go of all."""
        with self._table:
            had_some = bool(self._kept)
            self._kept.clear()
        if had_some:
            self._free_dropped()

    @property
    def memory(self) -> Memory:
        """Of the device."""
        return Memory(self._device())

    @property
    def used_bytes(self) -> int:
        """What the models on the device take."""
        return self.memory.used_bytes([kept.model for _, kept in self.items() if not kept.is_offloaded])

    @property
    def given_bytes(self) -> int | None:
        """The budget that somebody gave for the device."""
        return self._vram_bytes if self.memory.is_card else self._ram_bytes

    @property
    def budget_bytes(self) -> int | None:
        """What models on the device may take; None without a limit. Asks a card what other programs leave."""
        given = self.given_bytes
        return given if given is not None else self.memory.default_budget_bytes(self.used_bytes)

    def report(self) -> MemoryReport:
        """What they take in all."""
        return MemoryReport(
            device=self._device(),
            used_bytes=self.used_bytes,
            budget_bytes=self.budget_bytes,
            offloaded_bytes=sum(kept.model.size_bytes for _, kept in self.items() if kept.is_offloaded),
            ram_budget_bytes=self._ram_bytes,
        )

    def would_step_back(self, coming: Key, size_bytes: int) -> list[str]:
        """The names of models that would step back for one that takes so many bytes, the first to go first."""
        budget_bytes = self.budget_bytes
        there = [(key, kept) for key, kept in self.items() if not kept.is_offloaded and not kept.model.is_remote]
        if budget_bytes is None or coming in [key for key, _ in there]:
            return []
        too_many = self.used_bytes + size_bytes - budget_bytes
        going = []
        for _, kept in there:
            if too_many > 0:
                going.append(kept.source.name)
                too_many -= kept.model.size_bytes
        return going

    def make_room(self, more_bytes: int, *, stays: Key | None = None) -> None:
        """Step back the least recently used idle models until `more_bytes` fit too, as far as that goes.

        Args: stays: one that gives only what it remembers.
        """
        budget_bytes = self.budget_bytes if self._kept else None
        if budget_bytes is None or self.used_bytes + more_bytes <= budget_bytes:
            return
        free_cached_memory()
        for key in self._keys():
            if self.used_bytes + more_bytes <= budget_bytes:
                return
            if not self._released(key):
                continue
            if key != stays and self.used_bytes + more_bytes > budget_bytes:
                self.step_back(key)

    def _keys(self) -> list[Key]:
        """All, least recently used first, without a reference to one."""
        with self._table:
            return list(self._kept)

    def _released(self, key: Key) -> bool:
        """Let go of what one remembers, which is cheaper to make again than the model is to load. Returns: False where
        it may not step back.
        """
        kept = self.get(key)
        if kept is None or not kept.may_step_back:
            return False
        kept.model.release_memory()
        return True

    def hold_to_budget(self) -> None:
        """Keep torch within what somebody gave, too while it works."""
        given = self.given_bytes
        if given is not None and self.memory.is_card:
            self.memory.hold_to(given, [kept.model for _, kept in self.items() if not kept.is_offloaded])

    def check_fit(self, name: str, more_bytes: int) -> None:
        """Raises: OutOfMemory: with so many bytes more, models would take more than somebody allowed."""
        given, needed = self.given_bytes, self.used_bytes + more_bytes
        if given is None or needed <= given:
            return
        flag = "--vram-gib" if self.memory.is_card else "--ram-gib"
        raise OutOfMemory(
            f"{name} does not fit: with the models in use it takes {in_gib(needed)} GiB, and models may take "
            f"{in_gib(given)} GiB. Choose a smaller model, or start with a larger {flag}."
        )

    @property
    def room_bytes(self) -> int | None:
        """How many bytes are left of the budget; None without a limit."""
        budget_bytes = self.budget_bytes
        return None if budget_bytes is None else max(0, budget_bytes - self.used_bytes)

    def step_back(self, key: Key) -> None:
        """Take one off the device: from a card into the processor's memory where there is room, else away."""
        with self._table:
            kept = self._kept[key]
        kept.is_unwanted = False
        if not self.memory.is_card or not self._has_ram_for(kept):
            del kept
            self.drop(key)
            return
        kept.model.move_to("cpu")
        kept.is_offloaded = True
        free_cached_memory()

    def step_back_all(self) -> list[str]:
        """All step back: those in use when their users are done. Returns: the names of those that went at once."""
        self._mark_unwanted()
        return self.step_back_idle()

    def _mark_unwanted(self) -> None:
        for _, kept in self.items():
            kept.is_unwanted = kept.users > 0 and not kept.model.is_remote

    def step_back_idle(self, *, unused_since: float | None = None) -> list[str]:
        """All that nobody uses step back. Args: unused_since: only those that were used last before then.

        Returns: their names.
        """
        gone = []
        for key in self._keys():
            kept = self.get(key)
            if kept is None or not kept.may_step_back:
                continue
            if unused_since is None or kept.last_used <= unused_since:
                gone.append(kept.source.name)
                del kept
                self.step_back(key)
        free_cached_memory()
        return gone

    def drop(self, key: Key) -> None:
        """Let go of one. Whoever calls this holds no reference to it, or its memory is not free yet."""
        with self._table:
            del self._kept[key]
        self._free_dropped()

    def _has_ram_for(self, kept: Resident) -> bool:
        """Whether it may wait in the processor's memory; models that wait there longer make way for it."""
        if self._ram_bytes is None:
            return True
        waiting = [(key, other) for key, other in self.items() if other.is_offloaded]
        taken = sum(other.model.size_bytes for _, other in waiting)
        for key, other in waiting:
            if taken + kept.model.size_bytes <= self._ram_bytes:
                break
            taken -= other.model.size_bytes
            self.drop(key)
        return taken + kept.model.size_bytes <= self._ram_bytes

    def _free_dropped(self) -> None:
        """Give back what models that were let go of took. On a card some hold themselves in a circle, the decoder its
        recorded graphs, and they the decoder.
        """
        gc.unfreeze()
        if self.memory.is_card:
            gc.collect()
        free_cached_memory()

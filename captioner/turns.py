"""Who is next, so that all who wait get their share of the time. Knows no thread and no clock.

This is start-time fair queuing (Goyal, Vin, Cheng 1996): whoever used least is next, and who comes back from not
wanting anything starts where the others are instead of catching up.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Party = TypeVar("Party", bound=Hashable)


class Turns(Generic[Party]):
    """Turns between parties that come and go; one thread at a time."""

    def __init__(self, shares: Mapping[Party, float] | None = None) -> None:
        """Args: shares: what a party gets while all wait, as parts of any sum; 1 for parties that are not named."""
        self._shares = shares or {}
        self._used: dict[Party, float] = {}  # seconds by share; whoever is left out is at `_reached`
        self._reached = 0.0  # what whoever was next last had used by then

    def next(self, waiting: Sequence[Party]) -> Party | None:
        """Whose turn it is: who has used least for its share, the first of equals.

        None when nobody waits, and then nobody owes the others anything any more.
        """
        if not waiting:
            self._used.clear()
            return None
        party = min(waiting, key=self._used_by)
        self._reached = self._used_by(party)
        self._used = {one: used for one, used in self._used.items() if used > self._reached}
        return party

    def order(self, waiting: Sequence[Party]) -> list[Party]:
        """Whose turn would be next, and who comes after; changes nothing."""
        return sorted(waiting, key=self._used_by)

    def charge(self, party: Party, seconds: float) -> None:
        """Count a turn that took so long."""
        self._used[party] = self._used_by(party) + seconds / self._shares.get(party, 1.0)

    def _used_by(self, party: Party) -> float:
        return max(self._used.get(party, 0.0), self._reached)

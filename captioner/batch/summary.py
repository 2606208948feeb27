"""What a run came to, added up: counts, failures by code, tokens, models, rates; and what more of it would take."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from captioner.batch.rows import Row
from captioner.batch.sinks import Sink
from captioner.batch.work import SUMMARY, Work

READERS = 16
MILLION = 1_000_000


@dataclass(slots=True)
class Tally:
    """Added up rows. failures: by code. tokens: how many captions have so many. models: name -> weights' digests."""

    done: int = 0
    kept: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)
    models: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Tally:
        """The sum of some rows."""
        tally = cls()
        for row in rows:
            if row["error_code"]:
                tally.failures[row["error_code"]] += 1
            else:
                tally.done += 1
                tally.kept += bool(row["kept"])
                tally.tokens[row["tokens"]] += 1
            for model in row["models"]:
                tally.models.setdefault(model["name"], set()).add(model["revision"])
        return tally

    @property
    def failed(self) -> int:
        """Pictures without a caption."""
        return self.failures.total()

    @property
    def pictures(self) -> int:
        """All of them."""
        return self.done + self.failed

    def add(self, other: Tally) -> None:
        """Take in what another came to."""
        self.done += other.done
        self.kept += other.kept
        self.failures += other.failures
        self.tokens += other.tokens
        for name, digests in other.models.items():
            self.models.setdefault(name, set()).update(digests)

    def failures_text(self) -> str:
        """In few words: "3 damaged, 1 empty"; "" where none failed."""
        return ", ".join(f"{count} {code}" for code, count in self.failures.most_common())


def earlier(work: Work, sink: type[Sink]) -> Tally:
    """What the parts that are there already came to. Raises: CannotRead."""
    names = [name for _, _, name in work.parts(sink.suffix)]
    total = Tally()
    with ThreadPoolExecutor(READERS) as pool:
        for tally in pool.map(lambda name: Tally.of(sink.rows(work.target, name)), names):
            total.add(tally)
    return total


def write_summary(work: Work, total: Tally, fresh: Tally, seconds: float, workers: int) -> dict[str, Any]:
    """Write summary.json to TARGET. Args: total: of all its parts. fresh: of this run, which took so many seconds.

    Returns: what stands in it. Raises: ExportError.
    """
    summary = {
        "pictures": total.pictures,
        "captioned": total.done,
        "kept": total.kept,
        "failed": total.failed,
        "failures": dict(total.failures.most_common()),
        "tokens": {str(count): total.tokens[count] for count in sorted(total.tokens)},
        "models": {name: sorted(digests) for name, digests in sorted(total.models.items())},
        "this_run": {
            "pictures": fresh.pictures,
            "seconds": round(seconds, 3),
            "pictures_per_second": round(fresh.pictures / seconds, 3) if seconds else None,
            "workers": workers,
        },
        "source": work.run.source,
        "format": work.run.format,
        "settings": dict(work.run.settings),
    }
    work.target.write(SUMMARY, (json.dumps(summary, indent=1) + "\n").encode("ascii"))
    return summary


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a million pictures would take on this machine. pictures: that were tried, in so many seconds, without what
    loading the models took."""

    pictures: int
    seconds: float

    @property
    def pictures_per_second(self) -> float:
        """How many a second."""
        return self.pictures / max(self.seconds, 1e-9)

    @property
    def hours_per_million(self) -> float:
        """For one worker like the one that was tried."""
        return MILLION / self.pictures_per_second / 3600

    def text(self, price_per_hour: float | None, total: int | None) -> str:
        """In a sentence or two. Args: price_per_hour: of this machine. total: the SOURCE's pictures, where known."""
        said = f"{self.pictures_per_second:.3g} pictures a second: a million take {self.hours_per_million:.3g} hours"
        if price_per_hour is not None:
            said += f" and cost {self.hours_per_million * price_per_hour:,.2f} at {price_per_hour:g} an hour"
        if total:
            said += f"; the {total:,} of SOURCE take {self.hours_per_million * total / MILLION:.3g} hours"
        return said + "."

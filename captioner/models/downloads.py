"""Models on their way to this machine: each is fetched once however many wait for it, with its rate and time left."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from captioner.contract import ModelSpec
from captioner.errors import CaptionerError
from captioner.models.download import download_steps

_STEP_S = 0.2  # between two steps of `Downloads.steps`
_RATE_S = 10.0  # what the rate is reckoned from

Key = tuple[str, str]


class DownloadStopped(CaptionerError):
    """Somebody stopped it; what was fetched stays."""

    code = "stopped"


class Download:
    """One model on its way, in a thread of its own, which alone writes its fields.

    done_bytes, total_bytes: 0 while they are not known. error: what it ended with. waiting: how many wait for it.
    is_wanted: somebody asked for it by itself, so that it goes on when nobody waits.
    """

    def __init__(self, spec: ModelSpec, clock: Callable[[], float]) -> None:
        self.spec = spec
        self.done_bytes = 0
        self.total_bytes = 0
        self.error: Exception | None = None
        self.waiting = 0
        self.is_wanted = False
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()  # when how many bytes were here
        self._is_stopped = threading.Event()
        self._has_ended = threading.Event()
        threading.Thread(target=self._run, name="captioner-fetch", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Nothing more will come."""
        return self._has_ended.is_set()

    @property
    def is_stopping(self) -> bool:
        """Somebody stopped it; it ends soon."""
        return self._is_stopped.is_set()

    def wait(self, timeout_s: float) -> bool:
        """True when it ended within the time."""
        return self._has_ended.wait(timeout_s)

    def stop(self) -> None:
        """End it; what is complete stays, and a next download goes on from there."""
        self._is_stopped.set()

    def to_mapping(self) -> dict[str, Any]:
        """{"done_bytes", "total_bytes", "bytes_a_second", "seconds_left"}; the last two null while they are unknown."""
        seen = list(self._seen)
        rate = None
        if len(seen) > 1 and seen[-1][0] > seen[0][0]:
            rate = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])
        left = self.total_bytes - self.done_bytes
        return {
            "done_bytes": self.done_bytes,
            "total_bytes": self.total_bytes,
            "bytes_a_second": round(rate) if rate is not None else None,
            "seconds_left": round(left / rate) if rate and self.total_bytes else None,
        }

    def _run(self) -> None:
        steps = download_steps(self.spec)
        try:
            for done_bytes, total_bytes in steps:
                self.done_bytes, self.total_bytes = done_bytes, total_bytes
                now = self._clock()
                self._seen.append((now, done_bytes))
                while now - self._seen[0][0] > _RATE_S:
                    self._seen.popleft()
                if self._is_stopped.is_set():
                    steps.close()
                    raise DownloadStopped(
                        f"the download of {self.spec.name} was stopped; it goes on when you ask again."
                    )
        except Exception as error:  # noqa: BLE001 - raised again to all who wait
            self.error = error
        finally:
            self._has_ended.set()


class Downloads:
    """All that go on; safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: clock: seconds, to reckon rates by."""
        self._clock = clock
        self._going: dict[Key, Download] = {}
        self._lock = threading.Lock()

    def start(self, spec: ModelSpec) -> None:
        """Fetch a model, whether or not anybody waits for it."""
        self._join(spec, is_waiting=False)

    def stop(self, name: str, family: str) -> bool:
        """Stop a download. Returns: False where none goes on."""
        with self._lock:
            download = self._going.get((family, name))
        if download is None or download.has_ended:
            return False
        download.stop()
        return True

    def steps(self, spec: ModelSpec) -> Iterator[tuple[int, int]]:
        """Wait for a model, beginning where nobody did; whoever is the last to leave stops it, but for `start`.

        Yields: bytes so far and bytes in all, 0 while that is not known, at once and then a few times a second.
        Raises: ModelNotFound, BadModel: as `download_model`. DownloadStopped.
        """
        download = self._join(spec, is_waiting=True)
        try:
            yield download.done_bytes, download.total_bytes  # once at least, however soon it ends
            while not download.wait(_STEP_S):
                yield download.done_bytes, download.total_bytes
        finally:
            with self._lock:
                download.waiting -= 1
                if not download.waiting and not download.is_wanted:
                    download.stop()
        if download.error is not None:
            raise download.error
        yield download.done_bytes, download.total_bytes

    def report(self) -> dict[Key, dict[str, Any]]:
        """Those that go on, as `Download.to_mapping`."""
        with self._lock:
            return {key: one.to_mapping() for key, one in self._going.items() if not one.has_ended}

    def failures(self) -> dict[Key, str]:
        """What the last try to fetch a model ended with, of those that failed; being stopped is no failure."""
        with self._lock:
            ended = {key: one.error for key, one in self._going.items() if one.has_ended and one.error is not None}
        return {key: str(error) for key, error in ended.items() if not isinstance(error, DownloadStopped)}

    def close(self) -> None:
        """Stop all."""
        with self._lock:
            for download in self._going.values():
                download.stop()

    def _join(self, spec: ModelSpec, *, is_waiting: bool) -> Download:
        key = (spec.family, spec.name)
        with self._lock:
            download = self._going.get(key)
            if download is None or download.has_ended or download.is_stopping:
                download = self._going[key] = Download(spec, self._clock)
            download.waiting += is_waiting
            download.is_wanted |= not is_waiting
            return download

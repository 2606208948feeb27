"""A process that finds and replaces by a regular expression within limits; `bulk/words.py` starts it.

The package regex compiles a pattern without any limit and holds Python's lock meanwhile: `a{100000000}` takes all
memory and stops every other visitor. So a pattern is never compiled in the app's own process. This one gives itself
`MEMORY_LIMIT_BYTES` and `COMPILE_LIMIT_S` of processor time where the system can (not under Windows, where only the
app's patience ends it), and the system ends it when it goes beyond. A script of its own, which
imports nothing of Captioner.

Input on stdin, JSON: {"find", "replacement", "match_case", "texts", "max_length", "one_s", "all_s"}, the last three
being what one result may have of letters, and one text and all texts of processor time.
Output on stdout, a line of JSON each: for each text the new one, null where nothing changes; then {} or, where it ends
early, {"refused": a code, "reason": the library's words}. Codes: pattern, replacement (it does not fit the pattern),
memory, slow_one, slow_all, long_one. A refusal after n lines is about the text n.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

MEMORY_LIMIT_BYTES = 64_000_000  # over what the texts themselves take
_DATA_BYTES_ELSEWHERE = 256 << 20  # where no file tells: far above what Python and regex take
COMPILE_LIMIT_S = 0.5


def replaced(pattern: Any, replacement: str, text: str, *, max_length: int, timeout_s: float) -> str | None:
    """The text with each match replaced; None where the result has more than `max_length` characters.

    The result is looked at while it grows, since a replacement can repeat what was found.
    Args: pattern: of the package regex. replacement: what to put there; \\1 is the first group.
    Raises: TimeoutError. re.error, IndexError: the replacement names no group of the pattern.
    """
    found: list[tuple[int, int, str]] = []
    letters = 0
    for match in pattern.finditer(text, timeout=timeout_s):
        found.append((*match.span(), match.expand(replacement)))
        letters += len(found[-1][2])
        if letters > max_length:
            return None
    pieces: list[str] = []
    end = 0
    for start, next_end, fresh in sorted(found):  # (?r) finds them from the end
        pieces += (text[end:start], fresh)
        end = next_end
    new = "".join((*pieces, text[end:]))
    return new if len(new) <= max_length or new == text else None


def answers(asked: Mapping[str, Any]) -> Iterator[Any]:
    """The lines of the protocol above."""
    regex: Any = importlib.import_module("regex")  # it carries no types
    refusal = "pattern"
    left_s = asked["all_s"]
    try:
        with _Limits():
            pattern = regex.compile(asked["find"], 0 if asked["match_case"] else regex.IGNORECASE, cache_pattern=False)
        refusal = "replacement"
        until_s = time.process_time() + left_s
        for text in asked["texts"]:
            left_s = until_s - time.process_time()
            if left_s <= 0:
                raise TimeoutError
            timeout_s = min(left_s, asked["one_s"])
            new = replaced(pattern, asked["replacement"], text, max_length=asked["max_length"], timeout_s=timeout_s)
            if new is None:
                yield {"refused": "long_one"}
                return
            yield None if new == text else new
        yield {}
    except (regex.error, IndexError) as error:
        yield {"refused": refusal, "reason": str(error)}
    except RecursionError:
        yield {"refused": refusal, "reason": "it is nested too deeply"}
    except TimeoutError:
        yield {"refused": "slow_one" if left_s > asked["one_s"] else "slow_all"}
    except MemoryError:
        yield {"refused": "memory"}


def _data_bytes() -> int:
    """What the process has of the memory that RLIMIT_DATA counts. (Its peak would begin with its parent's.)"""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - nothing more is imported here
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _DATA_BYTES_ELSEWHERE


class _Limits:
    """Memory for the rest of the process, processor time for as long as the context lasts."""

    def __enter__(self) -> None:
        if sys.platform == "win32":
            return
        import resource
        import signal

        limit = _data_bytes() + MEMORY_LIMIT_BYTES
        _, highest = resource.getrlimit(resource.RLIMIT_DATA)  # nobody may raise what the system's owner has set
        limit = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # which ends the process, whatever it is doing
        signal.setitimer(signal.ITIMER_PROF, COMPILE_LIMIT_S)

    def __exit__(self, *exception: object) -> None:
        if sys.platform != "win32":
            import signal

            signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    for line in answers(json.load(sys.stdin)):
        print(json.dumps(line))

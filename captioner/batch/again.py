"""Failed pictures tried again: parts that have some are taken back, so that going on makes them anew.

What is good of such a part is kept aside before it goes, and is taken over as it was.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from captioner.batch.rows import Row, as_jsonl
from captioner.batch.sinks import BEGUN, TAKEN_BACK, Sink, kept_name, read_rows
from captioner.batch.summary import READERS
from captioner.batch.work import Work


def take_back_failed(work: Work, sink: type[Sink]) -> int:
    """Returns: how many pictures of parts are to be tried again. Raises: CannotRead, ExportError."""
    target = work.target

    def take_back(found: tuple[int, int, str]) -> int:
        segment, block, part = found
        failed = keep_good(sink.rows(target, part), kept_name(TAKEN_BACK, segment, block))
        if failed:
            target.remove(part)
        return failed

    def keep_good(rows: list[Row], name: str) -> int:
        good = [row for row in rows if not row["error_code"]]
        if len(good) < len(rows):
            target.write(name, as_jsonl(good))
        return len(rows) - len(good)

    with ThreadPoolExecutor(READERS) as pool:
        failed = sum(pool.map(take_back, work.parts(sink.suffix)))
        list(pool.map(lambda name: keep_good(read_rows(target, name), name), target.names(BEGUN)))
    return failed

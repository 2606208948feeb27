"""The plain loop: blocks -> captions -> parts, in this process. Pictures are fetched and opened ahead of their turn by
the pipeline's own threads; what Ctrl+C leaves of a block is kept for the next run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from captioner.all_kinds import caption_all_kinds
from captioner.batch.reading import Block, Waiting, blocks, with_existing
from captioner.batch.rows import Row, row_of
from captioner.batch.sinks import Sink
from captioner.batch.summary import Tally
from captioner.batch.work import Done, Work
from captioner.captions.plan import Plan
from captioner.contract import ModelUser
from captioner.errors import ExportError
from captioner.pipeline import PictureSource


def run(work: Work, plan: Plan, manager: ModelUser, sink: Sink, *, batch_size: int) -> Iterator[Tally]:
    """Do what is left. Yields: what became of each block, when its part is written.

    Raises: ExportError: TARGET takes no more. CaptionerError: what concerns all pictures.
    """
    yield from caption_blocks(waiting_blocks(work), plan, manager, sink, batch_size=batch_size)


def waiting_blocks(work: Work) -> Iterator[Block]:
    """The blocks whose part is not there."""
    done = work.done()
    for number in range(work.segments):
        found = done.get(number, Done())
        if not found.is_whole:
            yield from blocks(number, work.segment(number), work.run.block, found.blocks)


@dataclass(slots=True)
class _Under:
    """A block under way. begun: rows of an earlier try, by key. rows: so far, in order."""

    block: Block
    begun: dict[str, Row]
    rows: list[Row] = field(default_factory=list)

    def take_begun(self) -> None:
        """Go on with the rows that are there already."""
        while (waiting := self.next_picture) is not None and waiting.key in self.begun:
            self.rows.append(self.begun[waiting.key])

    @property
    def next_picture(self) -> Waiting | None:
        """The one whose row is next; None behind the last."""
        return self.block.pictures[len(self.rows)] if len(self.rows) < len(self.block.pictures) else None


def caption_blocks(
    todo: Iterable[Block], plan: Plan, manager: ModelUser, sink: Sink, *, batch_size: int
) -> Iterator[Tally]:
    """Caption blocks and write their parts. Yields, raises: as `run`."""
    under: deque[_Under] = deque()

    def sources() -> Iterator[PictureSource]:
        for block in todo:
            begun = _Under(block, sink.begun(block))
            asked = [picture for picture in block.pictures if picture.key not in begun.begun]
            with_existing(asked)
            under.append(begun)
            for place, picture in enumerate(asked):
                yield source_of(picture, f"{block.segment}-{block.number}-{place}")

    def whole() -> Iterator[Tally]:
        while under:
            under[0].take_begun()
            if under[0].next_picture is not None:
                return
            written = sink.write(under[0].block, under[0].rows)
            under.popleft()
            yield Tally.of(written)

    results = caption_all_kinds(sources(), plan, manager, batch_size=batch_size)
    try:
        with closing(results):  # type: ignore[type-var]
            for captioned in results:
                yield from whole()
                picture = under[0].next_picture
                assert picture is not None
                under[0].rows.append(row_of(picture.key, captioned, plan))
                yield from whole()
        yield from whole()
    except BaseException:
        if under and len(under[0].rows) > len(under[0].begun):
            with suppress(ExportError):  # what is under way is the one to tell
                sink.keep_begun(under[0].block, under[0].rows)
        raise


def source_of(picture: Waiting, id: str) -> PictureSource:
    """A picture as the pipeline takes it. Args: id: of no other picture; a damaged shard may have a key twice."""
    path = PurePosixPath(picture.name)
    folder = str(path.parent) if path.parent != PurePosixPath(".") else ""
    return PictureSource(id=id, open=picture.open, existing=picture.existing, name=path.name, folder=folder)


def first_pictures(work: Iterable[Block], count: int) -> list[PictureSource]:
    """So many pictures, for a try without TARGET."""
    found: list[PictureSource] = []
    for block in work:
        wanted = block.pictures[: count - len(found)]
        with_existing(wanted)
        found += [source_of(picture, picture.key) for picture in wanted]
        if len(found) == count:
            break
    return found

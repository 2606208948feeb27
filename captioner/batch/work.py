"""What is to be done and what is done, kept in TARGET: the list of segments, the run's settings, the parts.

    _captioner/list-00000.jsonl    a hundred segments each, in order; what they are called here never changes
    _captioner/run.json            SOURCE, format and settings; there once the list is whole
    part-000012-0003-last.parquet  block 3 of segment 12, its last one

A part that is there is whole, so their names say what is done.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from captioner.batch.sources import Found, Item, Search, Segment, segments
from captioner.batch.store import READ_ONLY, Store
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError
from captioner.limits import read_json, value_shown
from captioner.models import sources
from captioner.models.weights import fingerprint
from captioner.plural import plural

OWN = "_captioner"
RUN = f"{OWN}/run.json"
SUMMARY = "summary.json"
VERSION = 2
LIST_SEGMENTS = 100
_WEIGHTS = (".safetensors", ".onnx")
_PART = re.compile(r"part-(\d{6,})-(\d{4,})(-last)?\.\w+")


class OtherRun(CaptionerError):
    """TARGET holds something that this run may not go on with."""

    code = "other_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run is: another one may not go on in its TARGET. models: weights by model, as far as they lie here.
    search: all of `Search`, as JSON holds it. endpoints: servers that are named."""

    source: str
    format: str
    search: Mapping[str, Any]
    endpoints: Sequence[str]
    settings: Mapping[str, Any]
    models: Mapping[str, str]

    @classmethod
    def of(
        cls, source: str, format: str, plan: Plan, models_from: str, search: Search, endpoints: Sequence[str] = ()
    ) -> RunSettings:
        """Raises: ModelNotFound: a model is not here."""
        digests = {}
        for planned in (planned for one in plan.of_all_kinds() for planned in one.running()):
            folder = sources.find_model(planned.model, planned.family, models_from).folder
            files = sorted(folder.iterdir()) if folder is not None else []
            digests[planned.model] = " ".join(fingerprint(file) for file in files if file.suffix in _WEIGHTS)
        carried = {name: value for name, value in plan.to_flat().items() if name not in plan.carried}
        return cls(
            source=source,
            format=format,
            search={**dataclasses.asdict(search), "exclude": sorted(set(search.exclude))},
            endpoints=sorted(set(endpoints)),
            settings=carried,
            models=digests,
        )

    @property
    def block(self) -> int:
        """Pictures a block."""
        return int(self.search["part_pictures"])

    def differences(self, other: RunSettings) -> list[str]:
        """What is otherwise in the other one, in few words each."""
        mine, theirs = (
            {"format": one.format, **one.search, "endpoint": one.endpoints, **one.settings} for one in (self, other)
        )
        said = [f"SOURCE {self.source} there and {other.source} here"] if self.source != other.source else []
        said += [
            f"--{name.replace('_', '-')} {value_shown(mine.get(name, 'unset'))} there and "
            f"{value_shown(theirs.get(name, 'unset'))} here"
            for name in dict.fromkeys((*mine, *theirs))
            if mine.get(name) != theirs.get(name)
        ]
        both = self.models.keys() & other.models.keys()
        return said + [f"other weights of {name}" for name in sorted(both) if self.models[name] != other.models[name]]


@dataclass(slots=True)
class Done:
    """The blocks of a segment that are done. last: the number of its last block, None while that is not known."""

    blocks: set[int] = field(default_factory=set)
    last: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the segment is left to do."""
        return self.last is not None and len(self.blocks) == self.last + 1


@dataclass(frozen=True, slots=True)
class Work:
    """A run's TARGET. segments: how many there are. pictures: as far as that is known before they are read."""

    target: Store
    run: RunSettings
    segments: int
    pictures: int | None

    def segment(self, number: int) -> Segment:
        """One of the list."""
        return _listed(self.target, number // LIST_SEGMENTS)[number % LIST_SEGMENTS]

    def done(self) -> dict[int, Done]:
        """What the parts in TARGET say."""
        return done_of(self.target.names(deep=False))

    def parts(self, suffix: str) -> list[tuple[int, int, str]]:
        """Segment, block and name of the parts in TARGET. Args: suffix: that they have."""
        return [
            (segment, block, part_name(segment, block, block == done.last, suffix))
            for segment, done in self.done().items()
            for block in sorted(done.blocks)
        ]


def part_name(segment: int, block: int, is_last: bool, suffix: str) -> str:
    """The name of a block's part."""
    return f"part-{segment:06}-{block:04}{'-last' if is_last else ''}.{suffix}"


def done_of(names: Collection[str]) -> dict[int, Done]:
    """Segment -> its blocks that are done, from the parts' names."""
    done: dict[int, Done] = {}
    for name in names:
        if found := _PART.fullmatch(name):
            one = done.setdefault(int(found[1]), Done())
            one.blocks.add(int(found[2]))
            if found[3]:
                one.last = int(found[2])
    return done


def prepare(target: Store, run: RunSettings, search: Search, *, resume: bool) -> tuple[Work, list[str]]:
    """The work of a run, begun or gone on with, and what to tell of its SOURCE in sentences.

    Pictures that came to SOURCE since are put behind the others.
    Raises: OtherRun: TARGET has files of another run, or of this one and `resume` is not given; or it lies in SOURCE.
        As `segments`.
    """
    if target.address.startswith(f"{run.source.rstrip('/')}/"):
        raise OtherRun(
            f"{target.address} lies in SOURCE, where its parts would be pictures too; name a folder elsewhere."
        )
    if target.protocol in READ_ONLY:
        raise OtherRun(f"{target.address} is no place to write to; name a folder or a bucket.")
    if target.kind() == "file":
        raise OtherRun(f"{target.address} is a file; name a folder.")
    before = _stored(target)
    if before is not None:
        return _gone_on(target, before, run, search, resume=resume)
    names = [name for name in target.names() if not name.startswith(f"{OWN}/list-")]
    if names:
        raise OtherRun(f"{target.address} has files in it that no batch wrote ({names[0]}); name a new folder.")
    found = Found()
    count, pictures = _write_lists(target, segments(run.source, search, found), 0)
    if not count:
        raise CaptionerError(f"{run.source} has no pictures in it. {' '.join(found.notes())}".strip(), code="empty")
    return _stored_as(target, run, count, pictures), found.notes()


def _gone_on(target: Store, before: Work, run: RunSettings, search: Search, *, resume: bool) -> tuple[Work, list[str]]:
    differences = before.run.differences(run)
    if differences:
        raise OtherRun(
            f"{target.address} was made by other settings: {'; '.join(differences[:6])}. Name another folder, or give "
            "the settings that it was made by."
        )
    if not resume:
        whole = sum(one.is_whole for one in before.done().values())
        raise OtherRun(
            f"{target.address} has this run in it already ({whole} of {plural(before.segments, 'piece')} done); "
            "add --resume to go on with it."
        )
    known: set[str] = set()
    found = Found()
    for number in range(before.segments):
        segment = before.segment(number)
        known.update([segment.key] if segment.key else (item.key for item in segment.items))
        found.stems.update(hash(item.stem) for item in segment.items if item.name)
    fresh = segments(run.source, search, found, known)
    count, pictures = _write_lists(target, fresh, before.segments, before)
    if not count:
        return before, found.notes()
    total = None if pictures is None or before.pictures is None else before.pictures + pictures
    work = _stored_as(target, before.run, before.segments + count, total)
    return work, [*found.notes(), f"{plural(count, 'piece')} came to {run.source} since and will be done too."]


def _write_lists(
    target: Store, fresh: Iterator[Segment], start: int, before: Work | None = None
) -> tuple[int, int | None]:
    """Put segments behind those that are there. Returns: how many, and their pictures, None where nobody knows yet."""
    place = start - start % LIST_SEGMENTS
    lines = [_line(before.segment(number)) for number in range(place, start)] if before else []
    count, pictures = 0, 0
    is_known = True
    is_new = False
    for segment in fresh:
        is_new = True
        lines.append(_line(segment))
        count += 1
        pictures += len(segment.items)
        is_known &= segment.kind == "pictures"
        if len(lines) == LIST_SEGMENTS:
            _write_list(target, place, lines)
            place, lines, is_new = place + LIST_SEGMENTS, [], False
    if is_new:
        _write_list(target, place, lines)
    return count, pictures if is_known else None


def _write_list(target: Store, place: int, lines: list[str]) -> None:
    target.write(_list_name(place // LIST_SEGMENTS), "".join(f"{line}\n" for line in lines).encode())
    _listed.cache_clear()


def _list_name(number: int) -> str:
    return f"{OWN}/list-{number:05}.jsonl"


def _line(segment: Segment) -> str:
    written = {name: value for name, value in dataclasses.asdict(segment).items() if value and name != "items"}
    default = Item("")
    items = [
        {name: value for name, value in dataclasses.asdict(item).items() if value != getattr(default, name)}
        for item in segment.items
    ]
    return json.dumps({**written, "items": items} if items else written, ensure_ascii=True)


@lru_cache(maxsize=4)
def _listed(target: Store, number: int) -> tuple[Segment, ...]:
    name = _list_name(number)
    found = []
    for line in target.read(name).splitlines():
        values = read_json(line, name)
        items = tuple(
            Item(
                **{
                    **item,
                    "beside": tuple(item.get("beside", ())),
                    "error": tuple(item["error"]) if "error" in item else None,
                }
            )
            for item in values.pop("items", ())
        )
        found.append(Segment(**values, items=items))
    return tuple(found)


def _stored_as(target: Store, run: RunSettings, count: int, pictures: int | None) -> Work:
    written = {"version": VERSION, **dataclasses.asdict(run), "segments": count, "pictures": pictures}
    target.write(RUN, (json.dumps(written, indent=1) + "\n").encode("ascii"))
    return Work(target, run, count, pictures)


def _stored(target: Store) -> Work | None:
    """The run that TARGET has; None where there is none. Raises: OtherRun: it is of another version, or damaged."""
    if not target.exists(RUN):
        return None
    values = read_json(target.read(RUN), RUN, error=OtherRun)
    try:
        if values["version"] != VERSION:
            raise OtherRun(f"{target.address} was made by another version of Captioner; name another folder.")
        names = [one.name for one in dataclasses.fields(RunSettings)]
        return Work(
            target, RunSettings(**{name: values[name] for name in names}), values["segments"], values["pictures"]
        )
    except (KeyError, TypeError) as error:
        raise OtherRun(f"{target.address}/{RUN} is damaged; name another folder.") from error

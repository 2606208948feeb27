"""The rooms of the code: which may know which, and that no two files know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# From the ground up. A module knows its own room and those on lower floors, never one on its own floor or above.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "captioner.errors",
        "captioner.events",
        "captioner.turns",
        "captioner.phrases",
        "captioner.plural",
        "captioner.together",
        "captioner.glitches",
        "captioner.job",
    ),
    (
        "captioner.side_by_side",
        "captioner.freed",
        "captioner.limits",
        "captioner.files",
        "captioner.file_bin",
        "captioner.worker",
        "captioner.records",
    ),
    ("captioner.captions.words", "captioner.fields"),
    ("captioner.settings", "captioner.users", "captioner.temporary", "captioner.images", "captioner.readings"),
    ("captioner.contract", "captioner.lab.scores"),
    ("captioner.lab.suggest", "captioner.redrawing", "captioner.ahead", "captioner.models.hub_files"),
    ("captioner.models.resuming",),
    ("captioner.models", "captioner.models.weights", "captioner.models.download", "captioner.models.memory"),
    (
        *("captioner.models.descriptions", "captioner.models.torch_front", "captioner.models.byte_cache"),
        *("captioner.models.questions", "captioner.models.text_encoders"),
    ),
    ("captioner.models.forecasts", "captioner.models.abilities", "captioner.models.devices"),
    ("captioner.models.blip", "captioner.models.vision_language", "captioner.models.endpoint", "taggers"),
    ("captioner.models.registry", "captioner.plugin"),
    ("captioner.models.plug_ins", "captioner.models.named_servers", "captioner.models.sources"),
    ("captioner.models.downloads", "captioner.models.verifying"),
    ("captioner.models.residents",),
    ("captioner.models.manager",),
    ("captioner.models.listing",),
    ("captioner.captions",),
    ("captioner.answers",),
    ("captioner.pipeline", "captioner.preparation", "captioner.formats", "captioner.workspace"),
    ("captioner.all_kinds",),
    ("captioner.batch",),
    ("captioner.lab",),
    ("captioner.service",),
    ("captioner.ui", "captioner.cli"),
    ("captioner.__main__", "app"),
)

# What a room may not know although it lies lower.
NOT_KNOWN: dict[str, tuple[str, ...]] = {
    "captioner.formats": ("captioner.models", "taggers", "captioner.captions", "captioner.contract"),
    "captioner.workspace": ("captioner.models", "taggers", "captioner.captions", "captioner.contract"),
    "captioner.lab": ("captioner.models", "taggers"),
    "captioner.captions.compose": ("captioner.models", "taggers"),
}


def _modules() -> dict[str, Path]:
    paths = [ROOT / "app.py", *(ROOT / "captioner").rglob("*.py"), *(ROOT / "taggers").rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


MODULES = _modules()


def _imports(path: Path) -> Iterator[str]:
    """What a file imports anywhere in it, but for the eyes of the type checker only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _known(name: str) -> str | None:
    """The module that an imported name is or is in; None for other packages."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def _graph() -> dict[str, set[str]]:
    return {
        module: {known for name in _imports(path) if (known := _known(name)) and known != module}
        for module, path in MODULES.items()
    }


GRAPH = _graph()


def _is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def _place(module: str) -> tuple[int, str] | None:
    """The floor and the room of a module, by the longest name that fits."""
    found = [(number, room) for number, floor in enumerate(FLOORS) for room in floor if _is_in(module, room)]
    return max(found, key=lambda place: len(place[1]), default=None)


def test_every_module_has_a_floor() -> None:
    assert [module for module in MODULES if _place(module) is None and module != "captioner"] == []


def test_no_arrow_runs_up() -> None:
    wrong = []
    for module, known in GRAPH.items():
        own = _place(module)
        for other in known:
            theirs = _place(other)
            if own and theirs and own[1] != theirs[1] and theirs[0] >= own[0]:
                wrong.append(f"{module} -> {other}")
    assert wrong == []


@pytest.mark.parametrize("room", NOT_KNOWN)
def test_a_room_knows_nothing_of(room: str) -> None:
    wrong = [
        f"{module} -> {other}"
        for module, known in GRAPH.items()
        if _is_in(module, room)
        for other in known
        if any(_is_in(other, hidden) for hidden in NOT_KNOWN[room])
    ]
    assert wrong == []


def test_no_circle() -> None:
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for other in sorted(GRAPH[module]):
                visit(other, (*way, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("folder", ["captioner", "taggers", "demo", "benchmarks"])
def test_no_file_is_over_400_lines(folder: str) -> None:
    long = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for pattern in ("*.py", "*.js", "*.css")
        for path in (ROOT / folder).rglob(pattern)
    }
    assert {name: count for name, count in long.items() if count > 400} == {}

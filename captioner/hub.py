"""A model's name -> the folder its files are in, from the Hugging Face cache, the demo models or a folder of one's own.

Everything loads from a folder, so a hub model, a demo model and a folder someone trained take one path. Loads no
model; what may be in a folder, `models.weights` and `models.descriptions` say.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner import registry
from captioner.errors import BadModel, CaptionerError, MissingPackage, ModelNotFound
from captioner.registry import ModelSpec

DEMO_FOLDER = Path(__file__).resolve().parent.parent / "assets" / "demo"
_WORDS = ("auto", "hub", "demo")

_STEP_S = 0.2  # between two steps of `download_steps`

Progress = Callable[[int, int], None]
"""Called with bytes so far and bytes in all (0 while unknown) as a download goes on; from other threads too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where a model's files are. name: as it was asked for. spec: None for a folder that no registered name has."""

    name: str
    family: str
    folder: Path
    spec: ModelSpec | None = None

    def load_class(self) -> type[Any]:
        """The class that runs it; importing it loads nothing heavy."""
        return self.spec.load_class() if self.spec else registry.family_class(self.family)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which models a page starts with.

    names: family -> model name, one for each family that has one. is_demo: the drawn-scenes trio stands in. reason:
    one sentence why, fit for a banner; "" when there is nothing to explain. missing: the real models to download for
    the trio to step back, empty when all are here. download_mb: what that takes.
    """

    names: Mapping[str, str]
    is_demo: bool
    reason: str = ""
    missing: tuple[ModelSpec, ...] = ()

    @property
    def download_mb(self) -> int:
        """Megabytes that `missing` takes in all."""
        return sum(spec.download_mb for spec in self.missing)


def find_model(
    name_or_folder: str,
    family: str,
    models: str = "auto",
    *,
    download: bool = False,
    progress: Progress | None = None,
) -> ModelSource:
    """The folder of a model, by its registered name, a path to a folder, or a name that its family knows (`spec_for`).

    Args:
        models: "auto" takes hub models from the cache only; "hub" downloads what is missing; "demo" knows the demo
            models only; anything else is a folder with one subfolder a model name. Demo names and paths work always.
        download: fetch a hub model that is not in the cache under "auto" too (the person was asked).
    Raises:
        ModelNotFound: nobody knows the name, it is of another family, or its files are not here; says what to do.
        BadModel: a path that is not a model's folder. MissingPackage: huggingface_hub is not installed.
    """
    spec = next((spec for spec in registry.MODELS if spec.name == name_or_folder), None)
    if spec is not None:
        if spec.family != family:
            raise ModelNotFound(f"{spec.name} is a {spec.family} model; {family} takes {_names(family)} or a folder.")
        return _named_source(spec, models, download, progress)
    if models not in _WORDS and name_or_folder:
        folder = _models_folder(models) / name_or_folder
        if _is_folder(folder):
            return ModelSource(name=name_or_folder, family=family, folder=folder)
    folder = _path(name_or_folder)
    if name_or_folder and _is_folder(folder):
        return ModelSource(name=name_or_folder, family=family, folder=folder)
    if name_or_folder and os.path.exists(folder):  # noqa: PTH110 (as _is_folder)
        raise BadModel(f"{name_or_folder} is a file; a model is a folder with its weights and its configuration.")
    spec = registry.named_in_family(name_or_folder, family)
    if spec is not None:
        return _named_source(spec, models, download, progress)
    raise ModelNotFound(
        f"no {family} model is called {name_or_folder!r} and there is no such folder; the names are "
        f"{registry.names_in_words(family)}."
    )


def _named_source(spec: ModelSpec, models: str, download: bool, progress: Progress | None) -> ModelSource:
    folder = _named_folder(spec, models, download, progress)
    return ModelSource(name=spec.name, family=spec.family, folder=folder, spec=spec)


def _named_folder(spec: ModelSpec, models: str, download: bool, progress: Progress | None) -> Path:
    if models not in _WORDS:
        folder = _models_folder(models) / spec.name
        if _is_folder(folder):
            return folder
        if not spec.is_demo:
            raise ModelNotFound(
                f"{spec.name} is not in {models}; it needs a subfolder {spec.name} there. The subfolders are "
                f"{', '.join(_subfolders(models)) or 'none'}."
            )
    if spec.is_demo:
        folder = DEMO_FOLDER / spec.name
        if not folder.is_dir():
            raise ModelNotFound(f"the demo model {spec.name} is not in {DEMO_FOLDER}; python -m demo.train makes it.")
        return folder
    if models == "demo":
        raise ModelNotFound(
            f"{spec.name} is no demo model; the demo {spec.family} model is {_demo_name(spec.family)}. "
            "Leave out --models demo to use real models."
        )
    cached = cached_folder(spec)
    if cached is not None:
        return cached
    if models == "hub" or download:
        return download_model(spec, progress)
    raise ModelNotFound(
        f"{spec.name} is not on this machine: --models hub downloads it ({_size(spec)}once), "
        "--models demo uses the small demo models instead."
    )


def default_model(family: str, models: str = "auto") -> str:
    """The model a family uses when none is named: the demo model under "demo", the first found in a folder of models,
    else the first registered one, whether or not it is on this machine.

    Raises: ModelNotFound: nobody knows the family, or a folder of models has none of it.
    """
    specs = registry.of_family(family)
    if not specs:
        raise ModelNotFound(f"no model family is called {family!r}; they are {', '.join(registry.families())}.")
    if models == "demo":
        return _demo_name(family)
    if models in _WORDS:
        return specs[0].name
    folder = _models_folder(models)
    for spec in specs:
        if _is_folder(folder / spec.name):
            return spec.name
    raise ModelNotFound(
        f"there is no {family} model in {models}; it takes a subfolder named {_names(family)}. "
        f"The subfolders are {', '.join(_subfolders(models)) or 'none'}."
    )


def choose_trio(models: str = "auto") -> ModelChoice:
    """Which models a page starts with: never a mixture of real and demo models.

    Under "auto" the real ones when every family that has a demo model has a real one in the cache, else the demo
    models. "hub" takes the real ones and lists what is to be downloaded; a folder, what it holds.

    Raises: ModelNotFound: a folder of models without any, or no such folder.
    """
    families = [family for family in registry.families() if _demo_name(family)]
    if models == "demo":
        return ModelChoice(
            names={family: _demo_name(family) for family in families},
            is_demo=True,
            reason="They were asked for (--models demo) and know drawn scenes only.",
        )
    if models not in _WORDS:
        _models_folder(models)
        names = {}
        for family in registry.families():
            try:
                names[family] = default_model(family, models)
            except ModelNotFound:
                continue
        if not names:
            raise ModelNotFound(
                f"there is no model in {models}; it takes subfolders named as the models "
                f"({', '.join(spec.name for spec in registry.MODELS)})."
            )
        return ModelChoice(names=names, is_demo=all(registry.find(name).is_demo for name in names.values()))
    chosen: dict[str, ModelSpec] = {}
    missing = []
    for family in families:
        real = [spec for spec in registry.of_family(family) if not spec.is_demo]
        cached = next((spec for spec in real if is_cached(spec)), None)
        chosen[family] = cached or real[0]
        if cached is None:
            missing.append(real[0])
    if models == "hub" or not missing:
        return ModelChoice(
            names={family: spec.name for family, spec in chosen.items()}, is_demo=False, missing=tuple(missing)
        )
    listed = ", ".join(f"{spec.name} ({spec.download_mb} MB)" for spec in missing)
    return ModelChoice(
        names={family: _demo_name(family) for family in families},
        is_demo=True,
        reason=f"These models are not on this machine yet: {listed}. Small demo models that know drawn scenes only "
        "stand in for them.",
        missing=tuple(missing),
    )


def to_download(name: str, family: str, models: str = "auto") -> ModelSpec | None:
    """The hub model that a name stands for and that must be fetched before it is used; None for all that is here.

    Asks no server, and raises nothing: a name that nobody knows is left to `find_model`.
    """
    if models not in ("auto", "hub"):
        return None
    spec = next((spec for spec in registry.of_family(family) if spec.name == name), None)
    if spec is None and name and not os.path.exists(_path(name)):  # noqa: PTH110 (as _is_folder)
        try:
            spec = registry.named_in_family(name, family)
        except CaptionerError:
            return None
    return None if spec is None or is_cached(spec) else spec


def is_cached(spec: ModelSpec) -> bool:
    """All files of a model are on this machine; demo models count when they are in assets/demo. Asks no server."""
    return (DEMO_FOLDER / spec.name).is_dir() if spec.is_demo else cached_folder(spec) is not None


def cached_folder(spec: ModelSpec) -> Path | None:
    """The snapshot of a hub model in the Hugging Face cache, when it is complete. Asks no server."""
    library = _huggingface_hub()
    from huggingface_hub.errors import LocalEntryNotFoundError

    assert spec.repo is not None
    try:
        folder = Path(library.snapshot_download(spec.repo, allow_patterns=list(spec.files), local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
    # A cache written by an older huggingface_hub has no listing to prove it complete: the weights come last, as the
    # biggest file, and the configuration is asked for as well.
    return folder if all((folder / name).is_file() for name in spec.files[:2]) else None


def download_model(
    spec: ModelSpec, progress: Progress | None = None, *, otherwise: str = "or use --models demo"
) -> Path:
    """Fetch a hub model into the ordinary Hugging Face cache.

    A connection that breaks is taken up again where it broke; after a failure the next call fetches only the files
    that are not complete (huggingface_hub 2.4 keeps no part of a file between two calls).

    Raises: ModelNotFound: the server cannot be reached or has no such model, or the disk is full; says which.
    """
    library = _huggingface_hub()
    assert spec.repo is not None
    try:
        folder = Path(
            library.snapshot_download(spec.repo, allow_patterns=list(spec.files), tqdm_class=_progress_bar(progress))
        )
    except (OSError, library.errors.HfHubHTTPError, *_transport_errors()) as error:
        detail = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelNotFound(
            f"{spec.name}{f' ({spec.download_mb} MB)' if spec.download_mb else ''} could not be downloaded from "
            f"{spec.repo}: {detail.rstrip('.')}. Try again (files that are complete are kept), {otherwise}."
        ) from error
    missing = [name for name in spec.files[:2] if not (folder / name).is_file()]
    if missing:
        raise BadModel(
            f"the repository {spec.repo} has no {' and no '.join(missing)}, which {spec.name} needs; pickles are not "
            "taken instead. Choose another model."
        )
    return folder


def download_steps(
    spec: ModelSpec, *, otherwise: str = "or use --models demo"
) -> Generator[tuple[int, int], None, Path]:
    """As `download_model`, but in steps, so that who asks can do other things in between, or stop by closing it.

    Yields: bytes so far and bytes in all, 0 while that is not known, a few times a second. Returns: the folder.
    """
    done_bytes = total_bytes = 0
    is_stopped = threading.Event()
    answer: Future[Path] = Future()

    def note(so_far: int, in_all: int) -> None:
        nonlocal done_bytes, total_bytes
        if is_stopped.is_set():
            raise _Stopped  # there is no other way to end huggingface_hub's download
        done_bytes, total_bytes = so_far, in_all

    def download() -> None:
        try:
            answer.set_result(download_model(spec, note, otherwise=otherwise))
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            answer.set_exception(error)

    threading.Thread(target=download, name="captioner-download", daemon=True).start()
    try:
        while not answer.done():
            wait([answer], timeout=_STEP_S)
            yield done_bytes, total_bytes
    finally:
        is_stopped.set()
    return answer.result()


class _Stopped(Exception):
    """Nobody wants the download any more."""


def keep_quiet() -> None:
    """Switch off what huggingface_hub would send about this machine. To be called before it or transformers is used.

    It reads the environment when it is imported, which gradio may have done already, hence the constant too.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub.constants as constants

    constants.HF_HUB_DISABLE_TELEMETRY = True


def _huggingface_hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "Models are found with huggingface_hub, which is not installed: pip install huggingface_hub"
        ) from error
    keep_quiet()
    return huggingface_hub


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the HTTP client under huggingface_hub raises when a connection breaks.

    Which client that is depends on its version (requests, httpx, httpx2), so the session is asked.
    """
    from huggingface_hub.utils import get_session

    client = importlib.import_module(type(get_session()).__module__.split(".")[0])
    return tuple(
        kind for name in ("HTTPError", "TransportError") if isinstance(kind := getattr(client, name, None), type)
    )


def _progress_bar(progress: Progress | None) -> type[Any]:
    """A tqdm class that draws nothing and hands the bytes written to `progress`.

    snapshot_download makes several bars of it: files, bytes received, bytes written; only the last is reported.
    """
    from huggingface_hub.utils import tqdm

    class Counter(tqdm):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **keywords: Any) -> None:
            self._is_reported = keywords.get("name") == "huggingface_hub.snapshot_download"
            keywords["disable"] = True
            super().__init__(*args, **keywords)
            self.total = keywords.get("total") or 0
            self.n = keywords.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self._is_reported and progress is not None:
                progress(int(self.n), int(self.total or 0))

    return Counter


def _names(family: str) -> str:
    return ", ".join(spec.name for spec in registry.of_family(family)) or "none"


def _size(spec: ModelSpec) -> str:
    """What a download takes, where it is known, to stand before "once"."""
    return f"{spec.download_mb} MB, " if spec.download_mb else ""


def _demo_name(family: str) -> str:
    return next((spec.name for spec in registry.of_family(family) if spec.is_demo), "")


def _models_folder(models: str) -> Path:
    """The folder of models that is neither auto, hub nor demo.

    Raises: ModelNotFound: there is no such folder; it may be one of the words, misspelt.
    """
    folder = _path(models)
    if not models or not _is_folder(folder):
        raise ModelNotFound(
            f"models is {models!r}; it must be auto, hub, demo or a folder, and no such folder is here."
        )
    return folder


def _path(text: str) -> Path:
    """What a person typed as a path, with ~ as their home where that can be told."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path's own raises for ~somebody who is not here)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (Path's own raises for names that are too long)


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if _is_folder(folder) else []


def _subfolders(folder: str) -> list[str]:
    return sorted(path.name for path in _files(_path(folder)) if path.is_dir())

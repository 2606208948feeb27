"""A model's name -> the folder its files are in, from the Hugging Face cache, the demo models or a folder of one's own.

Everything loads from a folder, so a hub model, a demo model and a folder someone trained take one path. What may be in
a folder, `models.weights` and `models.descriptions` say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.contract import Kind, Model, ModelSpec
from captioner.errors import BadModel, CaptionerError, ModelNotFound
from captioner.limits import read_json
from captioner.models import registry
from captioner.models.download import Progress, cached_folder, download_model

DEMO_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "demo"
_WORDS = ("auto", "hub", "demo")
_MAX_DEFAULTS_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where a model is.

    name: as it was asked for. place: the folder of its files, or of a model without one its name or address. spec: None
    for a folder that is not named after a registered one.
    """

    name: str
    family: str
    place: Path | str
    spec: ModelSpec | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of its files, None for a model without one."""
        return self.place if isinstance(self.place, Path) else None

    def load_class(self) -> type[Model]:
        """The class that runs it; importing it loads nothing heavy."""
        return self.spec.load_class() if self.spec else registry.family_class(self.family)

    def load(self, device: str) -> Model:
        """The model itself, in memory on a device. Raises: as its class's `load`."""
        return self.load_class().load(self.place, device=device, spec=self.spec)


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
            return ModelSource(name=name_or_folder, family=family, place=folder)
    folder = _path(name_or_folder)
    if name_or_folder and _is_folder(folder):
        return ModelSource(name=name_or_folder, family=family, place=folder, spec=_named_after(folder, family))
    if name_or_folder and os.path.exists(folder):  # noqa: PTH110 (as _is_folder)
        raise BadModel(f"{name_or_folder} is a file; a model is a folder with its weights and its configuration.")
    spec = registry.named_in_family(name_or_folder, family)
    if spec is not None:
        return _named_source(spec, models, download, progress)
    near = registry.near_names(name_or_folder, registry.of_family(family)[0].kind)
    meant = f"did you mean {' or '.join(near)}? Otherwise " if near else ""
    raise ModelNotFound(
        f"no {family} model is called {name_or_folder!r} and there is no such folder; {meant}the names are "
        f"{registry.names_in_words(family)}."
    )


def _named_after(folder: Path, family: str) -> ModelSpec | None:
    """The hub model that a folder is named after: by our name, its repository's, or the hub cache's."""
    for spec in registry.of_family(family):
        if spec.repo is not None:
            cached_as = "models--" + spec.repo.replace("/", "--")
            if folder.name in (spec.name, spec.repo.rpartition("/")[2]) or cached_as in folder.parts:
                return spec
    return None


def _named_source(spec: ModelSpec, models: str, download: bool, progress: Progress | None) -> ModelSource:
    place = _named_folder(spec, models, download, progress) if spec.has_folder else spec.name
    return ModelSource(name=spec.name, family=spec.family, place=place, spec=spec)


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
        own = _demo_name(spec.family)
        known = f"the demo {spec.family} model is {own}" if own else f"there is none of {spec.family}"
        raise ModelNotFound(f"{spec.name} is no demo model; {known}. Leave out --models demo to use real models.")
    cached = cached_folder(spec)
    if cached is not None:
        return cached
    if models == "hub" or download:
        return download_model(spec, progress)
    raise ModelNotFound(
        f"{spec.name} is not on this machine: --models hub downloads it ({_size(spec)}once), "
        "--models demo uses the small demo models instead."
    )


def check_models(models: str) -> None:
    """Raises: ModelNotFound: it is neither auto, hub, demo nor a folder that is here."""
    if models not in _WORDS:
        _models_folder(models)


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
        if not spec.has_folder or _is_folder(folder / spec.name):
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
            with suppress(ModelNotFound):
                names[family] = default_model(family, models)
        if not names:
            raise ModelNotFound(
                f"there is no model in {models}; it takes subfolders named as the models "
                f"({', '.join(spec.name for spec in registry.MODELS)})."
            )
        return ModelChoice(names=names, is_demo=all(registry.find(name).is_demo for name in names.values()))
    chosen: dict[str, ModelSpec] = {}
    missing = []
    for family in families:
        real = [spec for spec in registry.of_family(family) if spec.repo is not None]
        if not real:
            continue
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


def family_of(name: str, kind: Kind, models: str = "auto") -> str | None:
    """The family that runs a captioner or tagger, by its registered name, a name of the family's own, or its folder.

    Returns: None where no family knows the name or takes the folder for one of its models.
    Raises: ModelNotFound: the name is a model's of the other kind.
    """
    spec = next((spec for spec in registry.MODELS if spec.name == name), None)
    if spec is not None and spec.kind != kind:
        known = ", ".join(spec.name for spec in registry.MODELS if spec.kind == kind)
        does = "is a tagger and writes no sentences" if kind == "captioner" else "is a captioner and gives no tags"
        raise ModelNotFound(f"{name} {does}; the {kind}s are {known}.")
    if spec is not None:
        return spec.family
    candidates = [_path(name)] if models in _WORDS else [_models_folder(models) / name, _path(name)]
    folder = next((path for path in candidates if name and _is_folder(path)), None)
    for family in registry.families(kind):
        model_class = registry.family_class(family)
        if model_class.accepts(folder) if folder else model_class.spec_for(name) is not None:
            return family
    return None


def own_defaults(name: str, family: str, models: str = "auto") -> dict[str, Any]:
    """Settings fields that a model itself wants otherwise than its family, by a file of its folder where that is here.

    Downloads nothing; what cannot be read gives nothing, for loading the model says so. The registry's word for a model
    (`ModelSpec.defaults`) is not in it.
    """
    model_class = registry.family_class(family)
    if not name or not model_class.defaults_file:
        return {}
    try:
        folder = find_model(name, family, "auto" if models == "hub" else models).folder
        path = (folder or Path()) / model_class.defaults_file
        if folder is None or not path.is_file() or path.stat().st_size > _MAX_DEFAULTS_BYTES:
            return {}
        content = read_json(path.read_bytes(), path.name)
    except (CaptionerError, OSError):
        return {}
    return dict(model_class.defaults_from(content)) if isinstance(content, dict) else {}


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
    return None if spec is None or spec.repo is None or is_cached(spec) else spec


def is_cached(spec: ModelSpec) -> bool:
    """All files that a model needs are on this machine; demo models' are in assets/demo. Asks no server."""
    return is_here(spec)


def is_here(spec: ModelSpec, models: str = "auto") -> bool:
    """As `is_cached`, and a folder of models is looked into. Raises nothing."""
    return not spec.has_folder or folder_here(spec, models) is not None


def folder_here(spec: ModelSpec, models: str = "auto") -> Path | None:
    """The folder of a model's files where they are on this machine. Asks no server and raises nothing."""
    if models not in _WORDS and spec.has_folder and _is_folder(_path(models) / spec.name):
        return _path(models) / spec.name
    if spec.is_demo:
        return DEMO_FOLDER / spec.name if (DEMO_FOLDER / spec.name).is_dir() else None
    return cached_folder(spec) if spec.repo is not None else None


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

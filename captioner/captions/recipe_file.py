"""How a set's captions came about, as a file that leaves with them and makes equal ones again.

It names the settings, the models with a digest of their weights, and for each picture, known by its sha256, whether a
model, an edit or a caption file that came along says its caption. Words of a person stand in it, for no model says them
again. Runs no model; knows no store and no page.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from captioner import __version__
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, SettingsError
from captioner.limits import MAX_CAPTION_LENGTH, check_mapping, check_text, read_json, value_shown
from captioner.models import registry, sources
from captioner.records import Layer

RECIPE_NAME = "captioner-recipe.json"
VERSION = 1
_KIND = "captioner-recipe"
_PACKAGES = ("torch", "transformers", "open_clip_torch", "onnxruntime", "onnxruntime-gpu", "pillow", "numpy")
_PREPROCESSING = "turned upright by EXIF, colours to sRGB by an embedded profile, transparency on white, first frame"
_MAX_NAME = 4_096

MadeBy = Literal["model", "edit", "existing", "nobody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCaption:
    """How one picture's caption came about.

    picture: its name with its folder. digest: sha256 of its file. by: what says its words. text: the whole caption
    where no model says it. existing: the caption that came along, where a model's text was joined to it. is_current:
    the recipe's settings made it, not earlier ones.
    """

    picture: str
    digest: str
    by: MadeBy
    text: str = ""
    existing: str = ""
    is_current: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedModel:
    """A model that spoke. digest: first 12 hexadecimal digits of its weights' sha256, "" where it did not speak."""

    family: str
    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """What was read of a recipe. settings: flat, for `Plan.from_flat`."""

    settings: Mapping[str, Any]
    models: tuple[UsedModel, ...] = ()
    captions: tuple[MadeCaption, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, data: bytes | str, name: str = RECIPE_NAME) -> Self:
        """Args: name: as messages call it. Raises: SettingsError: it is no recipe, or one of a newer version."""
        found = read_json(data, name, error=SettingsError)
        if not isinstance(found, dict) or found.get("kind") != _KIND:
            raise SettingsError(f"{name} is no recipe of Captioner; give the {RECIPE_NAME} of an export.")
        version = found.get("version")
        if version != VERSION:
            raise SettingsError(
                f"{name} is a recipe of version {value_shown(version)}, and this Captioner reads version {VERSION}; "
                "update it."
            )
        settings = dict(check_mapping(found.get("settings"), f"the settings in {name}"))
        models = [_model(one, name) for one in _listed(found, "models", name)]
        return cls(
            settings=settings,
            models=tuple(models),
            captions=tuple(_caption(one, name) for one in _listed(found, "pictures", name)),
        )

    def known(self) -> KnownCaptions:
        """Its captions, to be found by picture."""
        return KnownCaptions(self.captions)


class KnownCaptions:
    """A recipe's captions by the pictures they are of; equal pictures are told apart by their names."""

    def __init__(self, captions: Sequence[MadeCaption]) -> None:
        self._by_both = {(caption.digest, _last(caption.picture)): caption for caption in captions}
        self._by_digest = {caption.digest: caption for caption in captions}

    def find(self, digest: str, name: str) -> MadeCaption | None:
        """The caption of a picture; None for one that the recipe does not know. Args: name: of its file."""
        return self._by_both.get((digest, name)) or self._by_digest.get(digest)


def models_of(plan: Plan, layers: Iterable[Layer]) -> list[UsedModel]:
    """The models of a plan and of its other kinds of captions, each with the weights that spoke last."""
    digests: dict[tuple[str, str], tuple[float, str]] = {}
    for layer in layers:
        if not layer.is_damaged:
            model = (layer.family, layer.model)
            digests[model] = max(digests.get(model, (0.0, "")), (layer.created_at, layer.model_revision))
    others = (planned for one in plan.of_all_kinds() for planned in one.running())
    models = dict.fromkeys((planned.family, planned.model) for planned in (*plan.running(), *others))
    return [
        UsedModel(family=family, name=name, digest=digests.get((family, name), (0.0, ""))[1]) for family, name in models
    ]


def recipe_bytes(
    plan: Plan, models: Sequence[UsedModel], captions: Sequence[MadeCaption], *, models_from: str = "auto"
) -> bytes:
    """The file's content, the same for the same captions. Args: models_from: as `sources.find_model`."""
    settings = {name: value for name, value in plan.to_flat().items() if name not in plan.carried}
    written = {
        "kind": _KIND,
        "version": VERSION,
        "settings": settings,
        "models": [_written_model(model, models_from) for model in models],
        "preprocessing": _PREPROCESSING,
        "packages": _packages(),
        "pictures": [_written_caption(caption) for caption in captions],
    }
    return (json.dumps(written, indent=1) + "\n").encode("ascii")


def _written_model(model: UsedModel, models_from: str) -> dict[str, Any]:
    spec = next((spec for spec in registry.MODELS if spec.name == model.name), None)
    return {
        "family": model.family,
        "name": model.name,
        "repository": spec.repo if spec else None,
        "revision": _revision(model, models_from),
        "digest": model.digest,
    }


def _revision(model: UsedModel, models_from: str) -> str | None:
    """The commit of the hub's repository, where the model's files lie in its cache."""
    try:
        folder = sources.find_model(model.name, model.family, "auto" if models_from == "hub" else models_from).folder
    except CaptionerError:
        return None
    return folder.name if folder is not None and folder.parent.name == "snapshots" else None


def _packages() -> dict[str, str]:
    found = {"captioner": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _written_caption(caption: MadeCaption) -> dict[str, Any]:
    written: dict[str, Any] = {"picture": caption.picture, "sha256": caption.digest, "by": caption.by}
    if caption.text:
        written["caption"] = caption.text
    if caption.existing:
        written["existing"] = caption.existing
    return written if caption.is_current else {**written, "by_other_settings": True}


def _listed(found: Mapping[str, Any], key: str, name: str) -> list[Mapping[str, Any]]:
    entries = found.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingsError(f"{key} in {name} must be a list of objects; export the set again.")
    return entries


def _model(entry: Mapping[str, Any], name: str) -> UsedModel:
    parts = {key: _text(entry, key, name) for key in ("family", "name", "digest")}
    return UsedModel(family=parts["family"], name=parts["name"], digest=parts["digest"])


def _caption(entry: Mapping[str, Any], name: str) -> MadeCaption:
    by: MadeBy
    match entry.get("by"):
        case "model" | "edit" | "existing" | "nobody" as by:
            pass
        case other:
            raise SettingsError(f"by is {value_shown(other)} in {name}; it must be model, edit, existing or nobody.")
    return MadeCaption(
        picture=_text(entry, "picture", name),
        digest=_text(entry, "sha256", name),
        by=by,
        text=_text(entry, "caption", name, MAX_CAPTION_LENGTH * 2),
        existing=_text(entry, "existing", name, MAX_CAPTION_LENGTH * 2),
        is_current=entry.get("by_other_settings") is not True,
    )


def _text(entry: Mapping[str, Any], key: str, name: str, max_length: int = _MAX_NAME) -> str:
    return check_text(entry.get(key, ""), f"{key} in {name}", max_length=max_length)


def _last(picture: str) -> str:
    return picture.rpartition("/")[2]

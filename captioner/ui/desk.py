"""What the page asks of the product, answered in plain JSON values: sets, rows, saves, previews, jobs, token counts.

The desk joins workspace, pipeline and worker. It holds no work of a person (the workspace does) and no model (the
manager does), only what can be made again: composed texts, previewed layers, drawn sentences. Safe to use from many
threads. Knows no Gradio and no HTTP; every error that a person can mend is a CaptionerError.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from captioner import compose, hub, pipeline, registry
from captioner.errors import CaptionerError, ModelNotFound, SettingsError
from captioner.export import ExportItem, safe_name, write_sidecars
from captioner.manager import ModelManager
from captioner.pipeline import (
    PictureLayers,
    Plan,
    can_draw,
    caption_text,
    draw_sentences,
    families_to_run,
    make_layers,
    sentence_read,
    sentence_to_read,
    setting_groups,
)
from captioner.records import Alternative, Layer
from captioner.registry import ModelSpec
from captioner.settings import Effect
from captioner.tokens import USABLE_TOKENS, count_tokens, cut_at
from captioner.ui import bulk
from captioner.ui.controls import to_flat
from captioner.ui.details import details_of
from captioner.worker import Aside, Job, Worker
from captioner.workspace import Workspace
from captioner.workspace_records import Failure, View

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)

PREVIEW_EDGE_PX = 1600
LAYERS_ONE_BY_ONE = 64  # pictures whose layers are read singly; more are read in one go
DRAWN_AT_ONCE = 4
PACE_STEPS = 12  # steps of a preparation that the time left is reckoned from; the first ones may be quick
GPU_BATCH = 8  # on the CPU pictures go one by one, so that a moved slider waits for one picture at most

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The values used last, at most so many; safe between threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value, now the most recent one, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, and forget the one unused for longest when there are too many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)


class _Composed:
    """Composed texts of one set under one plan: picture id -> (layers_version, text, text without its existing one)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.texts: dict[str, tuple[int, str, str]] = {}


class _Drawn(NamedTuple):
    """Further sentences that a person asked for, and how many seeds from the settings' own on are used up."""

    seeds: int
    sentences: tuple[Alternative, ...] = ()


class Desk:
    """Answers for all visitors; a visitor is known by the set's id only."""

    def __init__(self, workspace: Workspace, worker: Worker, manager: ModelManager) -> None:
        self.workspace = workspace
        self.worker = worker
        self.manager = manager
        self.models = manager.models
        self.choice = hub.choose_trio(self.models)
        self.groups = tuple(group for group in setting_groups() if self._has_model(group.family))
        self.model_keys = tuple(group.key for group in self.groups if group.family)
        self._family_of = {group.key: group.family for group in self.groups if group.family}
        self.default_flat = self._default_flat()
        self._known_models = {key: {name for _, name in self.model_choices(key)} for key in self.model_keys}
        self._composed: Recent[str, _Composed] = Recent(16)
        self._previewed: Recent[tuple[Any, ...], Layer] = Recent(512)  # by picture, family, settings, sentence read
        self._drawn: Recent[tuple[Any, ...], _Drawn] = Recent(256)  # by picture, family, settings
        self._opened: Recent[str, Image] = Recent(2)
        self._previews: Recent[str, bytes] = Recent(48)
        self._starting = threading.Lock()
        self._has_warmed = False

    # Models and settings

    def _has_model(self, family: str) -> bool:
        """Whether a family can be used here (a folder of models may lack some); the recipe, which has none, can."""
        try:
            return not family or family in self.choice.names or bool(hub.default_model(family, self.models))
        except ModelNotFound:
            return False

    def model_name(self, key: str) -> str:
        """The model that a key ("captioner", "clip", ...) starts with."""
        family = self._family_of[key]
        return self.choice.names.get(family) or hub.default_model(family, self.models)

    def model_choices(self, key: str) -> list[tuple[str, str]]:
        """(what is shown, name) of the models a key can take, those that are here first."""
        choices: list[tuple[bool, str, str]] = []
        for spec in registry.of_family(self._family_of[key]):
            is_here = self._is_here(spec)
            if is_here or (self.models in ("auto", "hub") and not spec.is_demo):
                shown = spec.name if is_here else f"{spec.name} ({spec.download_mb:,} MB, not here)"
                choices.append((not is_here, shown, spec.name))
        first = self.model_name(key)
        if first not in {name for _, _, name in choices}:
            choices.insert(0, (False, first, first))
        return [(shown, name) for _, shown, name in sorted(choices, key=lambda choice: choice[0])]

    def _is_here(self, spec: ModelSpec) -> bool:
        """Whether a model can be loaded without a download."""
        if self.models == "demo":
            return spec.is_demo
        if self.models in ("auto", "hub"):
            return hub.is_cached(spec)
        return (Path(self.models).expanduser() / spec.name).is_dir()

    def _default_flat(self) -> dict[str, Any]:
        return Plan.from_flat({"captioner": self.model_name("captioner")}, self.models).to_flat()

    def plan_of(self, values: Mapping[str, Any] | None) -> Plan:
        """The plan of the page's values by name (see `controls`); None is the defaults.

        Raises: SettingsError, ModelNotFound.
        """
        if values is None:
            return Plan.from_flat(self.default_flat, self.models)
        if not isinstance(values, Mapping):
            raise SettingsError(f"settings are {type(values).__name__}; they must be a mapping of names to values.")
        flat = to_flat(values, self.model_keys)
        for key in self.model_keys:
            flat[key] = self._checked_model(key, flat.get(key, ""))
        return Plan.from_flat({**self.default_flat, **flat}, self.models)

    def plan_of_flat(self, flat: Mapping[str, Any]) -> Plan:
        """The plan of a flat mapping as programs send it (see `pipeline`): what it does not name has its default.

        Raises: SettingsError, ModelNotFound.
        """
        if not isinstance(flat, Mapping):
            raise SettingsError(f"settings are {type(flat).__name__}; they must be a mapping of names to values.")
        named = {"captioner": "default", **flat}
        for key in self.model_keys:
            if named.get(key) == "default":
                named[key] = self.model_name(key)
            named[key] = self._checked_model(key, named.get(key, ""))
        return Plan.from_flat(named, self.models)

    def takes_other_names(self, key: str) -> str:
        """Which names beside the listed ones a visitor may give for a key, in words; "" for none."""
        names = getattr(registry.family_class(self._family_of[key]), "other_names", "")
        return str(names) if self.models in ("auto", "hub") else ""

    def _checked_model(self, key: str, name: Any) -> str:
        """A model's name as the registry or its family spells it; never a folder.

        Folders of models are for who starts the app; a visitor must not ask which folders there are.
        Raises: SettingsError; MissingPackage: as the family's own `spec_for`.
        """
        if isinstance(name, str) and name in ("", *self._known_models[key]):
            return name
        other = self.takes_other_names(key)
        if other and isinstance(name, str) and len(name) <= 200:
            try:
                spec = registry.named_in_family(name.strip(), self._family_of[key])
            except ModelNotFound as error:
                raise SettingsError(str(error)) from error
            if spec is not None:
                return spec.name
        known = ", ".join([*sorted(self._known_models[key]), *([other] if other else [])])
        raise SettingsError(f"{key} is {str(name)[:80]!r}; it must be one of {known}.")

    def stored_plan(self, set_id: str) -> Plan:
        """The plan of the set's stored settings, the defaults where it has none.

        Settings that an older or differently started app stored and that mean nothing now are left aside, and said so
        in the plan's notes.
        """
        stored = self.workspace.settings(set_id)
        try:
            return Plan.from_flat(stored or self.default_flat, self.models)
        except CaptionerError as error:
            _log.warning("the settings stored with a set are not understood: %s", error)
            plan = Plan.from_flat(self.default_flat, self.models)
            notes = (f"The settings stored with this set are not understood, so the defaults are shown: {error}",)
            return Plan(**{**{name: getattr(plan, name) for name in plan.__slots__}, "notes": notes})

    # Files that are settings

    def keep_file(self, field: str, file_name: str, data: bytes) -> dict[str, Any]:
        """Keep a file for a field that takes one (`settings.kept_file`).

        Returns: {"name": the field's value for it, "text": what a list shows}.
        Raises: SettingsError: no such field. CaptionerError: the file will not do.
        """
        keeper = self._keeper(field)
        name = keeper.add_own(file_name, data)
        return {"name": name, "text": keeper.own_text(name)}

    def kept_files(self, field: str, names: Sequence[str]) -> dict[str, Any]:
        """What a list shows for files by name; those that are not here are left out. Nobody learns of others' files."""
        keeper = self._keeper(field)
        texts = {name: keeper.own_text(name) for name in names[:200] if isinstance(name, str)}
        return {"files": [{"name": name, "text": text} for name, text in texts.items() if text is not None]}

    def kept_file_limit_bytes(self, field: str) -> int:
        """How long a file for a field may be. Raises: SettingsError: no such field."""
        return int(self._keeper(field).MAXIMUM_BYTES)

    def _keeper(self, field: str) -> Any:
        for group in self.groups:
            for declared in group.settings.fields():
                if declared.name == field and declared.keeper:
                    return declared.load_keeper()
        raise SettingsError(f"{str(field)[:80]} is no setting that takes a file.")

    # Sets and rows

    def new_set(self, values: Mapping[str, Any] | None = None, name: str = "") -> dict[str, Any]:
        """A new set with the settings that the page shows."""
        set_id = self.workspace.create_set(name, self.plan_of(values).to_flat())
        return {"set": set_id, "cursor": self.workspace.find_set(set_id).version}

    def open_set(self, set_id: str) -> dict[str, Any]:
        """Everything the page shows of a set, and what to tell about its settings. Raises: UnknownSet."""
        return {**self.changes(set_id, -1), "notes": list(self.stored_plan(set_id).notes)}

    def changes(self, set_id: str, since: Any) -> dict[str, Any]:
        """What changed since a cursor that an earlier answer gave; all of it for a cursor that is none of this set's.

        Returns: cursor; whole (rows are all there are); rows: whole ones of changed pictures, and where the settings
            changed, of all others what depends on them only; removed; name; settings; undo, redo; job; warnings.
        """
        if isinstance(since, bool) or not isinstance(since, int):
            since = -1
        changes = self.workspace.changes_since(set_id, since)
        rows = self.rows(set_id, changes.views)
        if changes.settings is not None and not changes.is_everything:
            sent = {row["id"] for row in rows}
            rows += [
                {name: row[name] for name in ("id", "caption", "suggestion", "revision", "state")}
                for row in self.rows(set_id, self.workspace.views(set_id))
                if row["id"] not in sent
            ]
        return {
            "cursor": changes.version,
            "whole": changes.is_everything,
            "rows": rows,
            "removed": list(changes.removed),
            "name": changes.name,
            "undo": changes.undo.label if changes.undo else None,
            "redo": changes.redo.label if changes.redo else None,
            "job": self.job(set_id),
            "warnings": self._warnings(set_id),
        }

    def _warnings(self, set_id: str) -> list[str]:
        """What loaded models of the set's settings have to say about how they run."""
        warned = {(report.name, report.family): report.warning for report in self.manager.report() if report.warning}
        return [warned[model] for model in self.stored_plan(set_id).models() if model in warned] if warned else []

    def rows(self, set_id: str, views: Sequence[View]) -> list[dict[str, Any]]:
        """Pictures as the page shows them, with the caption each would be exported with.

        suggestion: what the layers say now where the caption is something else (an edit, a kept existing caption);
            None where there are no layers.
        """
        if not views:
            return []
        texts = self._texts(set_id, views)
        rows = []
        for view in views:
            composed, generated = texts[view.id]
            rows.append(
                {
                    "id": view.id,
                    "name": view.name,
                    "width": view.width,
                    "height": view.height,
                    "notes": list(view.notes),
                    "caption": composed if view.text is None else view.text,
                    "revision": view.revision,
                    "state": _state(view, composed),
                    "error": view.failure.message if view.failure else "",
                    "suggestion": generated or None,
                    "equal_to": view.equal_to,
                }
            )
        return rows

    def row(self, set_id: str, picture_id: str) -> dict[str, Any]:
        """One picture as the page shows it. Raises: UnknownSet, UnknownPicture."""
        return self.rows(set_id, [self.workspace.view(set_id, picture_id)])[0]

    def _texts(self, set_id: str, views: Sequence[View]) -> dict[str, tuple[str, str]]:
        """By picture id: the composed caption, and what the layers alone say."""
        plan = self.stored_plan(set_id)
        kept = self._composed.get(set_id)
        if kept is None or kept.plan != plan:
            kept = _Composed(plan)
            self._composed.put(set_id, kept)
        stale = [view for view in views if kept.texts.get(view.id, (None,))[0] != view.layers_version]
        wanted = {view.id: view for view in stale}
        found: Iterable[tuple[str, Sequence[Layer]]]
        if len(stale) > LAYERS_ONE_BY_ONE:
            found = self.workspace.all_layers(set_id)
        else:
            found = ((view.id, self.workspace.layers(set_id, view.id)) for view in stale)
        for picture_id, layers in found:
            view = wanted.get(picture_id)
            if view is not None:
                kept.texts[picture_id] = (view.layers_version, *_compose(layers, plan, view.existing))
        return {view.id: kept.texts.get(view.id, (0, "", ""))[1:] for view in views}

    # Pictures

    def add_picture(self, set_id: str, name: str, data: bytes, existing: str = "") -> dict[str, Any]:
        """Store an uploaded picture and return its row. Raises: UnknownSet, BadPicture, SettingsError, StoreError."""
        picture = self.workspace.add_picture(set_id, name, data, existing)
        self._warm_up(set_id)
        return self.row(set_id, picture.id)

    def preview_bytes(self, set_id: str, picture_id: str) -> bytes:
        """The picture re-encoded as WebP at a size to look at. Raises: UnknownSet, UnknownPicture, StoreError."""
        from captioner import images

        digest = self.workspace.view(set_id, picture_id).digest
        known = self._previews.get(digest)
        if known is None:
            known = images.preview(self._open(set_id, picture_id, digest), PREVIEW_EDGE_PX)
            self._previews.put(digest, known)
        return known

    def _open(self, set_id: str, picture_id: str, digest: str) -> Image:
        from captioner import images

        image = self._opened.get(digest)
        if image is None:
            image = images.open_picture(self.workspace.picture_bytes(set_id, picture_id)).image
            self._opened.put(digest, image)
        return image

    def _warm_up(self, set_id: str) -> None:
        """Load the captioner in the background once the first picture has come: its caption is asked for next."""
        if self._has_warmed:
            return
        self._has_warmed = True
        plan = self.stored_plan(set_id)

        def load() -> None:
            count_tokens("a caption")  # reads CLIP's word list
            for name, family in plan.models():
                with self.manager.use(name, family):
                    pass

        def report(future: Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                _log.info("no model was loaded in advance: %s", error)  # said again, aloud, when one is needed

        self.worker.ask(load).add_done_callback(report)

    # Edits

    def save_caption(
        self, set_id: str, picture_id: str, text: str | None, base: int, *, is_step: bool = False
    ) -> dict[str, Any]:
        """Store an edit unless the stored one changed since revision `base`.

        Args: is_step: a button made the text, so that undo brings back what was typed before it.
        Returns: {"ok": True, "revision", "row"} or {"ok": False, "conflict", "revision", "row"}, where conflict is the
            stored edit, None if it was removed.
        Raises: UnknownSet, UnknownPicture, SettingsError, StoreError.
        """
        saved = self.workspace.save_edit(set_id, picture_id, text, base, is_autosave=text is not None and not is_step)
        answer = {"ok": saved.ok, "revision": saved.revision, "row": self.row(set_id, picture_id)}
        return answer if saved.ok else {**answer, "conflict": saved.conflict}

    def count_tokens(self, text: str) -> dict[str, Any]:
        """How many CLIP tokens a text takes, the limit, and what lies beyond it."""
        if not isinstance(text, str):
            raise SettingsError(f"the text is {type(text).__name__}; it must be text.")
        return {"tokens": count_tokens(text), "limit": USABLE_TOKENS, "beyond": text[cut_at(text, USABLE_TOKENS) :]}

    # Bulk changes, undo, sets

    def preview_bulk(
        self, set_id: str, picture_ids: Sequence[str] | None, operation: str, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What a bulk change would do; changes nothing.

        Args: picture_ids: None for the whole set.
        Returns: {"label", "looked_at", "changes": [{"id", "name", "before", "after", "revision", "was_edited"}]}.
        Raises: SettingsError: see `bulk.change_of`. UnknownSet.
        """
        label, change = bulk.change_of(operation, values)
        wanted = None if picture_ids is None else set(picture_ids)
        views = [view for view in self.workspace.views(set_id) if wanted is None or view.id in wanted]
        changes = []
        for row in self.rows(set_id, views):
            after = change(row["caption"])
            if after != row["caption"]:
                changes.append(
                    {
                        **{name: row[name] for name in ("id", "name", "revision")},
                        "before": row["caption"],
                        "after": after,
                        "was_edited": row["state"] == "edited",
                    }
                )
        return {"label": label, "looked_at": len(views), "changes": changes}

    def apply_bulk(self, set_id: str, label: str, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Do what a preview showed, as one undoable step.

        Args: changes: by picture id, {"after": new text, "revision": what the preview saw}.
        Returns: {"ok": True, "changed"}, or {"ok": False, "conflicts": names} where a caption changed meanwhile: then
            nothing was changed.
        """
        applied = self.workspace.apply_edits(
            set_id,
            {picture_id: change["after"] for picture_id, change in changes.items()},
            str(label)[:200],
            revisions={picture_id: change["revision"] for picture_id, change in changes.items()},
        )
        if applied.ok:
            return {"ok": True, "changed": len(applied.revisions)}
        names = {view.id: view.name for view in self.workspace.views(set_id)}
        return {"ok": False, "conflicts": [names.get(picture_id, picture_id) for picture_id in applied.conflicts]}

    def travel(self, set_id: str, *, is_undo: bool) -> dict[str, Any]:
        """Take back the newest step, or do the last one that was taken back again.

        Returns: {"label": what it was, None where there is nothing; "has_settings": whether the settings changed}.
        """
        change = self.workspace.undo(set_id) if is_undo else self.workspace.redo(set_id)
        if change is None or change.entry is None:
            return {"label": None, "has_settings": False}
        return {"label": change.entry.label, "has_settings": change.entry.kind == "settings"}

    def remove_pictures(self, set_id: str, picture_ids: Sequence[str]) -> dict[str, Any]:
        """Take pictures out of the set; undo brings them back."""
        count = len(picture_ids)
        label = "Remove a picture" if count == 1 else f"Remove {count} pictures"
        return {"removed": list(self.workspace.remove_pictures(set_id, picture_ids, label=label).picture_ids)}

    def rename_set(self, set_id: str, name: str) -> dict[str, Any]:
        """Give the set a name; it is the zip's name too."""
        if not isinstance(name, str):
            raise SettingsError(f"the name is {type(name).__name__}; it must be text.")
        self.workspace.rename_set(set_id, name.strip())
        return {"name": name.strip()}

    def known_sets(self, set_ids: Sequence[str]) -> dict[str, Any]:
        """Name, size and time of the sets that a browser opened; ids that nobody knows are left out."""
        found = self.workspace.sets(set_id for set_id in set_ids[:200] if isinstance(set_id, str))
        return {
            "sets": [
                {"id": kept.id, "name": kept.name, "pictures": kept.picture_count, "changed_at": kept.changed_at}
                for kept in found
            ]
        }

    def token_counts(self, set_id: str) -> dict[str, Any]:
        """CLIP tokens of every caption of the set, by picture id."""
        rows = self.rows(set_id, self.workspace.views(set_id))
        return {"limit": USABLE_TOKENS, "counts": {row["id"]: count_tokens(row["caption"]) for row in rows}}

    def export_set(self, set_id: str, target: Path, *, format: str, with_pictures: bool) -> str:
        """Write the set's captions to a zip at `target`; returns the name to save it under.

        Raises: UnknownSet, ExportError, StoreError.
        """
        views = self.workspace.views(set_id)
        texts = {row["id"]: row["caption"] for row in self.rows(set_id, views)}
        items = [
            ExportItem(
                view.name, texts[view.id], self.workspace.picture_path(set_id, view.id) if with_pictures else None
            )
            for view in views
        ]
        write_sidecars(items, target, format=format, with_pictures=with_pictures, as_zip=True)
        name = self.workspace.find_set(set_id).name
        return f"{safe_name(name) if name else 'captions'}.zip"

    # Live preview

    def preview(self, set_id: str, picture_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Remember the page's settings and say what they make of one picture; its layers are stored nowhere.

        A model runs only where its own settings changed or it never saw the picture: a threshold or the recipe works
        on scores that are there. A model that must be prepared for longer than a person waits is left out.
        Returns: {"text": the caption or None without a picture, "recomposed": whether other captions changed,
            "details": with a picture, as `details`, "unprepared": None, or of the models left out {"text": what is
            missing, "download_mb": what fetching it takes, 0 where it cannot be fetched}}.
        Raises: SettingsError, ModelNotFound, BadModel, ModelFailed, UnknownSet, UnknownPicture, ...
        """
        plan = self.plan_of(values)
        if not set_id:
            return {"text": None, "recomposed": False, "unprepared": None}
        before = self.stored_plan(set_id)
        self.workspace.set_settings(set_id, plan.to_flat())
        recomposed = _compose_part(before) != _compose_part(plan)
        if not picture_id:
            return {"text": None, "recomposed": recomposed, "unprepared": None}
        view = self.workspace.view(set_id, picture_id)
        stored = self.workspace.layers(set_id, picture_id)
        layers, missing = self._layers_at_hand(view, stored, plan, before)
        unprepared: dict[str, Any] | None = None
        if missing:
            fresh, unprepared = self.worker.ask(
                lambda: self._run_prepared(set_id, view, plan, missing, layers)
            ).result()
            layers += fresh
        composed, generated = _compose(layers, plan, view.existing)
        return {
            "text": generated or composed,
            "recomposed": recomposed,
            "details": self._details(view, layers, plan),
            "unprepared": unprepared,
        }

    def _layers_at_hand(
        self, view: View, stored: Sequence[Layer], plan: Plan, before: Plan
    ) -> tuple[list[Layer], list[str]]:
        """Layers that serve a preview, and the families that must run for it.

        A tagger that goes on from the sentence is asked again for another sentence, whatever its own settings are.
        """
        layers: list[Layer] = []
        missing: list[str] = []
        by_family = {layer.family: layer for layer in stored}
        unfit = families_to_run(stored, plan)
        settings_before = _run_part(before)
        for family, part in _run_part(plan).items():
            own = by_family.get(family)
            sentence = sentence_to_read(family, layers, plan)
            if sentence is not None and plan.family in missing:
                missing.append(family)  # its sentence is still to come
            elif own is not None and family not in unfit:
                layers.append(own)
            elif (tried := self._previewed.get((view.digest, family, part, sentence))) is not None:
                layers.append(tried)
            elif own is not None and settings_before.get(family) == part and sentence_read(own) == sentence:
                layers.append(own)  # the person changed something else
            else:
                missing.append(family)
        return layers, missing

    def _run_prepared(
        self, set_id: str, view: View, plan: Plan, families: Sequence[str], at_hand: Sequence[Layer]
    ) -> tuple[list[Layer], dict[str, Any] | None]:
        """As `_run`, without the families that are not prepared, and what `preview` says of those."""
        left_out = list(pipeline.forecasts(plan, self.manager, only=families))
        names = {family for _, family, _ in left_out}
        ready = [family for family in families if family not in names]
        layers = self._run(set_id, view, plan, ready, at_hand) if ready else []
        if not left_out:
            return layers, None
        sentences = [
            f"{pipeline.forecast_text(name, forecast)}, and is left out until then." for name, _, forecast in left_out
        ]
        return layers, {
            "text": " ".join(sentences),
            "download_mb": sum(forecast.download_mb for _, _, forecast in left_out),
        }

    def _run(
        self, set_id: str, view: View, plan: Plan, families: Sequence[str], at_hand: Sequence[Layer]
    ) -> list[Layer]:
        """Runs on the worker's thread. Args: at_hand: the picture's other layers. Raises: what went wrong with it."""
        picture = (view.id, self._open(set_id, view.id, view.digest))
        [[result]] = list(make_layers([picture], plan, self.manager, only=families, stored={view.id: at_hand}))
        if result.error is not None:
            raise result.error
        parts = _run_part(plan)
        for layer in result.layers:
            self._previewed.put((view.digest, layer.family, parts[layer.family], sentence_read(layer)), layer)
        return list(result.layers)

    def caption_one(self, set_id: str, picture_id: str, plan: Plan) -> str:
        """Run a plan's models on one picture, store what they say, and return the caption that makes of it.

        The picture's edit, if it has one, stays as it is.
        """
        view = self.workspace.view(set_id, picture_id)
        stored = self.workspace.layers(set_id, picture_id)
        missing = families_to_run(stored, plan)
        at_hand = [layer for layer in stored if layer.family not in missing]
        fresh: list[Layer] = []
        if missing:
            fresh, unprepared = self.worker.ask(
                lambda: self._run_prepared(set_id, view, plan, missing, at_hand)
            ).result()
            if unprepared is not None:
                raise CaptionerError(f"{unprepared['text']} Captioning the set prepares it.", code="not_prepared")
            self.workspace.put_layers(set_id, fresh, label="Caption")
        self.workspace.set_settings(set_id, plan.to_flat())
        return caption_text([*at_hand, *fresh], plan, view.existing).text

    # What is known of a picture: tags, other sentences

    def details(self, set_id: str, picture_id: str) -> dict[str, Any]:
        """The picture's tags with what became of them, and other sentences it could have; see `ui.details`.

        Of its stored layers, under the set's settings, as its caption is. Raises: UnknownSet, UnknownPicture.
        """
        view = self.workspace.view(set_id, picture_id)
        return self._details(view, self.workspace.layers(set_id, picture_id), self.stored_plan(set_id))

    def _details(self, view: View, layers: Sequence[Layer], plan: Plan) -> dict[str, Any]:
        drawn = self._drawn.get((view.digest, plan.family, _run_part(plan).get(plan.family)))
        return details_of(layers, plan, view.existing, drawn.sentences if drawn else ())

    def draw_sentences(self, set_id: str, picture_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Draw a few more sentences for a picture under nucleus sampling; they are stored nowhere.

        Returns: {"details": as `details`, the new sentences at their end; "new": how many they are}.
        Raises: SettingsError: the settings draw nothing. As `preview`.
        """
        plan = self.plan_of(values)
        if not can_draw(plan):
            raise SettingsError("method is beam search or the captioner is off; only nucleus sampling can draw again.")
        view = self.workspace.view(set_id, picture_id)
        layers, _ = self._layers_at_hand(view, self.workspace.layers(set_id, picture_id), plan, plan)
        known = len(self._details(view, layers, plan)["sentences"])
        self.worker.ask(lambda: self._draw(set_id, view, plan)).result()
        details = self._details(view, layers, plan)
        return {"details": details, "new": len(details["sentences"]) - known}

    def _draw(self, set_id: str, view: View, plan: Plan) -> None:
        """Runs on the worker's thread."""
        key = (view.digest, plan.family, _run_part(plan)[plan.family])
        before = self._drawn.get(key) or _Drawn(seeds=1)  # the settings' own seed made the sentence itself
        image = self._open(set_id, view.id, view.digest)
        found = draw_sentences(image, plan, self.manager, skip=before.seeds, count=DRAWN_AT_ONCE)
        sentences = {one.text: one for one in (*before.sentences, *found)}
        self._drawn.put(key, _Drawn(before.seeds + DRAWN_AT_ONCE, tuple(sentences.values())))

    def ignore_tag(
        self, set_id: str, name: str, values: Mapping[str, Any] | None, *, is_ignored: bool
    ) -> dict[str, Any]:
        """Put a tag on the set's ignore list or take it off again, as one step that undo takes back.

        Args: values: the page's settings, stored with the new list; None takes the set's.
        Returns: {"ignore": the list now, "entries": what was put on it or taken off}.
        Raises: SettingsError, UnknownSet.
        """
        if not isinstance(name, str):
            raise SettingsError(f"the tag is {type(name).__name__}; it must be text.")
        plan = self.stored_plan(set_id) if values is None else self.plan_of(values)
        change = compose.with_ignored if is_ignored else compose.without_ignored
        recipe = change(plan.recipe, name)
        entries = compose.ignored_by(name, recipe if is_ignored else plan.recipe)
        label = f"{'Ignore' if is_ignored else 'Stop ignoring'} {', '.join(entries) or name}"
        self.workspace.set_settings(set_id, replace(plan, recipe=recipe).to_flat(), label=label[:200])
        return {"ignore": recipe.ignore, "entries": list(entries)}

    # Jobs

    def start_job(
        self, set_id: str, picture_ids: Sequence[str] | None, values: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Caption all pictures of a set (None) or some; goes on when the page is closed.

        Pictures whose layers these settings made already are passed over. Edits stay; the new text stands beside them.
        Returns: {"job": as `job`, None when there was nothing to do}.
        Raises: CaptionerError: a job of this set is going on already, or a model is not there.
        """
        return self.start_plan(
            set_id, picture_ids, self.stored_plan(set_id) if values is None else self.plan_of(values)
        )

    def start_preparation(self, set_id: str, values: Mapping[str, Any], *, published: bool) -> dict[str, Any]:
        """Prepare the models of the page's settings, as a job without pictures.

        Args: published: fetch what others have published instead of computing it; asks the hub.
        Returns, raises: as `start_job`.
        """
        plan = self.plan_of(values)
        self.workspace.find_set(set_id)
        with self._starting:
            self._refuse_second_job(set_id)
            job = self.worker.start(self._preparing(plan, published=published), total=0, owner=set_id)
        return {"job": _job_report(job)}

    def start_plan(self, set_id: str, picture_ids: Sequence[str] | None, plan: Plan) -> dict[str, Any]:
        """As `start_job`, for a plan."""
        if not plan.models():
            raise SettingsError("every model is switched off; switch on the captioner or a tagger.")
        if self.models != "hub":  # under "hub" the job itself downloads what is missing
            plan.check_models(self.models)
        wanted = None if picture_ids is None else set(picture_ids)
        with self._starting:
            self._refuse_second_job(set_id)
            self.workspace.set_settings(set_id, plan.to_flat())
            views = {view.id: view for view in self.workspace.views(set_id) if wanted is None or view.id in wanted}
            found: Iterable[tuple[str, Sequence[Layer]]]
            if len(views) > LAYERS_ONE_BY_ONE:
                found = self.workspace.all_layers(set_id)
            else:
                found = ((picture_id, self.workspace.layers(set_id, picture_id)) for picture_id in views)
            todo = [
                (views[picture_id], families)
                for picture_id, layers in found
                if picture_id in views and (families := families_to_run(layers, plan))
            ]
            if not todo:
                return {"job": None}
            run_id = f"{set_id}/{time.time_ns()}"
            job = self.worker.start(self._steps(set_id, todo, plan, run_id), total=len(todo), owner=set_id)
        return {"job": _job_report(job)}

    def _refuse_second_job(self, set_id: str) -> None:
        running = [job for job in self.worker.jobs(set_id) if not job.is_finished]
        if running:
            doing = "captioned" if running[0].total else "prepared for"
            raise CaptionerError(f"this set is being {doing} already; wait for it or stop it.", code="busy")

    def job(self, set_id: str) -> dict[str, Any] | None:
        """The newest job of a set, None where it has none since the app started."""
        jobs = self.worker.jobs(set_id)
        return _job_report(jobs[-1]) if jobs else None

    def stop_job(self, set_id: str) -> dict[str, Any]:
        """Stop the set's jobs before their next step; what is done stays."""
        for job in self.worker.jobs(set_id):
            job.cancel()
        return {"job": self.job(set_id)}

    def _steps(
        self, set_id: str, todo: Sequence[tuple[View, tuple[str, ...]]], plan: Plan, run_id: str
    ) -> Iterator[Aside | Exception | None]:
        """First what models must prepare; then one step a picture: None, or the error it failed with."""
        yield from self._preparing(plan, only={family for _, families in todo for family in families})
        for chunk in _chunks(todo, 1 if self.manager.device == "cpu" else GPU_BATCH):
            families = chunk[0][1]
            opened: list[tuple[str, Image]] = []
            results: list[PictureLayers] = []
            at_hand: dict[str, Sequence[Layer]] = {}  # where a tagger finds the sentence that it goes on from
            for view, _ in chunk:
                try:
                    stored = self.workspace.layers(set_id, view.id)
                    opened.append((view.id, self._open(set_id, view.id, view.digest)))
                    at_hand[view.id] = [layer for layer in stored if layer.family not in families]
                except CaptionerError as error:  # its file was damaged on the disk; the others go on
                    results.append(PictureLayers(view.id, error=error))
            for batch in make_layers(opened, plan, self.manager, only=families, stored=at_hand, batch_size=len(chunk)):
                results += batch
            failures = {
                result.picture_id: Failure(result.error.code, str(result.error))
                for result in results
                if result.error is not None
            }
            layers = [layer for result in results for layer in result.layers]
            self.workspace.put_layers(set_id, layers, run_id=run_id, label="Caption", failures=failures)
            yield from (result.error for result in results)

    def _preparing(
        self, plan: Plan, *, only: Collection[str] | None = None, published: bool = False
    ) -> Iterator[Aside]:
        """What models do once before the first picture, as steps that do not count."""
        recent: deque[tuple[str, int, float]] = deque(maxlen=PACE_STEPS)
        for name, step in pipeline.prepare_steps(plan, self.manager, only=only, published=published):
            if recent and (recent[-1][0] != step.what or recent[-1][1] == step.done):
                recent.clear()  # something else began, or a step did not get further: the pace is measured anew
            recent.append((step.what, step.done, time.monotonic()))
            _, done, since = recent[0]
            seconds_left = None
            if step.done > done:
                seconds_left = (time.monotonic() - since) / (step.done - done) * (step.total - step.done)
            text = f"{step.done:,} of {step.total:,} {step.what}"
            yield Aside(text, f"Preparing {name}", step.done, step.total, seconds_left)


def _chunks(
    todo: Sequence[tuple[View, tuple[str, ...]]], size: int
) -> Iterator[Sequence[tuple[View, tuple[str, ...]]]]:
    """Runs of neighbours that need the same families, at most `size` long."""
    chunk: list[tuple[View, tuple[str, ...]]] = []
    for item in todo:
        if chunk and (len(chunk) == size or chunk[0][1] != item[1]):
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


def _compose(layers: Sequence[Layer], plan: Plan, existing: str) -> tuple[str, str]:
    """The composed caption, and what the layers alone make where that is not it ("" without layers)."""
    composed = caption_text(layers, plan, existing).text
    if not layers:
        return composed, ""
    if existing.strip() and plan.recipe.existing == "keep":
        return composed, caption_text(layers, plan).text
    return composed, composed


def _state(view: View, composed: str) -> str:
    return "generated" if view.state == "empty" and composed else view.state


def _run_part(plan: Plan) -> dict[str, tuple[Any, ...]]:
    """By family, what identifies a layer: model and RUN settings."""
    settings = {plan.family: plan.sampling} | {choice.family: choice.settings for choice in plan.taggers}
    return {
        family: (model, *sorted(settings[family].to_mapping(Effect.RUN).items())) for model, family in plan.models()
    }


def _compose_part(plan: Plan) -> tuple[Any, ...]:
    """What decides how layers that are there become text."""
    return (
        bool(plan.captioner),
        plan.recipe,
        *((choice.family, choice.settings.to_mapping(Effect.COMPOSE)) for choice in plan.taggers),
    )


def _job_report(job: Job) -> dict[str, Any]:
    """A job as the page shows it; done counts the failed ones too, rate is pictures a second.

    total is 0 for a job that only prepares models; aside is how far a preparation is, None where none goes on.
    """
    finished = job.done + job.failed
    elapsed_s = time.time() - job.counting_since if job.counting_since else 0.0
    aside = job.aside
    return {
        "id": job.id,
        "state": job.state,
        "done": finished,
        "total": job.total,
        "failed": job.failed,
        "rate": finished / elapsed_s if finished and elapsed_s > 0 else None,
        "aside": dataclasses.asdict(aside) if aside else None,
        "message": job.message[:1].upper() + job.message[1:],
    }

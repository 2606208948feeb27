"""What the page asks of the product, answered in plain JSON values: the service joins the parts that answer.

Its own: sets, edits, the ignore list, undo. For the rest whoever asks names the part: `intake` files that come in,
`bulk` one change to many captions, `choices` what can be chosen, `kept_files` files that are settings, `kinds` kinds of
captions, `pictures` pictures to look at, `rows` captions as the page shows them, `reviews` the reviewer's mark,
`made_otherwise` captions of other settings, `doubt` words that may be false, `overview`, `near_equal` and `said_in_all`
a set at a glance, `exports` sets on their way out, `imports` sets of others on their way in, `live` one picture while a
person waits, `jobs` captioning a set and preparing models, `lab` settings compared side by side, `suggest` settings
found on a sample, `models` what takes memory. None of them holds a person's work (the workspace does) or a model (the
manager does), only what can be made again. Whoever calls has checked that values have the declared types and lengths
(`asked`); what they mean is checked here. Safe to use from many threads. Knows no Gradio and no HTTP; what a person can
mend is a CaptionerError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from captioner.captions import compose
from captioner.captions.frame import Frame
from captioner.captions.plan import Plan
from captioner.captions.recipe import Recipe
from captioner.captions.recipe_file import RecipeFile
from captioner.captions.tokens import USABLE_TOKENS, count_tokens, cut_at
from captioner.limits import MAX_CAPTION_LENGTH
from captioner.models.manager import ModelManager
from captioner.plural import plural
from captioner.records import MAIN
from captioner.service.bulk_changes import BulkChanges
from captioner.service.choices import Choices
from captioner.service.doubt import Doubt
from captioner.service.export_scopes import ExportScopes
from captioner.service.exports import Exports
from captioner.service.imports import Imports
from captioner.service.intake import Intake
from captioner.service.jobs import Jobs
from captioner.service.kept_files import KeptFiles
from captioner.service.kinds import Kinds
from captioner.service.lab import Lab
from captioner.service.live import LivePreview
from captioner.service.made_otherwise import MadeOtherwise
from captioner.service.models import ManagedBy, Models
from captioner.service.near_equal import NearEqual
from captioner.service.overview import Overview
from captioner.service.pictures import Pictures
from captioner.service.readers import Readers
from captioner.service.recent import Recent
from captioner.service.reviews import Reviews
from captioner.service.rows import Rows
from captioner.service.said_in_all import SaidInAll
from captioner.service.shares import Shares
from captioner.service.suggest import Suggest
from captioner.settings import Effect
from captioner.worker import Worker
from captioner.workspace import Workspace

LISTED_AT_ONCE = 200
"""Sets that a browser may ask for at once."""


class Service:
    """Answers for all visitors; a visitor is known by the set's id only."""

    def __init__(
        self,
        workspace: Workspace,
        worker: Worker,
        manager: ModelManager,
        allowed_ids: Sequence[str] = (),
        shares: Shares | None = None,
        *,
        managed_by: ManagedBy = "all",
    ) -> None:
        """Args: allowed_ids: as `Choices`. shares: what each may take; None for no limits. managed_by: as `Models`."""
        self._shares = shares = shares or Shares(workspace, worker)
        self.workspace = workspace
        self._counted: Recent[bytes, int] = Recent(100_000)
        self.choices = Choices(manager.models, workspace, allowed_ids)
        self.models = Models(manager, worker, self.choices, managed_by=managed_by)
        self.kept_files = KeptFiles(self.choices.groups, workspace)
        self.pictures = Pictures(workspace)
        self.kinds = Kinds(workspace, self.choices)
        self.rows = Rows(workspace, self.choices)
        self.reviews = Reviews(workspace, self.rows)
        self.bulk = BulkChanges(workspace, self.rows, self.choices)
        self.made_otherwise = MadeOtherwise(workspace, self.choices)
        self.overview = Overview(workspace, self.rows, self.choices)
        self.near_equal = NearEqual(workspace)
        self.said_in_all = SaidInAll(workspace, self.rows, self.choices, self.near_equal)
        self.export_scopes = ExportScopes()
        self.exports = Exports(workspace, self.rows, self.choices, self.made_otherwise, self.kinds, self._count)
        self.live = LivePreview(workspace, worker, manager, self.choices, self.pictures)
        self.intake = Intake(workspace, self.rows, self.live, shares)
        self.imports = Imports(workspace, self.rows, self.intake, shares)
        self.jobs = Jobs(workspace, worker, manager, self.choices, self.pictures, shares)
        readers = Readers(workspace, manager, self.pictures)
        self.lab = Lab(
            workspace, manager, choices=self.choices, pictures=self.pictures, jobs=self.jobs, readers=readers
        )
        self.suggest = Suggest(
            workspace, manager, choices=self.choices, pictures=self.pictures, jobs=self.jobs, readers=readers
        )
        self.doubt = Doubt(
            workspace,
            worker,
            manager,
            choices=self.choices,
            pictures=self.pictures,
            rows=self.rows,
            jobs=self.jobs,
            readers=readers,
        )

    # Sets and pictures

    def new_set(self, values: Mapping[str, Any] | None = None, name: str = "", user: str = "") -> dict[str, Any]:
        """A new set with the settings that the page shows; its captions are main ones, of whatever kind those are.

        Args: user: whose it is, where people have names. Raises: CaptionerError: they have, and this is nobody's.
        """
        self._shares.check_maker(user)
        plan = replace(self.choices.plan_of(values), kind=MAIN, kinds=())
        set_id = self.workspace.create_set(name, plan.to_flat())
        self._shares.claim(set_id, user)
        return {"set": set_id, "cursor": self.workspace.find_set(set_id).version}

    def open_set(self, set_id: str) -> dict[str, Any]:
        """Everything the page shows of a set, and what to tell about its settings. Raises: UnknownSet."""
        notes = (*self.workspace.damage(set_id), *self.choices.stored_plan(set_id).notes)
        return {**self.changes(set_id, -1), "notes": list(notes)}

    def changes(self, set_id: str, since: int) -> dict[str, Any]:
        """What changed since a cursor that an earlier answer gave; all of it for a cursor that is none of this set's.

        Returns: cursor; whole (rows are all there are); rows: whole ones of changed pictures, and where the settings
            changed, of all others what depends on them only; removed; name; undo, redo; job; kinds; warnings;
            notices: of the workspace itself.
        """
        changes = self.workspace.changes_since(set_id, since)
        rows = self.rows.of_views(set_id, changes.views)
        has_settings = changes.settings is not None and not changes.is_everything
        if has_settings:
            sent = {row["id"] for row in rows}
            rows += [
                {name: row[name] for name in ("id", "caption", "text", "suggestion", "revision", "state", "glitch")}
                for row in self.rows.of_views(set_id, self.workspace.views(set_id))
                if row["id"] not in sent
            ]
        return {
            "cursor": changes.version,
            "whole": changes.is_everything,
            "rows": rows,
            "removed": list(changes.removed),
            "name": changes.name,
            "settings": self.choices.page_values(self.choices.stored_plan(set_id)) if has_settings else None,
            "undo": changes.undo.label if changes.undo else None,
            "redo": changes.redo.label if changes.redo else None,
            "job": self.jobs.newest(set_id),
            "interrupted": self.jobs.history.interrupted(set_id),
            "kinds": self.kinds.of_set(set_id),
            "warnings": self.models.warnings(set_id),
            "notices": list(self.workspace.notices),
        }

    def remove_pictures(self, set_id: str, picture_ids: Sequence[str]) -> dict[str, Any]:
        """Take pictures out of the set; undo brings them back."""
        count = len(picture_ids)
        label = "Remove a picture" if count == 1 else f"Remove {plural(count, 'picture')}"
        return {"removed": list(self.workspace.remove_pictures(set_id, picture_ids, label=label).picture_ids)}

    def rename_set(self, set_id: str, name: str) -> dict[str, Any]:
        """Give the set a name; it is the zip's name too."""
        self.workspace.rename_set(set_id, name.strip())
        return {"name": name.strip()}

    def delete_set(self, set_id: str) -> dict[str, Any]:
        """Put a set into the bin, and stop what goes on with it; after 30 days it goes for good."""
        self.jobs.stop(set_id)
        self.workspace.bin.put(set_id)
        return {}

    def restore_set(self, set_id: str) -> dict[str, Any]:
        """Bring a set back from the bin. Raises: UnknownSet: it is not there."""
        self.workspace.bin.take_back(set_id)
        return {}

    def delete_for_good(self, set_id: str) -> dict[str, Any]:
        """Delete a set with its files, in the bin or not; nothing brings it back."""
        self.jobs.stop(set_id)
        self.workspace.delete_set(set_id)
        return {}

    def set_use(self, set_id: str) -> dict[str, Any]:
        """What a set takes on the disk, as `space.SetUse`.

        Returns: {"pictures", "removed", "picture_bytes", "own_bytes", "removed_bytes"}.
        """
        use = self.workspace.space.of_set(set_id)
        return {
            "pictures": use.pictures,
            "removed": use.removed,
            "picture_bytes": use.picture_bytes,
            "own_bytes": use.own_bytes,
            "removed_bytes": use.removed_bytes,
        }

    def delete_removed(self, set_id: str) -> dict[str, Any]:
        """Delete for good what was removed from a set; undo passes it over then.

        Returns: {"deleted": how many pictures}.
        Raises: CaptionerError: a job of the set goes on, which may still bring captions for them.
        """
        self.jobs.refuse_busy(set_id)
        return {"deleted": self.workspace.bin.delete_removed(set_id)}

    def known_sets(self, set_ids: Sequence[str]) -> dict[str, Any]:
        """Name, size and time of the sets that a browser opened; ids that nobody knows are left out.

        Returns: {"sets": [{"id", "name", "pictures", "changed_at"}], "bin": [{"id", "name", "pictures", "goes_at"}]}.
        """
        asked = [set_id for set_id in set_ids[:LISTED_AT_ONCE] if isinstance(set_id, str)]
        found = self.workspace.sets(asked)
        return {
            "sets": [
                {"id": kept.id, "name": kept.name, "pictures": kept.picture_count, "changed_at": kept.changed_at}
                for kept in found
            ],
            "bin": [
                {"id": one.id, "name": one.name, "pictures": one.picture_count, "goes_at": one.goes_at}
                for one in self.workspace.bin.listed(asked)
            ],
        }

    # Captions

    def save_caption(
        self,
        set_id: str,
        picture_id: str,
        text: str | None,
        base: int,
        *,
        kind: str | None = None,
        is_step: bool = False,
    ) -> dict[str, Any]:
        """Store an edit unless the stored one changed since revision `base`.

        Args: kind: of caption that it was written for, in front or not; None for the one in front. is_step: a button
            made the text, so that undo brings back what was typed before it.
        Returns: {"ok": True, "revision", "row"} or {"ok": False, "conflict", "revision", "row"}, where conflict is the
            stored edit, None if it was removed.
        Raises: UnknownSet, UnknownPicture, SettingsError, StoreError.
        """
        if kind is not None and kind != self.choices.stored_plan(set_id).kind:
            view = self.workspace.view(set_id, picture_id)
            row = self.rows.of_views(set_id, [view])[0]
            return {"ok": False, "revision": view.revision, "row": row, "conflict": view.text}
        saved = self.workspace.save_edit(set_id, picture_id, text, base, is_autosave=text is not None and not is_step)
        answer = {"ok": saved.ok, "revision": saved.revision, "row": self.rows.of_picture(set_id, picture_id)}
        return answer if saved.ok else {**answer, "conflict": saved.conflict}

    def use_preview(
        self, set_id: str, picture_id: str, values: Mapping[str, Any], seen: str, base: int
    ) -> dict[str, Any]:
        """As `LivePreview.use_preview`, with the picture's row."""
        is_used = self.live.use_preview(set_id, picture_id, values, seen, base)
        return {"ok": is_used, "row": self.rows.of_picture(set_id, picture_id)}

    def count_tokens(self, text: str, set_id: str = "") -> dict[str, Any]:
        """How many CLIP tokens a caption takes, the limit, and what lies beyond it.

        Args: set_id: whose frame stands around the text and is counted too; "" for none.
        """
        if set_id:
            text = Frame.of(self.choices.stored_plan(set_id).recipe).around(text)
        return {"tokens": count_tokens(text), "limit": USABLE_TOKENS, "beyond": text[cut_at(text, USABLE_TOKENS) :]}

    def token_counts(self, set_id: str) -> dict[str, Any]:
        """CLIP tokens of every caption of the set, by picture id."""
        rows = self.rows.of_views(set_id, self.workspace.views(set_id))
        return {"limit": USABLE_TOKENS, "counts": {row["id"]: self._count(row["caption"]) for row in rows}}

    def _count(self, text: str) -> int:
        """A caption's tokens, counted once: asking for thousands of long captions again and again costs little."""
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        count = self._counted.get(digest)
        if count is None:
            count = count_tokens(text)
            self._counted.put(digest, count)
        return count

    # Settings and edits

    def settings_changed(self, set_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Make the page's settings the set's.

        Returns: {"is_changed": whether they were others before, "recomposed": whether captions at rest read otherwise
            now, "unfollowed": ids of the edits that the settings of texts would change if they were no edits}.
        Raises: SettingsError, UnknownSet, ...
        """
        plan, before = self.choices.plan_of(values), self.choices.stored_plan(set_id)
        plan = plan.with_kinds(before.all_kinds())
        self.choices.store(set_id, plan)
        is_same = all(getattr(before.recipe, name) == getattr(plan.recipe, name) for name in compose.REWRITING)
        return {
            "is_changed": before != plan,
            "recomposed": _compose_part(before) != _compose_part(plan),
            "unfollowed": [] if is_same else list(self._rewritten_edits(set_id, plan.recipe)),
        }

    def open_recipe(self, set_id: str, text: str) -> dict[str, Any]:
        """Make a recipe's settings the set's, as a step that undo takes back.

        Args: text: of the file; what it says of pictures may be missing. Returns: {}.
        Raises: SettingsError, ModelNotFound: it is no recipe, or of a newer version, or names what is not here.
        """
        plan = self.choices.plan_of_flat(RecipeFile.read(text).settings)
        self.choices.store(set_id, plan, label="Settings of a recipe")
        return {}

    def apply_to_edits(self, set_id: str) -> dict[str, Any]:
        """Do to the edits what the set's settings do to generated texts, as one step. Returns: {"changed"}."""
        found = self._rewritten_edits(set_id, self.choices.stored_plan(set_id).recipe)
        changes = {picture_id: text for picture_id, (text, _) in found.items()}
        revisions = {picture_id: revision for picture_id, (_, revision) in found.items()}
        applied = self.workspace.apply_edits(set_id, changes, "Apply text settings to edits", revisions=revisions)
        return {"changed": len(applied.revisions)}

    def _rewritten_edits(self, set_id: str, recipe: Recipe) -> dict[str, tuple[str, int]]:
        """By picture id, the edits that the recipe would write otherwise: the new text, the revision it is made of.

        One that would grow too long stays as it is.
        """
        found = {}
        for view in self.workspace.views(set_id):
            if not view.text or view.is_damaged:
                continue
            text = compose.rewritten(view.text, recipe)
            if text != view.text and len(text) <= MAX_CAPTION_LENGTH:
                found[view.id] = (text, view.revision)
        return found

    # The ignore list, undo

    def ignore_tag(
        self, set_id: str, name: str, values: Mapping[str, Any] | None, *, is_ignored: bool
    ) -> dict[str, Any]:
        """Put a tag on the set's ignore list or take it off again, as one step that undo takes back.

        Args: values: the page's settings, stored with the new list; None takes the set's.
        Returns: {"ignore": the list now, "entries": what was put on it or taken off}.
        Raises: SettingsError, UnknownSet.
        """
        plan = self.choices.stored_plan(set_id) if values is None else self.choices.plan_of(values)
        change = compose.with_ignored if is_ignored else compose.without_ignored
        recipe = change(plan.recipe, name)
        entries = compose.ignored_by(name, recipe if is_ignored else plan.recipe)
        label = f"{'Ignore' if is_ignored else 'Stop ignoring'} {', '.join(entries) or name}"
        self.choices.store(set_id, replace(plan, recipe=recipe), label=label[:200])
        return {"ignore": recipe.ignore, "entries": list(entries)}

    def travel(self, set_id: str, *, is_undo: bool) -> dict[str, Any]:
        """Take back the newest step, or do the last one that was taken back again.

        Returns: {"label": what it was, None where there is nothing; "has_settings": whether the settings changed;
            "gone": how many of its pictures were deleted for good; "is_changed": whether it did something to others}.
        """
        change = self.workspace.undo(set_id) if is_undo else self.workspace.redo(set_id)
        if change is None or change.entry is None:
            return {"label": None, "has_settings": False, "gone": 0, "is_changed": False}
        has_settings = change.entry.kind == "settings"
        is_changed = has_settings or bool(change.picture_ids)
        label = change.entry.label
        return {"label": label, "has_settings": has_settings, "gone": change.gone, "is_changed": is_changed}


def _compose_part(plan: Plan) -> tuple[Any, ...]:
    """What decides how layers that are there become text."""
    return (
        plan.kind,
        bool(plan.captioner.model),
        plan.recipe,
        *((planned.family, planned.settings.to_mapping(Effect.COMPOSE)) for planned in plan.running()),
    )

"""What the page's script may call: each function takes one mapping of a declared shape and returns one.

What a person can mend comes back as {"error": {"code", "message"}}; a bug propagates. Anybody who reaches the page can
call these with anything, so nothing here looks into a request that its shape has not read. Decides nothing; `service`
and its parts answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from captioner.errors import SettingsError
from captioner.formats.incoming import START_BYTES, Incoming
from captioner.limits import MAX_NAME_LENGTH
from captioner.service import samples
from captioner.service.exports import ExportWish
from captioner.service.service import Service
from captioner.ui.asked import (
    Shape,
    caption,
    file_name,
    flag,
    identifier,
    label,
    like,
    listed,
    optional,
    or_null,
    present,
    settings,
    tag,
    text,
    whole,
)
from captioner.ui.asking import user
from captioner.ui.functions import ScriptFunction
from captioner.ui.functions import script_function as _function
from captioner.ui.functions import sending_function as _sending
from captioner.ui.import_functions import import_functions
from captioner.ui.keeping_functions import keeping_script_functions
from captioner.ui.lab_functions import lab_functions
from captioner.ui.model_functions import model_functions
from captioner.ui.suggest_functions import suggest_functions

_MAX_RECIPE_LENGTH = 1_000_000  # the page leaves out what a recipe says of pictures


def script_functions(service: Service) -> list[ScriptFunction]:
    """All of them, named as the script calls them."""
    picture = {"set": identifier, "id": identifier}
    of_set = {"set": identifier}
    tab = optional(identifier, "")  # who asks
    shown = optional(settings)  # the page's settings; the defaults where it has none yet
    some = optional(listed(identifier))  # pictures; all of the set where it is null
    a_file = Shape(name=file_name, start=optional(text(2 * START_BYTES)))
    two_texts = Shape(before=caption, after=caption)
    kind = text(MAX_NAME_LENGTH, "kind")
    return [
        # Sets and pictures
        _function("new_set", {"settings": shown}, lambda asked: service.new_set(asked["settings"], user=user())),
        _function("open_set", of_set, lambda asked: service.open_set(asked["set"])),
        _function(
            "changes",
            {**of_set, "since": optional(whole, -1)},
            lambda asked: service.changes(asked["set"], asked["since"]),
        ),
        _function(
            "rename_set", {**of_set, "name": label}, lambda asked: service.rename_set(asked["set"], asked["name"])
        ),
        _function(
            "sort_files",
            {"files": listed(like(a_file)), "include_masks": flag},
            lambda asked: service.intake.sort(
                [Incoming(one["name"], _bytes(one["start"])) for one in asked["files"]],
                include_masks=asked["include_masks"],
            ),
        ),
        _function("known_sets", {"sets": listed(present)}, lambda asked: service.known_sets(asked["sets"])),
        _function("samples", {}, lambda asked: samples.listed()),
        _function(
            "remove_pictures",
            {**of_set, "ids": listed(identifier)},
            lambda asked: service.remove_pictures(asked["set"], asked["ids"]),
        ),
        _function(
            "mark_reviewed",
            {**of_set, "ids": listed(identifier), "is_reviewed": flag},
            lambda asked: service.reviews.mark(asked["set"], asked["ids"], is_reviewed=asked["is_reviewed"]),
        ),
        # One picture
        _function(
            "save_caption",
            {**picture, "text": or_null(caption), "base": whole, "kind": optional(kind), "is_step": flag},
            lambda asked: service.save_caption(
                *(asked["set"], asked["id"], asked["text"], asked["base"]), kind=asked["kind"], is_step=asked["is_step"]
            ),
        ),
        _function(
            "count_tokens",
            {"text": caption, "set": optional(identifier, "")},
            lambda asked: service.count_tokens(asked["text"], asked["set"]),
        ),
        _sending(
            "preview",
            {**picture, "settings": shown, "before": shown, "is_whole": flag, "is_asked": flag, "tab": tab},
            lambda asked: asked["is_asked"] and service.jobs.asked_models(asked["set"], asked["settings"]),
            lambda asked: service.live.preview(
                asked["set"],
                asked["id"],
                asked["settings"],
                asked["before"],
                is_whole=asked["is_whole"],
                is_asked=asked["is_asked"],
                tab=asked["tab"],
            ),
        ),
        _function(
            "use_preview",
            {**picture, "settings": settings, "seen": caption, "base": whole},
            lambda asked: service.use_preview(
                asked["set"], asked["id"], asked["settings"], asked["seen"], asked["base"]
            ),
        ),
        _function(
            "settings_changed",
            {**of_set, "settings": settings},
            lambda asked: service.settings_changed(asked["set"], asked["settings"]),
        ),
        _function(
            "open_recipe",
            {**of_set, "text": text(_MAX_RECIPE_LENGTH, "the recipe")},
            lambda asked: service.open_recipe(asked["set"], asked["text"]),
        ),
        *(
            _function(f"{does}_kind", {**of_set, "kind": kind, "settings": shown}, _of_kinds(change_kinds))
            for does, change_kinds in (
                ("choose", service.kinds.choose),
                ("add", service.kinds.add),
                ("remove", service.kinds.remove),
            )
        ),
        _function("apply_to_edits", of_set, lambda asked: service.apply_to_edits(asked["set"])),
        _function("made_otherwise", of_set, lambda asked: {"ids": service.made_otherwise.of_set(asked["set"])}),
        _function("details", picture, lambda asked: service.live.details(asked["set"], asked["id"])),
        _sending(
            "draw_sentences",
            {**picture, "settings": shown},
            lambda asked: service.jobs.asked_models(asked["set"], asked["settings"]),
            lambda asked: service.live.draw_sentences(asked["set"], asked["id"], asked["settings"]),
        ),
        # The whole set
        _function("token_counts", of_set, lambda asked: service.token_counts(asked["set"])),
        _function("overview", of_set, lambda asked: service.overview.of_set(asked["set"])),
        _function("near_equal", of_set, lambda asked: service.near_equal.of_set(asked["set"])),
        _function(
            "ignore_tag",
            {**of_set, "tag": tag, "settings": shown, "is_ignored": flag},
            lambda asked: service.ignore_tag(
                asked["set"], asked["tag"], asked["settings"], is_ignored=asked["is_ignored"]
            ),
        ),
        _function(
            "preview_bulk",
            {**of_set, "ids": some, "operation": identifier, "values": settings},
            lambda asked: service.bulk.preview_bulk(asked["set"], asked["ids"], asked["operation"], asked["values"]),
        ),
        _function(
            "apply_bulk",
            {**of_set, "preview": identifier, "left_out": listed(identifier)},
            lambda asked: service.bulk.apply_bulk(asked["set"], asked["preview"], asked["left_out"]),
        ),
        _function(
            "word_diffs", {"pairs": listed(like(two_texts))}, lambda asked: service.bulk.word_diffs(asked["pairs"])
        ),
        _function(
            "export_look",
            {**of_set, "export": settings, "ids": some},
            lambda asked: _export(service.exports.look, asked),
        ),
        _function(
            "export_start",
            {**of_set, "export": settings, "ids": some},
            lambda asked: _export(service.exports.start, asked),
        ),
        _function("export_scope", {"ids": listed(identifier)}, lambda asked: service.export_scopes.name(asked["ids"])),
        _function("undo", of_set, lambda asked: service.travel(asked["set"], is_undo=True)),
        _function("redo", of_set, lambda asked: service.travel(asked["set"], is_undo=False)),
        # Doubtful words
        _function(
            "reading",
            {**picture, "text": optional(caption)},
            lambda asked: service.doubt.of_text(asked["set"], asked["id"], asked["text"]),
        ),
        _function("readings", {**of_set, "ids": some}, lambda asked: service.doubt.of_set(asked["set"], asked["ids"])),
        _function(
            "start_reading", {**of_set, "ids": some}, lambda asked: service.doubt.start(asked["set"], asked["ids"])
        ),
        # Jobs and files
        _sending(
            "start_job",
            {**of_set, "ids": some, "settings": shown, "downloads": flag, "all_kinds": optional(flag, False)},
            lambda asked: service.jobs.asked_models(asked["set"], asked["settings"], all_kinds=asked["all_kinds"]),
            lambda asked: service.jobs.start(
                *(asked["set"], asked["ids"], asked["settings"]),
                downloads=asked["downloads"],
                all_kinds=asked["all_kinds"],
            ),
        ),
        _function(
            "models_to_download",
            {"settings": settings},
            lambda asked: service.choices.to_download(asked["settings"]),
        ),
        _function(
            "model_defaults",
            {"settings": settings, "before": settings},
            lambda asked: service.choices.brought_along(asked["settings"], asked["before"]),
        ),
        _function(
            "prepare_models",
            {**of_set, "settings": shown, "published": flag},
            lambda asked: service.jobs.start_preparation(asked["set"], asked["settings"], published=asked["published"]),
        ),
        _function("stop_job", of_set, lambda asked: service.jobs.stop(asked["set"])),
        _function("jobs", of_set, lambda asked: service.jobs.told(asked["set"])),
        _sending(
            "resume_job",
            {**of_set, "job": identifier},
            lambda asked: service.jobs.resumed_request(asked["set"], asked["job"]),
            lambda asked: service.jobs.resume(asked["set"], asked["job"]),
        ),
        _function("leave_job", of_set, lambda asked: service.jobs.leave(asked["set"])),
        _sending(
            "retry_failed",
            of_set,
            lambda asked: service.jobs.asked_models(asked["set"], None),
            lambda asked: service.jobs.retry_failed(asked["set"]),
        ),
        *keeping_script_functions(service),
        *lab_functions(service),
        *import_functions(service),
        *suggest_functions(service),
        *model_functions(service),
        # The last ones: nothing of the set is there after them.
        _function("delete_set", of_set, lambda asked: service.delete_set(asked["set"])),
        _function("restore_set", of_set, lambda asked: service.restore_set(asked["set"])),
        _function("delete_for_good", of_set, lambda asked: service.delete_for_good(asked["set"])),
    ]


def _of_kinds(change: Callable[..., dict[str, Any]]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda asked: change(asked["set"], asked["kind"], asked["settings"])


def _export(answer: Callable[..., dict[str, Any]], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What one of the functions about exports says of some pictures, or of all where no ids are given."""
    ids = asked["ids"]
    return answer(asked["set"], ExportWish.read(asked["export"]), None if ids is None else frozenset(ids))


def _bytes(hexadecimal: str | None) -> bytes | None:
    """Raises: SettingsError."""
    try:
        return None if hexadecimal is None else bytes.fromhex(hexadecimal)
    except ValueError as error:
        raise SettingsError("start is no hexadecimal text; it must be a file's first bytes.") from error

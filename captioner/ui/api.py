"""The HTTP API: named Gradio endpoints for programs, each a few lines over `service`. Everything else is private.

A set's id is what gives access; a job's id carries its set's. Whatever a program sends is checked (see `_SHAPES`), and
a refusal is a gr.Error whose message is the sentence. The functions' docstrings are the endpoints' descriptions.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from captioner.captions.caption_kinds import kind_title
from captioner.captions.groups import KINDS
from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, SettingsError
from captioner.formats import passed_over
from captioner.formats.existing import is_caption_name
from captioner.formats.format import path_of
from captioner.formats.incoming import SortedFile
from captioner.formats.targets import zip_target
from captioner.service.exports import ExportWish
from captioner.service.lab import AskedAxis
from captioner.service.messages import message_of
from captioner.service.models import ACTIONS
from captioner.service.sending import SEND_PICTURES, refuse_unasked
from captioner.service.service import Service
from captioner.ui.asked import (
    Shape,
    by_name,
    caption,
    flag,
    identifier,
    label,
    listed,
    one_of,
    optional,
    present,
    settings,
    text,
    whole,
    word,
)
from captioner.ui.asking import is_operator, user
from captioner.ui.job_endpoints import JOB_SHAPES, job_functions
from captioner.ui.keeping_endpoints import KEEPING_SHAPES, keeping_functions
from captioner.ui.uploaded import name_of, path_of_upload, read, upload_folder
from captioner.workspace.checks import MAX_FOLDER_LENGTH
from captioner.workspace.lab import COLOURS

_SHAPES: Mapping[str, Shape] = {
    "new_set": Shape(),
    "add_pictures": Shape(
        set_id=identifier,
        files=listed(present),
        folders=optional(listed(text(MAX_FOLDER_LENGTH, "a folder"))),
        include_masks=flag,
    ),
    "caption_picture": Shape(set_id=identifier, picture_id=identifier, settings=settings),
    "start_captioning": Shape(set_id=identifier, settings=settings),
    "score_captions": Shape(set_id=identifier),
    "scores": Shape(set_id=identifier),
    "suggest": Shape(
        set_id=identifier,
        settings=settings,
        is_whole=optional(flag, False),
        has_penalties=optional(flag, False),
    ),
    "suggested": Shape(set_id=identifier),
    "start_sweep": Shape(
        set_id=identifier,
        picture_ids=listed(identifier),
        axes=by_name(listed(word)),
        settings=settings,
        name=optional(label, ""),
    ),
    "sweep": Shape(set_id=identifier, sweep_id=identifier, since=optional(whole)),
    "rate": Shape(
        set_id=identifier,
        sweep_id=identifier,
        picture_id=identifier,
        cell=whole,
        rating=optional(one_of(COLOURS)),
    ),
    "captions": Shape(set_id=identifier),
    "save_caption": Shape(set_id=identifier, picture_id=identifier, text=caption, base_revision=whole),
    "import_set": Shape(set_id=identifier, files=listed(present), settings=settings, look=flag),
    "export_set": Shape(set_id=identifier, export=settings),
    **KEEPING_SHAPES,
    **JOB_SHAPES,
    "models": Shape(),
    "act_on_model": Shape(action=one_of(ACTIONS), name=optional(label, "")),
}
"""What each endpoint takes, by the names of its function's parameters."""


def add_endpoints(service: Service) -> None:
    """Adds the endpoints to the page that is being laid out."""
    for function in _functions(service):
        gr.api(_answering(function), api_name=function.__name__, concurrency_limit=8)


def _functions(service: Service) -> tuple[Callable[..., Any], ...]:
    def _plan(settings: Mapping[str, Any]) -> tuple[Plan, bool]:
        """What settings plan, and whether pictures may leave this machine for it."""
        plain = {name: value for name, value in settings.items() if name != SEND_PICTURES}
        return service.choices.plan_of_flat(plain), flag(settings.get(SEND_PICTURES), SEND_PICTURES)

    def new_set() -> str:
        """Makes an empty caption set and returns its id; who knows the id may see and change the set."""
        return str(service.new_set(user=user())["set"])

    def add_pictures(
        set_id: str,
        files: list[gr.FileData],
        folders: list[str] | None = None,
        include_masks: bool = False,
    ) -> dict:  # type: ignore[type-arg]
        """Adds pictures, and caption files (.txt, .caption) to the pictures of their names; returns {"added",
        "refused", "notes"}: [{"id", "name", "folder"}], [{"name", "code", "message"}], sentences.

        folders: of each file, such as "10_sks dog" (gradio_client's handle_file keeps no folder); where it is null, an
        orig_name may begin with it ("10_sks dog/1.png"). A picture that is there under its name and folder is not
        doubled. include_masks: take files named as masks.
        """
        service.workspace.find_set(set_id)
        if folders is not None and len(folders) != len(files):
            raise SettingsError(f"folders are {len(folders)} and files are {len(files)}; each file needs one.")
        found, refused = [], []
        for place, file in enumerate(files):
            sent = name_of(file) or f"file {place + 1}"
            folder, _, name = sent.rpartition("/")
            folder = folder if folders is None else folders[place]
            if passed_over.reason_for_path(path_of(folder, name), include_masks=include_masks) == "mask":
                message = "it is named as a mask; include_masks takes it."
                refused.append({"name": path_of(folder, name), "code": "mask", "message": message})
                continue
            found.append((SortedFile(folder, name, is_caption=is_caption_name(name)), functools.partial(read, file)))
        answer = service.intake.add_files(set_id, found)
        added = [{name: row[name] for name in ("id", "name", "folder")} for row in answer["rows"]]
        return {"added": added, "refused": refused + answer["refused"], "notes": answer["notes"]}

    def caption_picture(set_id: str, picture_id: str, settings: dict) -> str:  # type: ignore[type-arg]
        """Captions one picture, stores what the models said and returns the caption; an edit stays.

        settings: names and values as on the command line, {"num_beams": 5, "wd14": "default"}; the rest is default.
        "send_pictures": true must be among them where a model runs elsewhere (an endpoint that is not this machine),
        since the picture leaves this machine then; so in all calls that take such settings.
        """
        plan, may_send = _plan(settings)
        refuse_unasked(plan.to_flat(), may_send=may_send)
        return service.live.caption_one(set_id, picture_id, plan)

    def start_captioning(set_id: str, settings: dict) -> str:  # type: ignore[type-arg]
        """Starts captioning all pictures and returns the job's id, "" when these settings made all captions already.

        settings: as for caption_picture. kinds among them, {"short": {"captioner": "blip-base", "max_length": 12}},
        are further captions of each picture, with a captioner and taggers of their own, and are made too; kind names
        the one in front, which exports take where a format has one caption a picture.
        """
        plan, may_send = _plan(settings)
        whole = service.choices.knowing_kinds(set_id, plan) if KINDS in settings else plan
        refuse_unasked(whole.to_flat(), may_send=may_send)
        job = service.jobs.start_plan(set_id, None, plan, all_kinds=KINDS in settings)["job"]
        return f"{set_id}.{job['id']}" if job else ""

    def score_captions(set_id: str) -> str:
        """Starts reading captions for doubtful words and returns the job's id, "" when all were read as they are."""
        job = service.doubt.start(set_id, None)["job"]
        return f"{set_id}.{job['id']}" if job else ""

    def scores(set_id: str) -> list:  # type: ignore[type-arg]
        """What was read of the captions: [{"id", "text", "is_stale", "score", "false_words", "of_words", "doubts"}].

        score is how doubtful the worst word is, 0 to 1: the probability that it is false, or for models that were never
        measured the share of the set's words that are less doubtful, null until enough was read. doubts are [{"word",
        "start", "end", "is_strong", "probability", "rank", "better", "change", "why"}]: change is null or [start, end,
        text] that puts the better word in. is_stale: the settings name other models now. A caption that changed since
        is left out.
        """
        return service.doubt.doubts(set_id)

    def suggest(
        set_id: str,
        settings: dict,  # type: ignore[type-arg]
        is_whole: bool = False,
        has_penalties: bool = False,
    ) -> str:
        """Starts looking for settings that promise clearly more than these, and returns the job's id; applies none.

        On 30 pictures spread over the set, on all with is_whole. 20 settings (beams by minimum length) and a length
        for each picture; with has_penalties 80, where more words look like more truth.
        """
        plan, may_send = _plan(settings)
        refuse_unasked(plan.to_flat(), may_send=may_send)
        started = service.suggest.start(set_id, plan, is_whole=is_whole, has_penalties=has_penalties)
        return f"{set_id}.{started['job']['id']}"

    def suggested(set_id: str) -> dict:  # type: ignore[type-arg]
        """What the set's newest search has found so far: {"state": "none|waiting|running|done|cancelled|failed",
        "found": null or {"pictures", "sentence", "dots", "proposals", "fitted", "cautions", "asked", "notes"},
        "failed": sentences, "rule"}.

        dots: what each settings promise in words a caption, yours (is_base) among them: [{"title", "settings",
        "true_words", "false_words": at least so many, "gain", "error", "false_gain", "is_clear", ...}]. proposals:
        those that are clearly better, best first: [{"dot": its place in dots, "about", "examples": [{"name": the
        picture's id, "before", "after", ...}]}]; fitted: the same of a length for each picture.
        """
        return {name: value for name, value in service.suggest.read(set_id).items() if name != "job"}

    def start_sweep(
        set_id: str,
        picture_ids: list[str],
        axes: dict,  # type: ignore[type-arg]
        settings: dict,  # type: ignore[type-arg]
        name: str = "",
    ) -> str:
        """Starts comparing settings on 1 to 8 pictures and returns the sweep's id; changes no caption.

        axes: one to three settings with the values to try, {"q_factor": [0.6, 1, 1.4], "min_length": [5, 10, 15]}, x
        first; models (captioner, wd14, ...), preset and kind may be axes too, at most 400 cells. settings: of what is
        on no axis, as for caption_picture.
        """
        asked = [AskedAxis(setting, values) for setting, values in axes.items()]
        plan, may_send = _plan(settings)
        refuse_unasked(service.lab.asked_models(set_id, asked, plan), may_send=may_send)
        started = service.lab.start(set_id, picture_ids, asked, plan, name)
        return str(started["sweep"])

    def sweep(set_id: str, sweep_id: str, since: int | None = None) -> dict:  # type: ignore[type-arg]
        """A sweep as far as it is: {"sweep", "cells", "groups", "cursor"}.

        sweep: {"state": "waiting|running|done|cancelled|failed", "message", "done", "total", "axes", "pictures",
        "base_cell", "notes", "asked": the models that scored, "scores": [{"name", "title", "about", "better"}], ...}.
        cells: those that changed since a cursor that an earlier call gave, all of them for null: [{"picture", "cell",
        "caption", "text": without prefix and suffix, "error", "rating", "group": the letter of equal captions,
        "marks": [[start, end]] of words that differ from the base cell, "scores": {name: number or null}, "parts",
        "doubts": [{"start", "end", "probability", "share", "better", "why"}], ...}]; a cell's number counts x fastest.
        groups: {picture: {letter: why these captions are equal}}. /sets/SET/sweeps/SWEEP.html, .png, .csv and .json
        are the sweep as files.
        """
        return service.lab.read(set_id, sweep_id, since)

    def rate(set_id: str, sweep_id: str, picture_id: str, cell: int, rating: str | None = None) -> dict:  # type: ignore[type-arg]
        """Rates the caption of a cell green, yellow or red, null for none; undo takes it back.

        Returns {"cells": [{"picture", "cell", "rating"}]}: all cells with the same words of that picture.
        """
        return service.lab.rate(set_id, sweep_id, picture_id, cell, rating)  # type: ignore[arg-type]  # the shape's

    def captions(set_id: str) -> list:  # type: ignore[type-arg]
        """The captions in upload order: [{"id", "name", "folder", "caption", "text", "state", "edited", "revision",
        "glitch", "kinds": {name: caption} of the kinds that are not in front}].

        caption is as exported, with prefix and suffix; text is without them, and what save_caption takes. state is
        empty, existing (the caption came along with the picture), generated, edited or failed. glitch is what is wrong
        with what the captioner said: empty, thinking, refusal, character, loop or cut; "" where nothing is.
        """
        rows = service.open_set(set_id)["rows"]
        kinds = service.kinds.captions(set_id, service.workspace.views(set_id))
        return [
            {
                **{
                    name: row[name]
                    for name in ("id", "name", "folder", "caption", "text", "state", "revision", "glitch")
                },
                "edited": row["state"] == "edited",
                "kinds": {kind_title(kind): text for kind, text in kinds.get(row["id"], {}).items()},
            }
            for row in rows
        ]

    def save_caption(set_id: str, picture_id: str, text: str, base_revision: int) -> dict:  # type: ignore[type-arg]
        """Stores an edit unless the caption changed since base_revision. Prefix and suffix are put around it, once.

        Returns {"ok": true, "revision"}, or {"ok": false, "conflict": the stored text, "revision"}.
        """
        answer = service.save_caption(set_id, picture_id, text, base_revision)
        if answer["ok"]:
            return {"ok": True, "revision": answer["revision"]}
        return {"ok": False, "conflict": answer["row"]["text"], "revision": answer["revision"]}

    def import_set(
        set_id: str,
        files: list[gr.FileData],
        settings: dict,  # type: ignore[type-arg]
        look: bool = False,
    ) -> dict:  # type: ignore[type-arg]
        """Takes over what others made: zips and shards with their pictures, or lists (JSON, JSONL, CSV, YAML, Parquet)
        for pictures that are in the set. Returns {"form", "title", "captions", "pictures", "first", "without_picture",
        "without_caption", "notes"}, and {"refused"} unless look, which takes nothing.

        settings: {"form": "auto", "lines": "all|first", "encoding": "utf-8|cp1252|cp932|cp949", "replace": false}.
        """
        with contextlib.ExitStack() as stack:
            sent = [(name_of(file) or "file", stack.enter_context(path_of_upload(file).open("rb"))) for file in files]
            return service.imports.take_all(set_id, sent, settings, is_look=look)

    def export_set(set_id: str, export: dict) -> dict:  # type: ignore[type-arg]
        """Returns a zip of the set. export: {"format": "txt|caption|kohya|...", "with_pictures": false}.

        format: caption files, a list, or a trainer (the names of the command line's --format), which takes base_model,
        repeats, trigger_word, set_folder and with_pictures as there. Without a format it is txt.
        """
        planned = service.exports.planned(set_id, ExportWish.read(export))
        folder = Path(tempfile.mkdtemp(prefix="export-", dir=upload_folder()))  # see captioner.temporary
        path = folder / f"{planned.name}.zip"
        with zip_target(path) as sink:
            planned.write(sink)
        return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def models() -> dict:  # type: ignore[type-arg]
        """What models there are: {"models": [{"name", "family", "kind", "source", "licence", "state":
        "absent|downloading|downloaded|loading|resident|offloaded|failed", "device", "precision", "runtime",
        "size_bytes", "needs_bytes", "steps_back": names, "last_used", "failure", "download": null or {"done_bytes",
        "total_bytes", "bytes_a_second", "seconds_left"}, ...}], "memory": null or {"device", "used_bytes",
        "budget_bytes", "offloaded_bytes", "ram_budget_bytes"}, "may_manage", "locked": why not}.
        steps_back: who would for this one.
        """
        return service.models.report(is_operator=is_operator())

    def act_on_model(action: str, name: str = "") -> dict:  # type: ignore[type-arg]
        """Loads, unloads, downloads or verifies a model, stops its download, or frees the device of all (no name).

        action: load, unload, download, stop, verify or free; with users, operators only. Returns {"said"} at
        once; /models tells how it went on.
        """
        return service.models.act(action, name, is_operator=is_operator())

    return (
        *(new_set, add_pictures, caption_picture, start_captioning, score_captions),
        *(suggest, suggested, start_sweep, sweep, rate),
        *(scores, captions, save_caption, import_set, export_set),
        *(models, act_on_model),
        *keeping_functions(service),
        *job_functions(service),
    )


def _answering(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, given checked values, with errors that a person can mend as gr.Error."""
    shape, signature = _SHAPES[function.__name__], inspect.signature(function)

    @functools.wraps(function)
    def answer(*values: Any, **named: Any) -> Any:
        try:
            return function(**shape.read(signature.bind(*values, **named).arguments))
        except CaptionerError as error:
            raise gr.Error(message_of(error)["message"], print_exception=False) from error

    return answer

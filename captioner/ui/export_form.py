"""The form of the page's download, drawn from the registry of targets and what their sets' settings declare.

Knows no single trainer: a further one has its place as soon as it is registered.
"""

from __future__ import annotations

import html
import json

from captioner.formats.sidecars import WRITERS
from captioner.formats.trainers.registry import TARGETS
from captioner.formats.trainers.target import BASE_MODELS, SetSettings
from captioner.settings import Field

_PLAIN = {"txt": "One .txt file a picture", "caption": "One .caption file a picture"}
_WORDS = {
    **BASE_MODELS,
    "one": "one, as it stands",
    "sentence": "one: the sentence alone",
    "tags": "one: the tags alone",
    "parts": "three: both, and each alone",
    "kinds": "those of every kind",
    "best": "several: the best sentences, with the tags",
    "needed": "those the trainer cannot read as they are",
    "none": "none; they leave as they came",
    "all": "all: upright, sRGB, no transparency",
    "same": "its own type",
    "png": "PNG",
    "jpeg": "JPEG",
    "webp": "WebP",
}
"""What the words of the settings' choices are called."""
_FIRST = ("base_model", "repeats", "trigger_word", "set_folder")
_OF_CAPTIONS = ("captions", "best_captions")
_OF_PICTURES = ("conversion", "longest_edge", "picture_type", "picture_quality")


def with_export_form(template: str) -> str:
    """The workbench's HTML with the formats and their settings in it."""
    fields = {field.name: field for field in SetSettings.fields()}
    first = "".join(_field(fields[name]) for name in _FIRST)
    of_captions = "".join(_field(fields[name]) for name in _OF_CAPTIONS)
    of_pictures = "".join(_field(fields[name]) for name in _OF_PICTURES)
    return (
        template.replace("<!-- formats -->", _formats())
        .replace("<!-- settings of sets -->", first)
        .replace("<!-- settings of captions -->", of_captions)
        .replace("<!-- settings of pictures -->", of_pictures)
    )


def _formats() -> str:
    trainers = "".join(_option(name) for name, target in TARGETS.items() if target.is_trainer)
    lists = "".join(_option(name) for name, target in TARGETS.items() if not target.is_trainer)
    heeds = _escaped(json.dumps(["with_pictures"]))
    plain = "".join(
        f'<option value="{name}" data-heeds="{heeds}"{" selected" if name == "txt" else ""}>{_PLAIN[name]}</option>'
        for name in WRITERS
    )
    return (
        f'<optgroup label="Trainers">{trainers}</optgroup>'
        f'<optgroup label="Plain files, for scripts">{plain}{lists}</optgroup>'
    )


def _option(name: str) -> str:
    target = TARGETS[name]
    heeds, models = (_escaped(json.dumps(words)) for words in (target.heeds, target.base_models))
    mark = " data-trainer" if target.is_trainer else ""
    title = _escaped(target.title)
    return f'<option value="{name}" data-heeds="{heeds}" data-models="{models}"{mark}>{title}</option>'


def _choice(option: str, *, is_default: bool) -> str:
    return f'<option value="{option}"{" selected" if is_default else ""}>{_escaped(_WORDS[option])}</option>'


def _field(field: Field) -> str:
    about = f"cw-export-{field.name}"
    given = f'name="{field.name}" aria-describedby="{about}"'
    when = f' data-when="{_escaped(json.dumps(field.only_when))}"' if field.only_when else ""
    if field.options:
        options = "".join(_choice(option, is_default=option == field.default) for option in field.options)
        box = f"<select {given}>{options}</select>"
    elif field.kind is str:
        box = f'<input type="text" {given} maxlength="{field.max_length}" autocomplete="off" spellcheck="false">'
    else:
        box = (
            f'<input type="number" {given} min="{field.minimum:g}" max="{field.maximum:g}" step="1"'
            f' value="{field.default}" required>'
        )
    first = field.plain_help.partition(". ")[0].rstrip(".")
    unit = f" ({field.unit})" if field.unit else ""
    return (
        f'<div class="cw-stack cw-export-field" data-setting="{field.name}"{when}><label class="cw-stack">'
        f'{_escaped(field.title)}{unit} {box}</label><small id="{about}">{_escaped(first)}.</small></div>'
    )


def _escaped(text: str) -> str:
    """The text as HTML that Gradio may take for a JavaScript template, which knows backslashes."""
    return html.escape(text).replace("\\", "&#92;")

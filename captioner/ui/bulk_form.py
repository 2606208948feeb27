"""The form of the page's bulk changes, drawn from what the operations declare: a list, and a row of fields for each.

Knows no single operation: a further one has its row as soon as it is declared.
"""

from __future__ import annotations

import html
import json
from itertools import groupby

from captioner.captions.bulk import OPERATIONS
from captioner.captions.bulk.operation import Operation
from captioner.settings import Field


def with_operations(template: str) -> str:
    """The workbench's HTML with the operations in it."""
    return template.replace("<!-- operations -->", _options()).replace("<!-- fields of operations -->", _rows())


def _escaped(text: str) -> str:
    """The text as HTML that Gradio may take for a JavaScript template, which knows backslashes."""
    return html.escape(text).replace("\\", "&#92;")


def _options() -> str:
    groups = []
    for group, operations in groupby(OPERATIONS.values(), key=lambda operation: operation.group):
        options = "".join(
            f'<option value="{one.key}" data-verb="{_escaped(one.verb)}"{" data-takes-away" if one.takes_away else ""}>'
            f"{_escaped(one.title)}</option>"
            for one in operations
        )
        groups.append(f'<optgroup label="{_escaped(group)}">{options}</optgroup>')
    return "".join(groups)


def _rows() -> str:
    return "".join(
        f'<fieldset class="cw-row cw-operation" data-operation="{operation.key}"'
        f' aria-label="{_escaped(operation.title)}" hidden disabled>'
        f"{''.join(_field(operation, field) for field in operation.fields())}</fieldset>"
        for operation in OPERATIONS.values()
    )


def _field(operation: type[Operation], field: Field) -> str:
    name, title = field.name, _escaped(field.title)
    given = f'name="{name}" title="{_escaped(field.plain_help)}"{" data-needed" if name in operation.needed else ""}'
    if name in operation.pictures:
        box = f'<input type="hidden" {given} data-picture><span class="cw-bulk-source"></span>'
        return f'<div class="cw-stack cw-grow">{title} {box}</div>'
    when = f' data-when="{_escaped(json.dumps(field.only_when))}"' if field.only_when else ""
    if field.kind is bool:
        checked = " checked" if field.default else ""
        return f'<label class="cw-check"{when}><input type="checkbox" {given}{checked}> {title}</label>'
    if field.options:
        options = "".join(
            f'<option value="{option}"{" selected" if option == field.default else ""}>'
            f"{_escaped(operation.titles[option])}</option>"
            for option in field.options
        )
        return f'<label class="cw-stack"{when}>{title} <select {given}>{options}</select></label>'
    if field.kind is str:
        example = operation.examples.get(name)
        box = (
            f'<input type="text" {given} maxlength="{field.max_length}" autocomplete="off"'
            + (f' placeholder="{_escaped(example)}"' if example else "")
            + (' list="cw-tags"' if name in operation.tags else "")
        )
        return f'<label class="cw-stack cw-grow"{when}>{title} {box}></label>'
    step = "any" if field.kind is float else "1"
    return (
        f'<label class="cw-stack"{when}>{title} <input type="number" {given} min="{field.minimum:g}"'
        f' max="{field.maximum:g}" step="{step}" value="{field.default}" required></label>'
    )

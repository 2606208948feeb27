"""The form of bulk changes on the page: every operation has a row in it, with all that it declares."""

from __future__ import annotations

import re

from captioner.captions.bulk import OPERATIONS
from captioner.ui import workbench
from captioner.ui.bulk_form import with_operations

FORM = with_operations(workbench.read("workbench.html"))


def _row(key: str) -> str:
    found = re.search(rf'<fieldset [^>]*data-operation="{key}".*?</fieldset>', FORM)
    assert found is not None
    return found.group()


def test_every_operation_has_a_row_with_all_its_fields() -> None:
    for key, operation in OPERATIONS.items():
        assert f'<option value="{key}" data-verb="{operation.verb}"' in FORM
        row = _row(key)
        assert re.findall(r'name="(\w+)"', row) == [field.name for field in operation.fields()]
        assert row.count(" data-needed") == len(operation.needed)
        for field in operation.fields():
            assert all(f'<option value="{option}"' in row for option in field.options)
    marks = re.findall("<!--.*?-->", FORM)
    assert [mark for mark in marks if "operations" in mark] == []


def test_a_row_says_what_its_fields_take_and_when() -> None:
    assert 'min="0" max="100" step="1" value="0" required' in _row("sort")
    assert 'data-when="[&quot;front&quot;, [&quot;count&quot;]]"' in _row("sort")
    assert '<option value="end" selected>at the end</option>' in _row("tag")
    assert 'maxlength="500"' in _row("tag")
    assert 'list="cw-tags"' in _row("tag")
    assert 'placeholder="sks dog"' in _row("subject")
    assert 'type="checkbox" name="plural"' in _row("subject")
    assert 'type="hidden" name="source"' in _row("copy")
    assert re.findall(r'<option value="(\w+)"[^>]* data-takes-away', FORM) == ["clear"]


def test_the_form_is_plain_html_where_gradio_reads_it_as_a_template() -> None:
    for sign in ("{{", "${", "`", "\\"):
        assert sign not in FORM

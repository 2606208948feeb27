"""The form of the download, drawn from the targets and their settings."""

from __future__ import annotations

import html
import json
import re

from captioner.formats.sidecars import WRITERS
from captioner.formats.trainers.registry import TARGETS
from captioner.formats.trainers.target import SetSettings
from captioner.ui import workbench
from captioner.ui.export_form import with_export_form

DRAWN = with_export_form(workbench.read("workbench.html"))


def test_every_target_can_be_chosen_trainers_first_and_plain_files_last() -> None:
    offered = re.findall(r'<option value="([\w-]+)" data-heeds="([^"]*)"', DRAWN)
    lists = [name for name, target in TARGETS.items() if not target.is_trainer]
    trainers = [name for name, target in TARGETS.items() if target.is_trainer]
    assert [name for name, _ in offered] == [*trainers, *WRITERS, *lists]
    for name, heeds in offered:
        expected = TARGETS[name].heeds if name in TARGETS else ("with_pictures",)
        assert tuple(json.loads(html.unescape(heeds))) == expected


def test_every_setting_that_a_target_heeds_has_one_field() -> None:
    fields = [field.name for field in SetSettings.fields()]
    assert sorted(re.findall(r'data-setting="(\w+)"', DRAWN)) == sorted(fields)
    assert {name for target in TARGETS.values() for name in target.heeds} <= set(fields)
    assert "<!-- settings of" not in DRAWN and "<!-- formats" not in DRAWN

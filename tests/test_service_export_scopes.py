"""A download of some pictures: which ones, what is said of it before, and what the zip then holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.errors import CaptionerError, ExportError
from captioner.service.export_scopes import ExportScopes
from captioner.service.service import Service
from tests.service_makers import RED, export_notes, export_zip, set_with


def test_a_choice_has_the_same_name_in_any_order_and_none_is_all() -> None:
    scopes = ExportScopes()
    assert scopes.name(["b", "a"]) == scopes.name(["a", "b", "a"])
    assert scopes.ids(scopes.name(["b", "a"])["scope"]) == {"a", "b"}
    assert scopes.ids("") is None


def test_what_was_forgotten_is_said_and_not_taken_for_all() -> None:
    with pytest.raises(CaptionerError, match="open Download again"):
        ExportScopes().ids("a1b2")


def test_a_zip_of_some_pictures_holds_those_alone(service: Service, tmp_path: Path) -> None:
    set_id, [first, second] = set_with(service, RED, (20, 20, 200))
    service.save_caption(set_id, second, "one\ntwo", 0)
    chosen = service.export_scopes.ids(service.export_scopes.name([second, "gone"])["scope"])
    assert len(export_zip(service, set_id, tmp_path / "set.zip", with_pictures=True, only=chosen)) == 3
    [note] = export_notes(service, set_id, format="txt", with_pictures=False, only=chosen)
    assert "has several lines" in note
    assert "lines" not in str(export_notes(service, set_id, format="txt", with_pictures=False, only={first}))
    with pytest.raises(ExportError, match="none of the chosen pictures"):
        export_zip(service, set_id, tmp_path / "none.zip", format="txt", with_pictures=False, only=frozenset({"gone"}))

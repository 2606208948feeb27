"""Errors as messages."""

from __future__ import annotations

import pytest

from captioner.errors import SettingsError
from captioner.service.messages import message_of


def test_errors_become_messages_in_one_place_and_bugs_do_not() -> None:
    assert message_of(SettingsError("count is 10; it must be less.")) == {
        "code": "bad_setting",
        "message": "Count is 10; it must be less.",
    }
    assert message_of(SettingsError("num_beams is 500; it must be less."))["message"].startswith("num_beams")
    with pytest.raises(KeyError):
        message_of(KeyError("a bug"))

"""Errors as messages."""

from __future__ import annotations

import pytest

from captioner.errors import CaptionerError, SettingsError
from captioner.service.messages import message_of


def test_errors_become_messages_in_one_place_and_bugs_do_not() -> None:
    assert message_of(SettingsError("count is 10; it must be less.")) == {
        "code": "bad_setting",
        "message": "Count is 10; it must be less.",
    }
    assert message_of(SettingsError("num_beams is 500; it must be less."))["message"].startswith("num_beams")
    with pytest.raises(KeyError):
        message_of(KeyError("a bug"))


def test_a_message_that_quotes_half_a_character_can_be_sent() -> None:
    assert message_of(CaptionerError("No \ud83d here."))["message"] == "No \ufffd here."

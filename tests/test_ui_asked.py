"""What anybody may send to the script's functions and the API: an answer or a refusal in words, whatever it is."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest

from captioner.errors import SettingsError
from captioner.limits import MAX_PICTURES
from captioner.service.service import Service
from captioner.ui import api, asked
from captioner.ui.asked import Shape
from captioner.ui.script_functions import script_functions
from captioner.ui.uploaded import upload_folder
from tests.service_makers import RED, page_values, png, set_with

JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**63), 10**400, float("nan"), float("inf"), 1e308),
    *(
        "",
        "a",
        "\ud83d",
        "\0",
        "../../etc/passwd",
        "a" * 1_001,
        "a" * 10_001,
        "\x1b[2J\n",
        "beam",
        "pattern",
        "(",
        "default",
    ),
    *([], {}, [[]], [None], {"": ""}, {"a": {"b": [{}]}}, {"path": "/etc/passwd"}, [{"path": "a\0b"}], [7, "a"]),
    *({"after": "b", "revision": 0}, {"x": {"after": 7, "revision": 1e308}}, {"num_beams": [3]}, {"preset": []}),
    *({"captioner": {}, "wd14": 7}, {"clip_on": "x", "clip": None}, {"find": "a", "how": []}, {"q_factor": 10**400}),
    *({"ignore": "\ud83d"}, {"a" * 10_000: 1}, {"format": {}, "with_pictures": "x"}, {"threshold": float("nan")}),
]


def junk_requests(
    numbers: random.Random, names: list[str], good: dict[str, Any], count: int
) -> Iterator[dict[str, Any]]:
    """Requests of which some names are good, some missing, the others of any shape."""
    for _ in range(count):
        request = {}
        for name in names:
            chance = numbers.random()
            if chance < 0.7 and name in good:
                request[name] = good[name]
            elif chance < 0.95:
                request[name] = numbers.choice(JUNK)
        if numbers.random() < 0.1:
            request["other"] = numbers.choice(JUNK)
        yield request


def good_values(service: Service) -> dict[str, Any]:
    set_id, [picture] = set_with(service, RED)
    return {
        "set": set_id,
        "set_id": set_id,
        "id": picture,
        "picture_id": picture,
        "ids": [picture],
        "text": "a cat",
        "base": 0,
        "base_revision": 0,
        "since": 0,
        "label": "Replace",
        "name": "cats",
        "tag": "hat",
        "operation": "replace",
        "values": {"find": "a"},
        "changes": {picture: {"after": "b", "revision": 0}},
        "pairs": [{"before": "a cat", "after": "a dog"}],
        "sets": [set_id],
        "names": ["words"],
        "field": "clip_vocabulary",
        "is_ignored": True,
        "files": [{"name": "a/1.png"}, {"name": "a/1.txt", "start": "ffd8"}],
        "folders": ["a", ""],
        "settings": page_values(service),
        "export": {"format": "txt"},
        "job_id": f"{set_id}.1",
    }


def test_whatever_the_script_sends_is_answered_or_refused_in_words(service: Service) -> None:
    good = good_values(service)
    names = sorted(good)
    numbers = random.Random(11)
    calls = 0
    codes: set[str] = set()
    for function in script_functions(service):
        for request in [*JUNK, *junk_requests(numbers, names, good, 60)]:
            reply = function(request)
            assert isinstance(reply, dict)
            if "error" in reply:
                assert set(reply["error"]) == {"code", "message"}
                assert reply["error"]["message"]
                codes.add(reply["error"]["code"])
            json.dumps(reply, allow_nan=False, ensure_ascii=False).encode()
            calls += 1
    assert calls > 1_500
    assert {"bad_setting", "unknown_set", "unknown_picture"} <= codes


def test_whatever_a_program_sends_is_answered_or_refused_in_words(service: Service) -> None:
    good = {**good_values(service), "settings": {"num_beams": 2}}
    numbers = random.Random(12)
    for function in api._functions(service):
        endpoint = api._answering(function)
        names = list(inspect.signature(function).parameters)
        for request in junk_requests(numbers, names, good, 80 if names else 1):
            values = [request.get(name, numbers.choice(JUNK)) for name in names]
            try:
                reply = endpoint(*values)
            except gr.Error as error:
                assert error.message
            else:
                json.dumps(reply, allow_nan=False, ensure_ascii=False).encode()


def test_a_picture_that_is_no_upload_costs_only_itself(service: Service) -> None:
    [add] = [api._answering(function) for function in api._functions(service) if function.__name__ == "add_pictures"]
    set_id = service.new_set()["set"]
    stored = upload_folder() / "red.png"
    stored.write_bytes(png(RED))
    files = [
        {"path": str(stored)},
        {"path": "/etc/passwd"},
        7,
        {"path": "a\0b", "orig_name": "b\ud83d"},
        {"path": str(stored)},
    ]
    answer = add(set_id, files)
    assert [one["name"] for one in answer["added"]] == ["red.png", "red.png"]
    assert [one["name"] for one in answer["refused"]] == ["passwd", "file 3", "b\\ud83d"]
    assert {one["message"] for one in answer["refused"]} == {
        "Files must be uploaded first; gradio_client's handle_file does it."
    }


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (asked.identifier, asked.MISSING, "it is missing from the request"),
        (asked.identifier, "a" * 65, "it has 65 characters; at most 64"),
        (asked.caption, ["a"], "the caption is list; it must be text"),
        (asked.flag, "yes", "it is str; it must be true or false"),
        (asked.listed(asked.identifier), "abc", "it are str; they must be a list"),
        (asked.listed(asked.identifier), ["a", 7], "one of it is int; it must be text"),
        (asked.listed(asked.identifier), ["a"] * (MAX_PICTURES + 1), "it are 100,001; at most 100,000"),
        (asked.like(Shape(after=asked.caption)), 7, "the request is int; it must be a mapping"),
        (asked.or_null(asked.caption), asked.MISSING, "it is missing from the request"),
    ],
)
def test_a_value_of_another_shape_is_refused_by_its_name(
    check: Callable[[Any, str], Any], value: Any, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        check(value, "it")


def test_what_may_be_left_out_has_its_default() -> None:
    shape = Shape(a=asked.optional(asked.whole, -1), b=asked.flag, c=asked.or_null(asked.caption))
    assert shape.read({"c": None, "d": "not asked for"}) == {"a": -1, "b": False, "c": None}


def test_every_endpoint_declares_what_it_takes(service: Service) -> None:
    for function in api._functions(service):
        assert list(api._SHAPES[function.__name__].names) == list(inspect.signature(function).parameters)

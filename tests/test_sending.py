"""A program must say that pictures may leave this machine; where none would, it need not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from captioner.captions.groups import CAPTIONER
from captioner.errors import CaptionerError
from captioner.models import registry
from captioner.models.endpoint import addresses
from captioner.models.named_servers import add_named_servers
from captioner.service import sending
from captioner.service.lab import AskedAxis
from captioner.service.service import Service
from captioner.service.sweep_grids import to_stored
from captioner.ui import api
from captioner.ui.functions import sending_function
from captioner.ui.script_functions import script_functions
from tests.service_makers import RED, page_values, set_with

FAR = {"captioner": "far"}


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch, service: Service) -> Iterator[None]:
    """Two endpoints, one of them on this machine; none is ever asked."""
    monkeypatch.setattr(registry, "MODELS", registry.MODELS)
    add_named_servers(["far=https://captions.example.org", "near=http://127.0.0.1:9"])
    service.choices._known_models[CAPTIONER] |= {"far", "near"}
    yield
    addresses.forget_all()


def _calls(service: Service, settings: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """What each endpoint that may send pictures is called with, by name."""
    set_id, ids = set_with(service, RED)
    service.settings_changed(set_id, page_values(service, **settings))
    service.workspace.put_failure(set_id, ids[0], _failure())
    return {
        "caption_picture": (set_id, ids[0], settings),
        "start_captioning": (set_id, settings),
        "suggest": (set_id, settings),
        "start_sweep": (set_id, ids, {"captioner": ["", *settings.values()]}, {}),
        "retry_failed": (set_id,),
        "resume_job": (f"{set_id}.7",),
    }


def _failure() -> Any:
    from captioner.workspace.records import Failure

    return Failure("model_failed", "it did not answer.")


@pytest.fixture
def functions(service: Service, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The endpoints by name; a job that was cut off asked for the far server."""
    monkeypatch.setattr(service.jobs, "resumed_request", lambda set_id, job: {"settings": FAR})
    return {function.__name__: function for function in api._functions(service)}


def test_every_call_that_would_send_pictures_away_is_refused_until_it_says_so(
    service: Service, functions: dict[str, Any]
) -> None:
    calls = _calls(service, FAR)
    parameters = {name: set(inspect.signature(one).parameters) for name, one in functions.items()}
    takes = {name for name, one in parameters.items() if one & {"send_pictures", "settings"}} - {"import_set"}
    assert takes == set(calls)
    for name, values in calls.items():
        with pytest.raises(
            CaptionerError, match=r"sends pictures to captions\.example\.org; .*send_pictures: true"
        ) as no:
            functions[name](*values)
        assert no.value.code == "pictures_leave", name


def test_who_says_so_gets_past_it(service: Service, functions: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(service.jobs, "start_plan", lambda *given, **more: begun.append("job") or {"job": None})
    set_id = _calls(service, FAR)["start_captioning"][0]
    assert functions["start_captioning"](set_id, {**FAR, "send_pictures": True}) == ""
    with pytest.raises(CaptionerError, match="send_pictures is str; it must be true or false"):
        functions["start_captioning"](set_id, {**FAR, "send_pictures": "yes"})
    assert functions["retry_failed"](set_id, send_pictures=True) == ""
    assert begun == ["job", "job"]


def test_a_server_on_this_machine_needs_no_word(service: Service, functions: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(service.jobs, "start_plan", lambda *given, **more: {"job": None})
    set_id = _calls(service, {"captioner": "near"})["start_captioning"][0]
    assert functions["start_captioning"](set_id, {"captioner": "near"}) == ""


def test_a_further_kind_of_captions_counts_too() -> None:
    assert sending.hosts_of({"captioner": "blip-base", "kinds": {"long": FAR}}) == ["captions.example.org"]
    assert sending.hosts_of([{"x": ["blip-base", "near"]}, None, 3]) == []


def test_a_comparison_that_was_cut_off_says_whom_it_asks(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, ids = set_with(service, RED)
    asked: list[Any] = []
    monkeypatch.setattr(service.lab, "_check_models", lambda grid, **more: None)
    monkeypatch.setattr(
        service.jobs, "start_steps", lambda *given, request, **more: asked.append(request) or {"job": {"id": "1"}}
    )
    service.lab.start(set_id, ids, [AskedAxis("captioner", ["", "far"])], service.choices.plan_of_flat({}))
    assert sending.hosts_of(asked) == ["captions.example.org"]


def test_going_on_with_all_kinds_counts_those_of_the_set(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, _ = set_with(service, RED)
    service.choices.store(set_id, service.choices.plan_of_flat({"kinds": {"long": FAR}}))
    cut_off = SimpleNamespace(request={"settings": {}, "all_kinds": True})
    monkeypatch.setattr(service.jobs.history, "take_interrupted", lambda set_id, job_id: cut_off)
    assert sending.hosts_of(service.jobs.resumed_request(set_id, "7")) == ["captions.example.org"]


def _page_calls(service: Service, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each function of the page that may send pictures is called with, by name."""
    of_api = _calls(service, settings)
    (set_id, picture_id, _), sweep = of_api["caption_picture"], of_api["start_sweep"]
    of_set = {"set": set_id, "settings": page_values(service, **settings)}
    axes = [{"name": "captioner", "values": sweep[2]["captioner"]}]
    sweep_id = service.workspace.lab.create(
        set_id,
        "stopped",
        to_stored(
            service.lab.grid([AskedAxis("captioner", axes[0]["values"])], service.choices.plan_of_flat({})),
            service.choices.plan_of_flat({}),
            service.workspace.views(set_id),
        ),
    )
    return {
        "preview": {**of_set, "id": picture_id, "is_asked": True},
        "draw_sentences": {**of_set, "id": picture_id},
        "start_job": of_set,
        "start_suggesting": of_set,
        "start_sweep": {"set": set_id, "ids": [picture_id], "axes": axes},
        "continue_sweep": {"set": set_id, "sweep": sweep_id},
        "resume_job": {"set": set_id, "job": "7"},
        "retry_failed": {"set": set_id},
    }


def test_the_page_asks_before_each_call_that_sends_pictures_away(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.jobs, "resumed_request", lambda set_id, job: {"settings": FAR})
    page = {function.__name__: function for function in script_functions(service)}
    calls = _page_calls(service, FAR)
    shapes = {name: inspect.getclosurevars(function).nonlocals["shape"].names for name, function in page.items()}
    assert {name for name, names in shapes.items() if "agreed" in names} == set(calls)
    for name, call in calls.items():
        assert page[name](call) == {"asks_first": ["captions.example.org"]}, name
        assert page[name]({**call, "agreed": ["elsewhere"]}) == {"asks_first": ["captions.example.org"]}, name
    one = sending_function("one", {}, lambda asked: FAR, lambda asked: {"done": True})
    assert one({"agreed": ["captions.example.org"]}) == {"done": True}


def test_every_kind_that_will_be_captioned_or_compared_is_looked_at(
    service: Service, functions: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, ids = set_with(service, RED)
    service.choices.store(set_id, service.choices.plan_of_flat({"kinds": {"long": FAR}}))
    page = {function.__name__: function for function in script_functions(service)}
    asks = {"asks_first": ["captions.example.org"]}
    monkeypatch.setattr(service.jobs, "start", lambda *given, **how: how)
    front = {"set": set_id, "settings": page_values(service)}
    assert page["start_job"]({**front, "all_kinds": True}) == asks
    assert page["start_job"]({**front, "all_kinds": False}) == {"downloads": False, "all_kinds": False}
    axes = [{"name": "kind", "values": ["", "long"]}]
    assert page["start_sweep"]({**front, "ids": ids, "axes": axes}) == asks
    with pytest.raises(CaptionerError, match=r"sends pictures to captions\.example\.org"):
        functions["start_sweep"](set_id, ids, {"kind": ["", "long"]}, {})

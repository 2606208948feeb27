"""Every route of the mounted app is let in by the list, or refused by name here; a new one of Gradio's fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from captioner.service.service import Service
from captioner.ui import page, passages
from captioner.ui.passages import Kind
from tests.gradio_blocks import in_loop

# Routes of Gradio 6.31 that nobody here needs. Method and path as Gradio declares them, "/" at the end left off.
REFUSED = {
    # Fetches, or hands to another program, what a visitor names.
    *("GET /gradio_api/proxy={url_path:path}", "HEAD /gradio_api/proxy={url_path:path}"),
    *("GET /gradio_api/file/{path:path}", "POST /gradio_api/process_recording"),
    # Reads or writes the page's source, or asks others' machines.
    *("POST /gradio_api/vibe-edit", "POST /gradio_api/undo-vibe-edit", "GET /gradio_api/vibe-code"),
    *("POST /gradio_api/vibe-code", "POST /gradio_api/vibe-starter-queries", "GET /gradio_api/dev/reload"),
    # Gradio's own login, beside ours.
    *("POST /login", "GET /logout", "GET /gradio_api/user", "GET /gradio_api/login_check", "GET /gradio_api/token"),
    # Parts that this page does not have.
    *("GET /gradio_api/deep_link", "GET /gradio_api/runs", "GET /svelte/{path:path}", "GET /pwa_icon"),
    *("GET /pwa_icon/{size}", "GET /robots.txt", "GET /gradio_api/theme.css", "GET /gradio_api/upload_progress"),
    *("GET /gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",),
    *("POST /gradio_api/stream/{event_id}", "POST /gradio_api/stream/{event_id}/close"),
    *("GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",),
    *("GET /gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",),
    *("GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",),
    *("GET /gradio_api/heartbeat/{session_hash}", "POST /gradio_api/reset", "GET /gradio_api/startup-events"),
    # Tells about the server.
    *("GET /monitoring", "GET /monitoring/summary", "GET /monitoring/{key}", "GET /gradio_api/app_id"),
    *("GET /gradio_api/queue/status", "GET /openapi.json", "HEAD /openapi.json", "GET /gradio_api/openapi.json"),
    # Second ways to call; of the direct ones only /gradio_api/run/predict is used, by the page.
    *("POST /gradio_api/api/{api_name}", "POST /gradio_api/run/{api_name}", "POST /gradio_api/call/v2/{api_name}"),
    *("GET /gradio_api/call/v2/{api_name}/{event_id}",),
}


def _declared(routes: Any) -> Iterator[tuple[str, str]]:
    for route in routes:
        inner = getattr(route, "original_router", route)  # FastAPI's included routers
        if getattr(inner, "routes", None):
            yield from _declared(inner.routes)
        else:
            for method in route.methods:
                yield method, route.path


@pytest.fixture
def declared(service: Service) -> list[tuple[str, str]]:
    """Method and path of every route of the app as it is served."""
    return list(_declared(in_loop(page.mount, FastAPI(openapi_url=None), service).routes))


def _is_let_in(method: str, path: str) -> bool:
    return passages.find(method, re.sub(r"\{[^}]*\}", "a", path)) is not None


def test_every_route_is_let_in_or_refused_by_name(declared: list[tuple[str, str]]) -> None:
    assert len(declared) > 60
    refused = {f"{method} {path.rstrip('/')}" for method, path in declared if not _is_let_in(method, path)}
    passed = {f"{method} {path.rstrip('/')}" for method, path in declared if _is_let_in(method, path)}
    also_without_slash = refused & passed  # /config/ beside /config, and their like
    assert refused - also_without_slash - REFUSED == set(), "a route that is neither let in nor refused by name"
    assert REFUSED - refused == set(), "a route that is let in, or that there is no more"


def test_every_passage_leads_to_a_route(declared: list[tuple[str, str]]) -> None:
    filled = [(method, re.sub(r"\{[^}]*\}", value, path)) for method, path in declared for value in ("a", "predict")]
    for passage in passages.PASSAGES:
        is_route = any(passages.find(method, path) is passage for method, path in filled)
        assert is_route != (passage.kind in (Kind.DOOR, Kind.OPEN)), (
            passage.path.pattern
        )  # the door answers those itself


def test_other_methods_are_refused_everywhere(declared: list[tuple[str, str]]) -> None:
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", ""):
        assert not any(_is_let_in(method, path) for _, path in declared)


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/./",
        "/assets/",
        "/assets//etc/passwd",
        "/assets/a%2f",
        "/assets/a\\b",
        "/assets/a\n",
        "/sets/a/b/export",
        "",
    ],
)
def test_odd_paths_are_refused(path: str) -> None:
    assert passages.find("GET", path) is None


def test_only_the_page_may_be_linked_to_and_only_listed_routes_take_a_body() -> None:
    assert [passage.path.pattern for passage in passages.PASSAGES if passage.kind is Kind.PAGE] == ["/"]
    for passage in passages.PASSAGES:
        assert (passage.max_bytes > 0) == (passage.methods == {"POST"})

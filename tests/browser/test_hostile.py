"""A page of somebody else's, open in the same browser: it gets nothing from ours and changes nothing on it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import (
    CHROMIUM,
    CHROMIUM_FLAGS,
    AppServer,
    add_pictures,
    caption,
    open_page,
    wait_saved,
    wait_until,
)

pytestmark = pytest.mark.browser

EVIL = "evil.example"

# What it tries from its own origin; each answers what it got, or why it got nothing.
TRIES = """async ({ app, set, picture }) => {
  const got = {};
  const tried = async (name, run) => {
    try { got[name] = await run(); } catch (error) { got[name] = error.name; }
  };
  const text = async (reply) => (reply.type === 'opaque' ? 'opaque' : `${reply.status} ${await reply.text()}`);
  for (const path of ['', `sets/${set}/export`, `sets/${set}/pictures/${picture}/preview`, 'config', 'gradio_api/info'])
    for (const mode of ['cors', 'no-cors'])
      await tried(`${mode} ${path}`, async () => text(await fetch(app + path, { mode, credentials: 'include' })));
  const simple = { method: 'POST', mode: 'no-cors', credentials: 'include' };
  const body = JSON.stringify({ data: [set, picture, 'PWNED by a call', 0] });
  await tried('call as text', async () => text(await fetch(`${app}gradio_api/call/save_caption`, { ...simple, body })));
  const headers = { 'Content-Type': 'application/json' };
  await tried('call as json', async () =>
    text(await fetch(`${app}gradio_api/call/save_caption`, { method: 'POST', credentials: 'include', headers, body })));
  const form = new FormData();
  form.append('name', 'evil.png');
  form.append('file', await (await fetch('/dot.png')).blob(), 'evil.png');
  await tried('upload', async () => text(await fetch(`${app}sets/${set}/pictures`, { ...simple, body: form })));
  const image = (path) => new Promise((done) => {
    const element = new Image();
    element.onload = () => done('shown');
    element.onerror = () => done('nothing');
    element.src = app + path;
  });
  for (const path of [`sets/${set}/pictures/${picture}/preview`, 'favicon.ico'])
    await tried(`img ${path}`, () => image(path));
  const script = () => new Promise((done) => {
    const element = document.createElement('script');
    element.onload = () => done(`ran ${typeof window.gradio_config}`);
    element.onerror = () => done('nothing');
    element.src = `${app}config`;
    document.head.append(element);
  });
  await tried('script', script);
  const sent = (target) => new Promise((done) => {
    const element = document.createElement('form');
    const action = `${app}sets/${set}/pictures`;
    Object.assign(element, { action, method: 'POST', enctype: 'multipart/form-data', target });
    element.innerHTML = '<input name="name" value="evil.png"><input name="file" value="x">';
    document.body.append(element);
    element.submit();
    setTimeout(() => done('sent'), 500);
  });
  const framed = (path) => new Promise((done) => {
    const element = document.createElement('iframe');
    element.name = 'inner';
    element.onload = () => setTimeout(() => {
      try { done(`framed ${element.contentDocument.body.innerText}`); } catch (error) { done('another origin'); }
    }, 300);
    element.src = app + path;
    document.body.append(element);
  });
  await tried('iframe', () => framed(`?set=${set}`));
  await tried('form', () => sent('inner'));
  const opened = window.open(`${app}?set=${set}`);
  await new Promise((done) => setTimeout(done, 1500));
  await tried('window', () => opened.document.body.innerText);
  await tried('its handle', () => (opened.closed ? 'taken away' : 'there'));
  return got;
}"""


class _Page(http.server.BaseHTTPRequestHandler):
    """The other origin: an empty page, a picture, and a script that calls itself one."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if self.path != "/dot.png":
            self.wfile.write(b"<!doctype html><title>evil</title><script>window.ran = location.origin</script>")

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def evil() -> Iterator[tuple[int, list[str]]]:
    """The port of the hostile server, and what it was asked."""
    handler = type("Page", (_Page,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port, handler.asked
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """One that lets everybody in who can reach it, which is no other page."""
    server = AppServer(tmp_path_factory.mktemp("open-server"), flags=["--no-auth"])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def victim(chromium: Any) -> Iterator[Any]:
    """A browser in which evil.example is this machine, as its owner may say it is."""
    browser = chromium.browser_type.launch(
        executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"]
    )
    context = browser.new_context()
    yield context
    browser.close()


def _with_a_picture(victim: Any, server: AppServer, pictures: list[Path]) -> tuple[Any, str, str]:
    page = open_page(victim, server.url)
    add_pictures(page, pictures[5:])
    page.locator("#cw-editor").fill("my own words")
    wait_saved(page)
    set_id = page.url.partition("set=")[2]
    reply = page.request.post(f"{server.url}gradio_api/call/captions", data={"data": [set_id]})
    lines = page.request.get(f"{server.url}gradio_api/call/captions/{reply.json()['event_id']}").text()
    [[row]] = json.loads(lines.partition("data: ")[2])
    return page, set_id, row["id"]


def _is_unchanged(page: Any) -> bool:
    page.reload()
    page.wait_for_selector(".cw[data-ready=true]")
    wait_until(lambda: caption(page) != "", "its picture is shown")
    return caption(page) == "my own words" and page.locator("#cw-count").text_content() == "1 picture"


def test_another_page_gets_nothing_and_changes_nothing(
    open_server: AppServer, victim: Any, pictures: list[Path], evil: tuple[int, list[str]]
) -> None:
    page, set_id, picture_id = _with_a_picture(victim, open_server, pictures)
    port, _ = evil
    for origin in (f"http://127.0.0.1:{port}/", f"http://{EVIL}:{port}/"):
        hostile = victim.new_page()
        hostile.goto(origin)
        got = hostile.evaluate(TRIES, {"app": open_server.url, "set": set_id, "picture": picture_id})
        assert len(got) == 20
        # A script is told of an answer that it may not read that the request failed, or nothing at all.
        told = {"TypeError": "failed", "nothing": "failed", "opaque": "failed", "SecurityError": "failed"}
        seen = {name: value for name, value in got.items() if value not in told}
        assert seen == {"form": "sent", "iframe": "another origin", "its handle": "taken away"}
        assert [frame.url for frame in hostile.frames[1:]] == ["chrome-error://chromewebdata/"]
    assert _is_unchanged(page)


def test_a_name_that_is_pointed_at_this_machine_is_not_ours(
    open_server: AppServer, victim: Any, pictures: list[Path]
) -> None:
    page, set_id, _ = _with_a_picture(victim, open_server, pictures)
    hostile = victim.new_page()
    answer = hostile.goto(f"http://{EVIL}:{open_server.port}/?set={set_id}")
    assert answer.status == 403
    assert hostile.evaluate("fetch('/config').then((reply) => reply.text(), (error) => error.name)") == "TypeError"
    for path in ("config", f"sets/{set_id}/export"):
        assert hostile.goto(f"http://{EVIL}:{open_server.port}/{path}").status == 403
    assert _is_unchanged(page)


def test_no_address_makes_the_server_fetch_another_page(
    open_server: AppServer, victim: Any, pictures: list[Path], evil: tuple[int, list[str]]
) -> None:
    page, _, _ = _with_a_picture(victim, open_server, pictures)
    port, asked = evil
    hostile = victim.new_page()
    for target in (f"http://{EVIL}:{port}/x.png", f"http://127.0.0.1:{port}/x.png", f"//{EVIL}:{port}/x.png"):
        for spelling in (target, target.replace("/", "%2F"), target.replace("/", "\\")):
            for way in ("file=", "proxy="):
                answer = hostile.goto(f"{open_server.url}gradio_api/{way}{spelling}")
                assert answer.status in (403, 404)
                assert hostile.evaluate("window.ran") is None
    assert asked == []
    assert _is_unchanged(page)

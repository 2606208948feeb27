"""The door: what it lets in and what it refuses, before any other code sees it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from captioner.ui import passages
from captioner.ui.address import ServedNames
from captioner.ui.guard import Guard
from captioner.ui.login import Login

CALL = "/gradio_api/call/captions"
BASE = "http://127.0.0.1:7860"
HTML = (
    "<script>first()</script>\r\n<script\n data-x>\r\nsecond()\r\n</script><script type=module src='./a.js'></script>"
    f"<p>{'long enough to be compressed ' * 30}</p>"
)


class Inside:
    """What the door stands before; it notes what reaches it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.app = FastAPI()

        @self.app.api_route("/{path:path}", methods=["GET", "POST", "HEAD", "OPTIONS", "PUT"])
        async def answer(path: str, request: Request) -> Response:
            body = await request.body()
            self.seen.append(f"{request.method} /{path} {len(body)}")
            if path.startswith("gradio_api/file="):
                return FileResponse(path.partition("=")[2], filename="a.html", content_disposition_type="inline")
            return HTMLResponse(HTML) if path == "" else PlainTextResponse(json.dumps(dict(request.headers)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where uploads lie."""
    (tmp_path / "uploads" / "abc").mkdir(parents=True)
    (tmp_path / "uploads" / "abc" / "a.html").write_text("<script>evil()</script>")
    return tmp_path / "uploads"


@pytest.fixture
def inside() -> Inside:
    return Inside()


def _client(inside: Inside, folder: Path, *, names: ServedNames | None = None, login: Any = None) -> TestClient:
    guard = Guard(
        inside.app,
        names=names or ServedNames.of("127.0.0.1", []),
        login=Login(login) if login else None,
        upload_folder=folder,
    )
    return TestClient(guard, base_url=BASE)


@pytest.fixture
def door(inside: Inside, folder: Path) -> Iterator[TestClient]:
    with _client(inside, folder) as client:
        yield client


def _call(client: TestClient, value: Any, **headers: str) -> Any:
    return client.post(CALL, json=value, headers=headers)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:7861", "https://localhost", "null", "", "http://[", "//x"]
)
def test_a_request_from_a_foreign_page_is_refused(door: TestClient, inside: Inside, origin: str) -> None:
    answer = _call(door, {}, Origin=origin)
    assert (answer.status_code, inside.seen) == (403, [])
    assert "Another page tried to use this one" in answer.text


def test_our_own_page_and_programs_may_call(door: TestClient) -> None:
    assert _call(door, {}, Origin=BASE).status_code == 200
    assert _call(door, {}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd"])
@pytest.mark.parametrize(
    ("mode", "kind"), [("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("navigate", "document")]
)
@pytest.mark.parametrize("path", ["/sets/a/export", "/gradio_api/info", "/static/a.js", "/config"])
def test_a_foreign_page_reaches_nothing_without_an_origin_either(
    door: TestClient, inside: Inside, site: str, mode: str, kind: str, path: str
) -> None:
    told = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": kind}
    assert (door.get(path, headers=told).status_code, inside.seen) == (403, [])


def test_a_link_leads_to_the_page_and_a_frame_does_not(door: TestClient) -> None:
    told = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert door.get("/", headers=told).status_code == 200
    assert door.get("/", headers={**told, "Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert door.get("/sets/a/export", headers={**told, "Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_foreign_name_for_this_machine_is_refused_with_what_to_do(door: TestClient, inside: Inside) -> None:
    answer = door.get("/", headers={"Host": "evil.example:7860"})
    assert (answer.status_code, inside.seen) == (403, [])
    assert "start it with --allow-host evil.example" in answer.text


@pytest.mark.parametrize("host", ["[", "", "a b", "[::1", "a@127.0.0.1"])
def test_a_host_that_is_none_is_refused_before_the_login(inside: Inside, folder: Path, host: str) -> None:
    with _client(inside, folder, login=("ada", "word")) as client:
        assert client.get("/", headers={"Host": host}).status_code == 400


def test_a_proxy_may_give_the_page_another_name_that_was_allowed(inside: Inside, folder: Path) -> None:
    told = {"Origin": "https://captions.example", "X-Forwarded-Host": "captions.example"}
    with _client(inside, folder, names=ServedNames.of("127.0.0.1", ["captions.example"])) as client:
        assert _call(client, {}, **told).status_code == 200
        assert _call(client, {}, **{**told, "X-Forwarded-Host": "captions.example:443"}).status_code == 200
        assert _call(client, {}, Origin="https://captions.example", Host="captions.example").status_code == 200
        assert _call(client, {}, **{**told, "X-Forwarded-Host": "evil.example"}).status_code == 403
        assert _call(client, {}, **{**told, "Origin": "https://captions.example:8443"}).status_code == 403
    with _client(inside, folder) as client:
        assert _call(client, {}, **told).status_code == 403


def test_a_login_is_asked_for_before_anything_is_told(inside: Inside, folder: Path) -> None:
    with _client(inside, folder, login=("ada", "pass:wörd")) as client:
        for path in ("/", "/nowhere", "/gradio_api/file=/etc/passwd"):
            refused = client.get(path)
            assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
        good = "Basic " + base64.b64encode("ada:pass:wörd".encode()).decode()
        assert client.get("/", headers={"Authorization": good}).status_code == 200


def test_who_guesses_is_told_to_wait(inside: Inside, folder: Path) -> None:
    with _client(inside, folder, login=("ada", "word")) as client:
        answers = [client.get("/", auth=("ada", "guess")) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].text == "Too many wrong passwords came from your address; try again in 1 s."
    assert answers[-1].headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/proxy=http://a.example/x", "/gradio_api/deep_link?session_hash=a", "/gradio_api/dev/reload"),
        *("/?deep_link=a", "/config?deep_link=a", "/login", "/gradio_api/startup-events", "/new/in/a/later/gradio"),
    ],
)
def test_what_is_not_listed_is_refused(door: TestClient, inside: Inside, path: str) -> None:
    answer = door.get(path)
    assert (answer.status_code, answer.text, inside.seen) == (404, "There is nothing at this address.", [])


@pytest.mark.parametrize(
    "rest",
    [
        *("http://a.example/x.png", "https://a.example/x.png", "//a.example/x.png", "HTTP://a.example/x", "http:/a"),
        *("http:%2F%2Fa.example/x", "http%3A//a.example/x", "http%253A%252F%252Fa.example", "%2F%2Fa.example/x"),
        *("\\\\a.example\\x", "%5C%5Ca.example%5Cx", "http:\\\\a.example", "ftp://a.example/x", "file:///etc/passwd"),
        *(
            "/etc/passwd",
            "FOLDER",
            "FOLDER/../secret",
            "FOLDER/%2e%2e/secret",
            "FOLDERx/a",
            "FOLDER/a%0ab",
            " http://a",
        ),
        *("FOLDER/a%00", "data:text/html,x", "javascript:x", "%09http://a.example", "abc/a.html", ""),
    ],
)
def test_only_files_of_the_upload_folder_are_served(door: TestClient, inside: Inside, folder: Path, rest: str) -> None:
    answer = door.get("/gradio_api/file=" + rest.replace("FOLDER", str(folder)))
    assert answer.status_code in (403, 404)
    assert inside.seen == []


def test_a_file_from_outside_is_only_ever_saved(door: TestClient, folder: Path) -> None:
    answer = door.get(f"/gradio_api/file={folder}/abc/a.html", headers={"Range": "bytes=0-3"})
    assert answer.text == "<script>evil()</script>"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment"


def test_an_upload_that_was_made_here_may_be_named(door: TestClient, folder: Path) -> None:
    file = {"path": f"{folder}/abc/👩‍👧 a.png", "meta": {"_type": "gradio.FileData"}}
    assert _call(door, {"data": ["set", [file]]}).status_code == 200
    own = {**file, "url": f"{BASE}/gradio_api/file={file['path']}"}
    assert _call(door, {"data": ["set", [own]]}).status_code == 200


@pytest.mark.parametrize(
    "file",
    [
        *(
            {"path": "http://a.example/x"},
            {"path": "//a.example/x"},
            {"path": "\\\\a.example\\x"},
            {"path": "/etc/passwd"},
        ),
        *({"path": "FOLDER/../x"}, {"path": "FOLDER"}, {"path": "relative"}, {"path": "FOLDER/a\nb"}, {"path": ""}),
        *({"path": "FOLDER/a", "url": "http://a.example/gradio_api/file=x"}, {"path": "FOLDER/a", "url": 5}),
        *({"path": "FOLDER/a", "url": "//a.example"}, {"path": "FOLDER/a", "url": "http://["}),
        *({"path": "FOLDER/\x1b[2J"}, {"path": "FOLDER/\ud83d"}),
    ],
)
@pytest.mark.parametrize(
    "path", [CALL, "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/component_server/"]
)
def test_a_request_names_no_file_elsewhere(
    door: TestClient, inside: Inside, folder: Path, path: str, file: dict[str, Any]
) -> None:
    named = json.loads(json.dumps(file).replace("FOLDER", str(folder)))
    for text in (json.dumps({"data": [{"deep": [named]}]}), json.dumps([named]).replace("path", "p\\u0061th")):
        answer = door.post(path, content=text, headers={"Content-Type": "application/json"})
        assert (answer.status_code, inside.seen) == (403, [])
        assert "Files must be uploaded first" in answer.text
        assert str(folder) not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b"[" + b"{}," * 150_000 + b"{}]", 413),
        (b"{" + b",".join(b'"%x":1' % number for number in range(500_000)) + b"}", 413),
        (b"[" + b"1," * 1_100_000 + b"1]", 413),
        (b'["' + b"solo, " * 500_000 + b'"]', 200),
        ("[]".encode("utf-16"), 200),
        (b"\xff", 400),
    ],
)
def test_json_that_cannot_be_read_or_is_all_structure_is_refused(door: TestClient, body: bytes, status: int) -> None:
    assert door.post(CALL, content=body, headers={"Content-Type": "application/json"}).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_that_any_page_can_send_is_no_call(door: TestClient, inside: Inside, kind: str) -> None:
    assert (door.post(CALL, content=b"{}", headers={"Content-Type": kind}).status_code, inside.seen) == (415, [])


def test_a_body_is_counted_as_it_arrives(door: TestClient, inside: Inside) -> None:
    pieces = (b" " * (1 << 20) for _ in range(100))
    limit = next(passage for passage in passages.PASSAGES if passage.path.fullmatch(CALL)).max_bytes
    answer = door.post(CALL, content=pieces, headers={"Content-Type": "application/json"})
    assert (answer.status_code, inside.seen) == (413, [])
    assert answer.json()["error"] == {
        "code": "too_big",
        "message": f"The request is over the limit of {limit >> 20} MiB; send less at once.",
    }


def test_a_short_body_needs_no_length(door: TestClient, inside: Inside) -> None:
    answer = door.post("/sets/a/pictures", content=iter([b"x" * 10]))
    assert (answer.status_code, inside.seen) == (200, ["POST /sets/a/pictures 10"])


def test_an_upload_over_the_limit_is_refused_before_it_is_read(door: TestClient, inside: Inside) -> None:
    answer = door.post("/sets/a/pictures", content=b"x", headers={"Content-Length": str(10**10)})
    assert (answer.status_code, inside.seen) == (413, [])
    assert answer.json()["error"]["message"] == "The file is over the limit of 200 MiB; save a smaller copy."


def test_only_scripts_that_stand_in_the_page_s_html_may_run(door: TestClient) -> None:
    policy = door.get("/").headers["content-security-policy"]
    hashes = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (b"first()", b"\nsecond()\n")]
    assert f"script-src 'self' 'unsafe-eval' 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy


def test_the_page_is_compressed_all_the_same(door: TestClient) -> None:
    answer = door.get("/", headers={"Accept-Encoding": "gzip, br"})
    assert (answer.headers["content-encoding"], answer.text) == ("gzip", HTML)


def test_every_answer_tells_the_browser_to_stay_on_this_machine(door: TestClient) -> None:
    for path in ("/", "/config", "/nowhere"):
        headers = door.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'")


def test_no_header_makes_gradio_believe_in_another_address(door: TestClient) -> None:
    assert "x-gradio-server" not in door.get("/config", headers={"X-Gradio-Server": "http://evil.example"}).json()

"""Pictures, uploads and zips over HTTP, and the page's own description."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from captioner.models import registry, sources
from captioner.service.service import Service
from captioner.ui import page
from captioner.ui.routes import add_routes
from tests.gradio_blocks import in_loop


def _png(size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    app = FastAPI()
    add_routes(app, service)
    with TestClient(app) as client:
        yield client


def _upload(client: TestClient, set_id: str, name: str, data: bytes, existing: str = "") -> Any:
    return client.post(
        f"/sets/{set_id}/pictures", data={"name": name, "existing": existing}, files={"file": (name, data)}
    )


def test_an_uploaded_picture_is_served_re_encoded(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    row = _upload(client, set_id, "a.png", _png((3000, 1000))).json()["row"]
    assert (row["name"], row["width"], row["height"], row["state"]) == ("a.png", 3000, 1000, "empty")
    for kind, edge_px in (("thumbnail", 256), ("preview", 1600)):
        answer = client.get(f"/sets/{set_id}/pictures/{row['id']}/{kind}")
        assert answer.headers["content-type"] == "image/webp"
        assert "immutable" in answer.headers["cache-control"]
        assert "sandbox" in answer.headers["content-security-policy"]
        assert max(Image.open(io.BytesIO(answer.content)).size) == edge_px


def test_a_vocabulary_is_kept_and_listed_to_who_knows_its_name(
    client: TestClient, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(tmp_path / "own"))
    kept = client.post("/kept/own_vocabulary?name=colours.txt", content="rot\ngrün\n".encode()).json()
    assert kept["text"] == "colours (2 labels)"
    assert service.kept_files.listed("own_vocabulary", [kept["name"], "nobody-00000000", 7]) == {"files": [kept]}  # type: ignore[list-item]
    assert service.choices.plan_of_flat({"clip": "default", "own_vocabulary": kept["name"]}).to_flat()["own_vocabulary"]


@pytest.mark.parametrize(
    ("field", "name", "data", "code", "message"),
    [
        (
            "own_vocabulary",
            "w.txt",
            b"a\nb\n\xff",
            "bad_vocabulary",
            "w.txt is not UTF-8 text (line 3); save it as UTF-8.",
        ),
        ("own_vocabulary", "", b"", "bad_vocabulary", "The file has no label; write one label a line."),
        ("num_beams", "w.txt", b"a", "bad_setting", "num_beams is no setting that takes a file."),
    ],
)
def test_a_vocabulary_that_will_not_do_is_refused_with_a_sentence(
    client: TestClient, field: str, name: str, data: bytes, code: str, message: str
) -> None:
    answer = client.post(f"/kept/{field}?name={name}", content=data)
    assert answer.status_code == 400
    assert answer.json()["error"] == {"code": code, "message": message}


def test_a_vocabulary_over_its_kind_s_limit_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taggers.vocabularies.MAXIMUM_BYTES", 1 << 20)
    answer = client.post("/kept/own_vocabulary?name=w.txt", content=b"a\n" * (1 << 20))
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        413,
        "The file is over the limit of 1 MiB; split it.",
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "empty"), (b"<svg onload=alert(1)>", "not_an_image"), (_png()[:60], "damaged")],
)
def test_what_is_no_picture_is_refused_with_code_and_sentence(
    client: TestClient, service: Service, data: bytes, code: str
) -> None:
    answer = _upload(client, service.new_set()["set"], "a.png", data)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b.png", "🐈.png", "x" * 300 + ".png", "CON", "name. . ."])
def test_hostile_names_are_data(client: TestClient, service: Service, tmp_path: Path, name: str) -> None:
    set_id = service.new_set()["set"]
    row = client.post(f"/sets/{set_id}/pictures", data={"name": name}, files={"file": ("other.png", _png())}).json()[
        "row"
    ]
    assert row["name"] == name
    zipped = client.get(f"/sets/{set_id}/export", params={"with_pictures": True})
    assert zipped.status_code == 200
    for inner in zipfile.ZipFile(io.BytesIO(zipped.content)).namelist():
        assert "/" not in inner
        assert inner not in (".", "..")


def test_unknown_sets_and_pictures_are_404_with_a_sentence(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    for path in (f"/sets/{set_id}/pictures/none/thumbnail", "/sets/none/export", "/sets/none/pictures/none/preview"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"]
    assert _upload(client, "none", "a.png", _png()).status_code == 404


def test_a_picture_needs_its_own_set_s_id(client: TestClient, service: Service) -> None:
    mine, other = service.new_set()["set"], service.new_set()["set"]
    row = _upload(client, mine, "a.png", _png()).json()["row"]
    assert client.get(f"/sets/{other}/pictures/{row['id']}/thumbnail").status_code == 404


def test_an_upload_without_a_file_is_refused(client: TestClient, service: Service) -> None:
    answer = client.post(f"/sets/{service.new_set()['set']}/pictures", data={"name": "a.png"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_upload"


def test_the_zip_holds_captions_and_by_choice_pictures(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    row = _upload(client, set_id, "a.png", _png(), "brought along").json()["row"]
    _upload(client, set_id, "a.jpg", _png())
    service.save_caption(set_id, row["id"], "an édit", 0)
    plain = zipfile.ZipFile(io.BytesIO(client.get(f"/sets/{set_id}/export").content))
    assert sorted(plain.namelist()) == ["a.txt", "a_2.txt"]
    assert plain.read("a_2.txt").decode() == "an édit"  # a.jpg is the first by name
    whole = client.get(f"/sets/{set_id}/export", params={"with_pictures": True, "format": "caption"})
    assert whole.headers["content-disposition"] == 'attachment; filename="captions.zip"'
    names = zipfile.ZipFile(io.BytesIO(whole.content)).namelist()
    assert sorted(names) == ["a.caption", "a.jpg", "a_2.caption", "a_2.png"]


def test_an_unknown_format_is_refused_by_name(client: TestClient, service: Service) -> None:
    answer = client.get(f"/sets/{service.new_set()['set']}/export", params={"format": "docx"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Format is 'docx'; it must be one of txt, caption."


def test_no_internal_event_is_in_the_public_api(service: Service) -> None:
    built = in_loop(page.build, service)
    assert len(built.get_api_info()["named_endpoints"]) == 10
    assert built.get_api_info()["unnamed_endpoints"] == {}


def test_every_field_of_every_group_has_a_control(service: Service) -> None:
    built = in_loop(page.build, service)
    ids = {block.elem_id for block in built.blocks.values()}
    for group in service.choices.groups:
        for declared in group.fields():
            assert f"setting-{declared.name}" in ids
        if group.family:
            assert {f"setting-{group.key}", f"setting-{group.key}_on"} <= ids


def test_the_banner_says_that_demo_models_stand_in_why_and_what_to_do(service: Service) -> None:
    assert page.banner_html(service.choices.choice) == ""
    missing = (registry.find("blip-base"),)
    text = page.banner_html(sources.ModelChoice(names={}, is_demo=True, reason="Why <b>.", missing=missing))
    assert "Demo models" in text
    assert "Why &lt;b&gt;." in text
    assert "python app.py --models hub" in text
    assert "990 MB" in text
    assert 'data-models="{&quot;captioner&quot;: &quot;blip-base&quot;}"' in text

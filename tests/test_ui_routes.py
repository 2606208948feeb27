"""Pictures, uploads and zips over HTTP, and the page's own description."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from captioner.errors import ExportError
from captioner.formats import zip_stream
from captioner.models import registry, sources
from captioner.service.service import Service
from captioner.ui import page
from captioner.ui.api import _SHAPES
from captioner.ui.routes import add_routes
from captioner.workspace.records import Upload
from tests.gradio_blocks import in_loop
from tests.service_makers import export_zip
from tests.zips import own_files, own_names


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


def _upload(client: TestClient, set_id: str, name: str, data: bytes, caption: bytes = b"", folder: str = "") -> Any:
    """Sends a picture as the page does, with a caption file beside it."""
    form = {"name": name, "folder": folder}
    files = [("file", (name, data))]
    if caption:
        form["caption_names"] = json.dumps([f"{name.rpartition('.')[0]}.txt"])
        files.append(("captions", ("blob", caption)))
    return client.post(f"/sets/{set_id}/pictures", data=form, files=files)


def test_an_uploaded_picture_is_served_re_encoded(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    row = _upload(client, set_id, "a.png", _png((3000, 1000))).json()["row"]
    assert (row["name"], row["width"], row["height"], row["state"]) == ("a.png", 3000, 1000, "empty")
    for kind, edge_px, form in (("thumbnail", 256, "webp"), ("preview", 1600, "webp"), ("full", 3000, "jpeg")):
        answer = client.get(f"/sets/{set_id}/pictures/{row['id']}/{kind}")
        assert answer.headers["content-type"] == f"image/{form}"
        assert "immutable" in answer.headers["cache-control"]
        assert "sandbox" in answer.headers["content-security-policy"]
        assert max(Image.open(io.BytesIO(answer.content)).size) == edge_px


def test_a_vocabulary_is_kept_and_listed_to_who_knows_its_name(
    client: TestClient, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(tmp_path / "own"))
    kept = client.post("/kept/own_vocabulary?name=colours.txt", content="rot\ngrün\n".encode()).json()
    assert kept["text"] == "colours (2 labels)"
    listed = service.kept_files.listed("own_vocabulary", [kept["name"], "nobody-00000000", 7])  # type: ignore[list-item]
    assert listed == {"files": [kept], "bin": []}
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


def test_an_upload_without_a_file_or_its_name_is_refused(client: TestClient, service: Service) -> None:
    address = f"/sets/{service.new_set()['set']}/pictures"
    for sent in ({"data": {"name": "a.png"}}, {"files": {"file": ("a.png", _png())}}):
        answer = client.post(address, **sent)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "bad_upload"


def test_the_zip_holds_captions_and_by_choice_pictures(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    row = _upload(client, set_id, "a.png", _png(), b"brought along").json()["row"]
    _upload(client, set_id, "a.jpg", _png())
    service.save_caption(set_id, row["id"], "an édit", 0)
    plain = zipfile.ZipFile(io.BytesIO(client.get(f"/sets/{set_id}/export").content))
    assert sorted(own_names(plain)) == ["a.txt", "a_2.txt"]
    assert plain.read("a_2.txt").decode() == "an édit"  # a.jpg is the first by name
    whole = client.get(f"/sets/{set_id}/export", params={"with_pictures": True, "format": "caption"})
    assert whole.headers["content-disposition"] == 'attachment; filename="captions.zip"'
    names = own_names(zipfile.ZipFile(io.BytesIO(whole.content)))
    assert sorted(names) == ["a.caption", "a.jpg", "a_2.caption", "a_2.png"]


def test_a_picture_comes_with_its_folder_and_the_bytes_of_its_caption(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    answer = _upload(client, set_id, "1.png", _png(), "früher\n".encode("utf-16"), "10_sks dog").json()
    assert (answer["row"]["folder"], answer["row"]["caption"], answer["refused"]) == ("10_sks dog", "früher", [])
    refused = _upload(client, set_id, "2.png", _png(), "写真".encode("cp932")).json()
    assert refused["row"]["caption"] == ""
    assert refused["refused"][0]["message"].startswith("2.txt is not UTF-8 text")


def test_a_bad_folder_costs_its_picture(client: TestClient, service: Service) -> None:
    answer = _upload(client, service.new_set()["set"], "1.png", _png(), folder="../etc")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_setting"


def test_kohya_s_folders_leave_as_they_came(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    for folder, text in (("5_cat", b"a cat"), ("10_sks dog", b"a dog")):
        _upload(client, set_id, "1.png", _png(), text, folder)
    zipped = client.get(f"/sets/{set_id}/export", params={"with_pictures": True})
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        assert sorted(own_names(archive)) == ["10_sks dog/1.png", "10_sks dog/1.txt", "5_cat/1.png", "5_cat/1.txt"]
        assert archive.read("10_sks dog/1.txt") == b"a dog"


def test_numbers_in_the_zip_do_not_depend_on_the_order_of_arrival(client: TestClient, service: Service) -> None:
    pictures = [("1.png", _png(), b"png"), ("1.jpg", _png((41, 30)), b"jpg"), ("1.png", _png((42, 30)), b"other")]
    found = []
    for order in (pictures, pictures[::-1]):
        set_id = service.new_set()["set"]
        for name, data, text in order:
            _upload(client, set_id, name, data, text, "a")
        with zipfile.ZipFile(io.BytesIO(client.get(f"/sets/{set_id}/export").content)) as archive:
            found.append(own_files(archive))
    assert found[0] == found[1]
    assert found[0]["a/1.txt"] == b"jpg"


def test_what_others_made_is_kept_and_looked_at(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    _upload(client, set_id, "a.png", _png())
    form = {"paths": json.dumps(["sub/list.jsonl"])}
    files = [("files", ("blob", b'{"file_name": "a.png", "text": "a cat"}'))]
    look = client.post(f"/sets/{set_id}/imports", data=form, files=files).json()
    assert (look["form"], look["first"]) == ("jsonl", [["a.png", "a cat"]])
    assert service.imports.take(set_id, look["token"], {}, 0)["rows"][0]["caption"] == "a cat"
    for data, code in (({"paths": "[]"}, "bad_upload"), ({"paths": '["a", "b"]'}, "bad_upload"), ({}, "bad_upload")):
        answer = client.post(f"/sets/{set_id}/imports", data=data, files=files)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    files = [("files", ("blob", b'{"steps": 5}'))]
    answer = client.post(f"/sets/{set_id}/imports", data={"paths": '["x.json"]'}, files=files)
    assert answer.json()["error"]["code"] == "nothing_to_import"
    assert client.post("/sets/nobody/imports", data=form, files=files).status_code == 404


def test_captions_come_later(client: TestClient, service: Service) -> None:
    set_id = service.new_set()["set"]
    for folder in ("", "a"):
        _upload(client, set_id, "1.png", _png(), folder=folder)
    form = {"caption_names": json.dumps(["1.txt", "1.txt", "9.txt"]), "caption_folders": json.dumps(["", "a", "a"])}
    files = [("captions", ("blob", text)) for text in (b"top", b"in a", b"nobody's")]
    answer = client.post(f"/sets/{set_id}/captions", data=form, files=files).json()
    assert {row["folder"]: row["caption"] for row in answer["rows"]} == {"": "top", "a": "in a"}
    assert [(one["name"], one["code"]) for one in answer["refused"]] == [("a/9.txt", "no_picture")]
    files = [("captions", ("blob", b"new"))]
    form = {"caption_names": '["1.txt"]', "caption_folders": '["a"]', "replace": "true"}
    assert client.post(f"/sets/{set_id}/captions", data=form, files=files).json()["rows"][0]["caption"] == "new"


@pytest.mark.parametrize(
    "form", [{}, {"caption_names": "[1]"}, {"caption_names": "nothing"}, {"caption_names": '["1.txt"]'}]
)
def test_captions_without_names_and_folders_are_refused(
    client: TestClient, service: Service, form: dict[str, str]
) -> None:
    files = [("captions", ("blob", b"text"))]
    answer = client.post(f"/sets/{service.new_set()['set']}/captions", data=form, files=files)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_an_unknown_format_is_refused_by_name(client: TestClient, service: Service) -> None:
    answer = client.get(f"/sets/{service.new_set()['set']}/export", params={"format": "docx"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("'docx' is no export format; the formats are txt")


def test_no_internal_event_is_in_the_public_api(service: Service) -> None:
    built = in_loop(page.build, service)
    assert {name.removeprefix("/") for name in built.get_api_info()["named_endpoints"]} == set(_SHAPES)
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
    assert 'data-take-real="{&quot;captioner&quot;: &quot;blip-base&quot;}"' in text


@pytest.mark.parametrize("name", ["kohya", "diffusers", "webdataset", "csv"])
def test_a_trainer_s_set_streams_as_the_api_and_the_command_line_write_it(
    client: TestClient, service: Service, tmp_path: Path, name: str
) -> None:
    set_id = service.new_set()["set"]
    for picture in ("a.png", "b.png"):
        _upload(client, set_id, picture, _png(), b"a cat")
    answer = client.get(f"/sets/{set_id}/export", params={"format": name})
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        streamed = {entry: archive.read(entry) for entry in archive.namelist()}
    assert streamed == export_zip(service, set_id, tmp_path / "set.zip", format=name)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"format": "kohya", "repeats": "many"}, "Repeats is 'many'; it must be a whole number"),
        ({"format": "kohya", "x": "1"}, "X is not a setting here"),
        ({"format": "txt", "with_pictures": "perhaps"}, "with_pictures is 'perhaps'; it must be true or false."),
        ({"format": "musubi", "base_model": "sdxl"}, "musubi-tuner does not train SDXL"),
    ],
)
def test_an_export_that_cannot_be_is_one_sentence(
    client: TestClient, service: Service, asked: dict[str, str], sentence: str
) -> None:
    set_id = service.new_set()["set"]
    _upload(client, set_id, "a.png", _png(), b"a cat")
    answer = client.get(f"/sets/{set_id}/export", params=asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(sentence)


def test_a_picture_that_breaks_off_in_the_midst_breaks_the_download_off(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id = service.new_set()["set"]
    _upload(client, set_id, "a.png", _png(), b"a cat")

    def fail(*_: object) -> None:
        raise ExportError("The picture a.png cannot be read: Input/output error. Copy it again or leave it out.")

    monkeypatch.setattr(zip_stream._StreamedZip, "copy", fail)
    with pytest.raises(RuntimeError, match="response already started"):
        client.get(f"/sets/{set_id}/export", params={"with_pictures": "true"})


def test_a_broken_off_download_is_known_as_one_to_who_takes_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()
    add_routes(app, service)
    set_id = service.new_set()["set"]
    for number in range(3):
        service.intake.add_picture(set_id, Upload(f"{number}.png", _png((40 + number, 30))), [])
    copy = zip_stream._StreamedZip.copy

    def fail_at_the_second(sink: Any, name: str, source: Any) -> None:
        if name == "1.png":
            raise ExportError("The picture cannot be read.")
        copy(sink, name, source)

    monkeypatch.setattr(zip_stream._StreamedZip, "copy", fail_at_the_second)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    taken = b""
    with pytest.raises(httpx.RemoteProtocolError):  # which a browser calls a failed download
        with httpx.stream("GET", f"http://127.0.0.1:{port}/sets/{set_id}/export?with_pictures=true") as answer:
            assert answer.status_code == 200
            for piece in answer.iter_bytes():
                taken += piece
    server.should_exit = True
    thread.join(10)
    assert taken.startswith(b"PK")
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(taken))

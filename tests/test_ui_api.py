"""The HTTP API as a program uses it: gradio_client against the running app."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, AuthenticationError
from PIL import Image

from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.browser.conftest import AppServer, BareServer
from tests.zips import own_names

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # gradio_client 2.7 leaves a loop of its own open


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    server = AppServer(tmp_path_factory.mktemp("api"), delay_s=0.2)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server: AppServer) -> Iterator[Client]:
    client = Client(server.url, verbose=False, analytics_enabled=False)
    yield client
    client.close()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    for name, colour in (("red.png", (220, 20, 20)), ("blue.jpg", (20, 20, 220))):
        Image.new("RGB", (40, 30), colour).save(tmp_path / name)
        paths.append(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    return [*paths, tmp_path / "broken.png"]


def _call(client: Client, name: str, *values: Any) -> Any:
    return client.predict(*values, api_name=f"/{name}")


def _filled(client: Client, files: list[Path]) -> tuple[str, list[str]]:
    set_id = _call(client, "new_set")
    answer = _call(client, "add_pictures", set_id, [handle_file(str(file)) for file in files[:2]])
    return set_id, [added["id"] for added in answer["added"]]


def test_only_the_named_endpoints_are_public(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {
        *("/new_set", "/add_pictures", "/caption_picture", "/start_captioning", "/job", "/cancel_job"),
        *("/jobs", "/resume_job", "/retry_failed"),
        *("/suggest", "/suggested", "/start_sweep", "/sweep", "/rate"),
        *("/score_captions", "/scores", "/captions", "/save_caption", "/import_set", "/export_set"),
        *(
            "/delete_set",
            "/restore_set",
            "/set_use",
            "/delete_removed",
            "/delete_file",
            "/restore_file",
            "/models",
            "/act_on_model",
        ),
    }
    assert api["unnamed_endpoints"] == {}


def test_pictures_are_added_and_refused_one_by_one(client: Client, files: list[Path]) -> None:
    set_id = _call(client, "new_set")
    answer = _call(client, "add_pictures", set_id, [handle_file(str(file)) for file in files])
    assert [added["name"] for added in answer["added"]] == ["red.png", "blue.jpg"]
    [refused] = answer["refused"]
    assert (refused["name"], refused["code"]) == ("broken.png", "not_an_image")
    assert refused["message"]


def test_a_set_of_others_is_looked_at_and_taken(client: Client, files: list[Path], tmp_path: Path) -> None:
    set_id = _call(client, "new_set")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(files[0], "img/10_cat/red.png")
        archive.writestr("img/10_cat/red.txt", "a red cat")
    sent = [handle_file(str(tmp_path / "set.zip"))]
    look = client.predict(set_id, sent, {}, look=True, api_name="/import_set")
    assert (look["form"], look["captions"], look["pictures"]) == ("sidecars", 1, 1)
    assert _call(client, "captions", set_id) == []
    answer = client.predict(set_id, sent, {"lines": "first"}, api_name="/import_set")
    assert answer["refused"] == []
    [row] = _call(client, "captions", set_id)
    assert (row["folder"], row["name"], row["caption"], row["state"]) == ("10_cat", "red.png", "a red cat", "existing")


def _add_by_http(client: Client, set_id: str, path: Path, *names: str, include_masks: bool = False) -> Any:
    """Adds a picture under several names as a program without gradio_client does."""
    base = f"{client.src}gradio_api/"
    with path.open("rb") as file:
        [uploaded] = httpx.post(f"{base}upload", files={"files": file}).json()
    sent = [{"path": uploaded, "orig_name": name, "meta": {"_type": "gradio.FileData"}} for name in names]
    event = httpx.post(f"{base}call/add_pictures", json={"data": [set_id, sent, None, include_masks]}).json()
    answer = httpx.get(f"{base}call/add_pictures/{event['event_id']}", timeout=30).text
    return json.loads(answer.partition("data: ")[2])[0]


def test_pictures_keep_the_folder_that_their_name_begins_with(client: Client, files: list[Path]) -> None:
    set_id = _call(client, "new_set")
    answer = _add_by_http(client, set_id, files[0], "10_sks dog/1.png", "5_cat/1.png", "../etc/1.png")
    assert [(one["folder"], one["name"]) for one in answer["added"]] == [("10_sks dog", "1.png"), ("5_cat", "1.png")]
    assert [one["name"] for one in answer["refused"]] == ["../etc/1.png"]
    path = _call(client, "export_set", set_id, {"format": "txt"})
    with zipfile.ZipFile(path) as archive:
        assert own_names(archive) == ["10_sks dog/1.txt", "5_cat/1.txt"]
    assert [row["folder"] for row in _call(client, "captions", set_id)] == ["10_sks dog", "5_cat"]


def test_folders_can_be_named_beside_the_files_and_captions_come_along(
    client: Client, files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "red.txt").write_text("brought along")
    set_id = _call(client, "new_set")
    sent = [handle_file(str(path)) for path in (tmp_path / "red.txt", files[0], files[1])]
    answer = client.predict(set_id, sent, folders=["a/b", "a/b", ""], api_name="/add_pictures")
    assert [(one["folder"], one["name"]) for one in answer["added"]] == [("a/b", "red.png"), ("", "blue.jpg")]
    assert (answer["refused"], answer["notes"]) == ([], [])
    assert [row["caption"] for row in _call(client, "captions", set_id)] == ["brought along", ""]
    again = client.predict(set_id, sent, folders=["a/b", "a/b", ""], api_name="/add_pictures")
    assert again["added"] == answer["added"], "what is there is not doubled"


def test_a_caption_alone_goes_to_the_picture_that_is_there(client: Client, files: list[Path], tmp_path: Path) -> None:
    set_id, _ = _filled(client, files)
    (tmp_path / "blue.TXT").write_bytes("später".encode("utf-16"))
    answer = _call(client, "add_pictures", set_id, [handle_file(str(tmp_path / "blue.TXT"))])
    assert answer == {"added": [], "refused": [], "notes": []}
    assert [row["caption"] for row in _call(client, "captions", set_id)] == ["", "später"]


def test_masks_are_left_out_unless_asked_for(client: Client, files: list[Path]) -> None:
    set_id = _call(client, "new_set")
    names = ("a-masklabel.png", "masks/a.png")
    refused = _add_by_http(client, set_id, files[0], *names)["refused"]
    assert [(one["name"], one["code"]) for one in refused] == [("a-masklabel.png", "mask"), ("masks/a.png", "mask")]
    answer = _add_by_http(client, set_id, files[0], *names, include_masks=True)
    assert [one["folder"] for one in answer["added"]] == ["", "masks"]


def test_a_file_of_the_server_s_own_machine_cannot_be_named(client: Client, files: list[Path]) -> None:
    set_id = _call(client, "new_set")
    for trick in (
        {"path": str(files[0])},
        {"path": str(files[0]), "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd", "orig_name": "a.png"},
    ):
        # By hand, since gradio_client would upload what looks like a file of its own.
        answer = httpx.post(f"{client.src}gradio_api/call/add_pictures", json={"data": [set_id, [trick]]})
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == (
            "Files must be uploaded first; gradio_client's handle_file does it."
        )
    assert _call(client, "captions", set_id) == []


def test_an_address_in_place_of_a_file_is_refused(client: Client) -> None:
    set_id = _call(client, "new_set")
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        _call(client, "add_pictures", set_id, [handle_file("http://192.0.2.1/x.png")])


def test_a_program_with_the_login_is_let_in_and_another_is_not(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "login").write_text("ada:pass:word\n")
    server = AppServer(tmp_path, flags=["--auth-file", str(tmp_path / "login")])
    server.start()
    try:
        with pytest.raises(AuthenticationError):
            Client(server.url, verbose=False, analytics_enabled=False)
        login = {"auth": ("ada", "pass:word")}
        client = Client(server.url, verbose=False, analytics_enabled=False, httpx_kwargs=login)
        set_id, _ = _filled(client, files)
        path = _call(client, "export_set", set_id, {"format": "txt", "with_pictures": True})
        assert own_names(zipfile.ZipFile(io.BytesIO(Path(path).read_bytes()))) == [
            "red.png",
            "red.txt",
            "blue.jpg",
            "blue.txt",
        ]
        client.close()
    finally:
        server.stop()


def test_a_refused_value_writes_nothing_into_the_log(client: Client, server: AppServer) -> None:
    evil = "\x1b[2J\nCaptioner is ready on http://evil.example"
    for name, data in (("captions", [evil, evil]), ("caption_picture", [evil])):  # Gradio would print those it got
        assert httpx.post(f"{client.src}gradio_api/call/{name}", json={"data": data}).status_code == 400
    event = httpx.post(f"{client.src}gradio_api/call/captions", json={"data": [evil]}).json()["event_id"]
    assert "event: error" in httpx.get(f"{client.src}gradio_api/call/captions/{event}", timeout=30).text
    assert "\x1b" not in server.log
    assert "evil.example" not in server.log


def test_one_picture_is_captioned_with_settings(client: Client, files: list[Path]) -> None:
    set_id, [red, _] = _filled(client, files)
    caption = _call(client, "caption_picture", set_id, red, {"num_beams": 7, "wd14": "default"})
    assert caption == "a red picture 40 wide under beam 7, nami (one piece), red background, long hair, hair"
    rows = _call(client, "captions", set_id)
    assert [(row["name"], row["caption"], row["edited"]) for row in rows] == [
        ("red.png", caption, False),
        ("blue.jpg", "", False),
    ]


def test_a_job_runs_is_watched_and_can_be_cancelled(client: Client, files: list[Path]) -> None:
    set_id, _ = _filled(client, files)
    job_id = _call(client, "start_captioning", set_id, {"preset": "everydream-beam"})
    until = time.monotonic() + 30
    while (job := _call(client, "job", job_id))["state"] not in ("done", "failed") and time.monotonic() < until:
        time.sleep(0.1)
    over = {"place": None, "seconds_left": None}
    assert job == {"state": "done", "done": 2, "total": 2, "failed": 0, **over}
    [kept] = _call(client, "jobs", set_id)
    assert (kept["id"], kept["kind"], kept["state"], kept["models"]) == (job_id, "caption", "done", ["fake-blip"])
    assert kept["settings"]["num_beams"] == 16 and kept["started_at"] <= kept["ended_at"]
    assert [row["caption"] for row in _call(client, "captions", set_id)] == [
        "a red picture 40 wide under beam 16",
        "a blue picture 40 wide under beam 16",
    ]
    assert _call(client, "start_captioning", set_id, {"preset": "everydream-beam"}) == ""
    again = _call(client, "start_captioning", set_id, {"num_beams": 2})
    _call(client, "cancel_job", again)
    while _call(client, "job", again)["state"] == "running" and time.monotonic() < until:
        time.sleep(0.1)
    assert _call(client, "job", again)["state"] in ("cancelled", "done")


def test_captions_are_read_for_doubtful_words(tmp_path: Path) -> None:
    for number in range(2):
        draw(scene_from_seed(90_909, number), 256).save(tmp_path / f"{number}.png")
    server = BareServer(tmp_path, flags=["--models", "demo"])
    server.start()
    try:
        client = Client(server.url, verbose=False, analytics_enabled=False)
        set_id, [first, _] = _filled(client, sorted(tmp_path.glob("*.png")))
        _call(client, "save_caption", set_id, first, "two large green cats on a sandy beach under a blue sky", 0)
        assert _call(client, "scores", set_id) == []
        job_id = _call(client, "score_captions", set_id)
        until = time.monotonic() + 60
        while _call(client, "job", job_id)["state"] not in ("done", "failed") and time.monotonic() < until:
            time.sleep(0.1)
        ended = _call(client, "job", job_id)
        assert (ended["state"], ended["done"], ended["total"], ended["failed"]) == ("done", 1, 1, 0)
        [scored] = _call(client, "scores", set_id)
        assert (scored["id"], scored["is_stale"], scored["score"] > 0.5) == (first, False, True)
        assert [(doubt["word"], doubt["better"]) for doubt in scored["doubts"]] == [("cats", "hearts")]
        assert _call(client, "score_captions", set_id) == ""
        client.close()
    finally:
        server.stop()


def test_settings_are_compared_rated_and_fetched(client: Client, files: list[Path]) -> None:
    set_id, ids = _filled(client, files)
    axes = {"num_beams": [1, 3], "prefix": ["", "ohwx"]}
    sweep_id = _call(client, "start_sweep", set_id, ids, axes, {"max_length": 30}, "by a program")
    read = _call(client, "sweep", set_id, sweep_id)
    while read["sweep"]["state"] in ("waiting", "running"):
        time.sleep(0.1)
        read = _call(client, "sweep", set_id, sweep_id)
    assert (read["sweep"]["state"], read["sweep"]["name"], len(read["cells"])) == ("done", "by a program", 8)
    cell = next(cell for cell in read["cells"] if cell["picture"] == ids[1] and cell["cell"] == 3)
    assert cell["caption"].startswith("ohwx, a blue")
    painted = _call(client, "rate", set_id, sweep_id, ids[1], 3, "green")["cells"]
    assert {"picture": ids[1], "cell": 3, "rating": "green"} in painted
    changed = _call(client, "sweep", set_id, sweep_id, read["cursor"])["cells"]
    assert {(one["picture"], one["cell"], one["rating"]) for one in changed} == {
        (one["picture"], one["cell"], "green") for one in painted
    }
    answer = httpx.get(f"{client.src}sets/{set_id}/sweeps/{sweep_id}.csv")
    assert (answer.status_code, len(answer.text.splitlines())) == (200, 9)
    assert _call(client, "rate", set_id, sweep_id, ids[1], 3)["cells"][0]["rating"] is None


def test_several_kinds_of_captions_are_made_and_told(client: Client, files: list[Path]) -> None:
    set_id, _ = _filled(client, files)
    job = _call(client, "start_captioning", set_id, {"kinds": {"short": {"num_beams": 1}}})
    until = time.monotonic() + 20
    while _call(client, "job", job)["state"] not in ("done", "failed") and time.monotonic() < until:
        time.sleep(0.05)
    rows = _call(client, "captions", set_id)
    assert [row["kinds"]["short"].endswith("under beam 1") for row in rows] == [True, True]
    assert [row["caption"].endswith("under beam 3") for row in rows] == [True, True]


def test_edits_are_compared_and_set(client: Client, files: list[Path]) -> None:
    set_id, [red, _] = _filled(client, files)
    assert _call(client, "save_caption", set_id, red, "by a program", 0) == {"ok": True, "revision": 1}
    assert _call(client, "save_caption", set_id, red, "too late", 0) == {
        "ok": False,
        "conflict": "by a program",
        "revision": 1,
    }
    [row, _] = _call(client, "captions", set_id)
    assert (row["caption"], row["edited"], row["revision"]) == ("by a program", True, 1)


def test_the_set_is_exported_as_a_zip(client: Client, files: list[Path]) -> None:
    set_id, [red, _] = _filled(client, files)
    _call(client, "save_caption", set_id, red, "by a program", 0)
    path = _call(client, "export_set", set_id, {"format": "caption", "with_pictures": True})
    with zipfile.ZipFile(io.BytesIO(Path(path).read_bytes())) as archive:
        assert sorted(own_names(archive)) == ["blue.caption", "blue.jpg", "red.caption", "red.png"]
        assert archive.read("red.caption").decode() == "by a program"


def test_a_set_is_deleted(client: Client, files: list[Path]) -> None:
    set_id, _ = _filled(client, files)
    assert _call(client, "delete_set", set_id) == {}
    with pytest.raises(Exception, match="There is no caption set"):
        _call(client, "captions", set_id)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("captions", ("nobody",), "There is no caption set"),
        ("caption_picture", ("SET", "nobody", {}), "The set has no picture"),
        ("start_captioning", ("SET", {"num_beams": 99}), "num_beams is 99; it must be a whole number between 1 and 20"),
        ("start_captioning", ("SET", {"captioner": "/etc"}), "Captioner is '/etc'; it must be one of"),
        (
            "start_captioning",
            ("SET", {"captioner": "tests/browser"}),
            "Captioner is 'tests/browser'; it must be one of",
        ),
        ("start_captioning", ("SET", {"flavour": 1}), "Flavour is not a setting; did you mean"),
        ("start_captioning", ("SET", ["num_beams"]), "Settings are list; they must be a mapping"),
        ("job", ("SET.99",), "There is no such job"),
        ("job", ("1",), "There is no such job"),
        ("resume_job", ("SET.99",), "There is no such job to go on with"),
        ("jobs", ("nobody",), "There is no caption set"),
        ("save_caption", ("SET", "nobody", "x" * 10_001, 0), "The caption has 10,001 characters"),
        ("save_caption", ("SET", "nobody", "a", 10**400), "base_revision is a number of about 400 digits"),
        ("start_captioning", ("SET", {"q_factor": 10**400}), "q_factor is a number of about 400 digits"),
        ("start_sweep", ("SET", [], {"num_beams": [1]}, {}), "0 pictures are chosen; a comparison takes 1 to 8"),
        ("start_sweep", ("SET", ["p"], {}, {}), "The grid has 0 axes; it may have one to 3"),
        ("start_sweep", ("SET", ["p"], {"num_beams": []}, {}), "The axis num_beams needs values"),
        ("start_sweep", ("SET", ["p"], {"num_beams": 3}, {}), "num_beams are int; they must be a list"),
        ("start_sweep", ("SET", ["p"], {"num_beams": [99]}, {}), "num_beams is 99; it must be a whole number between"),
        ("start_sweep", ("SET", ["p"], {"q_factor": [10**400]}, {}), "q_factor is 'a number of about 400 digits'"),
        ("start_sweep", ("SET", ["p"], {"captioner": ["/etc"]}, {}), "Captioner is '/etc'; it must be one of"),
        ("start_sweep", ("SET", ["p"], {"seed": list(range(401))}, {}), "The grid has 401 cells; it may have 400"),
        ("start_sweep", ("SET", ["nobody"], {"num_beams": [1]}, {}), "The set has no picture"),
        ("sweep", ("SET", "nothing"), "The set has no comparison"),
        ("rate", ("SET", "nothing", "p", 0, "blue"), "Rating is 'blue'; it must be one of green, yellow, red"),
        ("rate", ("SET", "nothing", "p", 0, "green"), "The set has no comparison"),
        ("export_set", ("SET", {"format": "docx"}), "'docx' is no export format; the formats are txt, caption, kohya"),
        ("export_set", ("SET", {"zip": True}), "Zip is not a setting here"),
        ("add_pictures", ("SET", "files"), "Files are str; they must be a list"),
        ("add_pictures", ("SET", [], ["a"]), "Folders are 1 and files are 0; each file needs one"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(client: Client, name: str, values: Any, message: str) -> None:
    set_id = _call(client, "new_set")
    sent = [value.replace("SET", set_id) if isinstance(value, str) else value for value in values]
    with pytest.raises(AppError, match=message):
        _call(client, name, *sent)

"""Who comes in, and that nobody gets into another's set: through the door and the mounted app."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio.context import LocalContext
from starlette.datastructures import Headers

from captioner import users
from captioner.errors import CaptionerError
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.service.shares import Shares
from captioner.ui import asking, page
from captioner.ui.address import ServedNames
from captioner.ui.guard import Guard
from captioner.ui.login import Login, ProxyLogin
from captioner.ui.script_functions import script_functions
from captioner.ui.visitors import SetDoor, Visitors
from captioner.users import UserFile
from captioner.worker import Worker
from captioner.workspace import Workspace
from captioner.workspace.owners import Owners
from captioner.workspace.upkeep import backup, disk_use
from tests.fakes import fake_models
from tests.gradio_blocks import in_loop
from tests.service_makers import RED, png

BASE = "http://127.0.0.1:7860"
ADA, EVE = ("ada", "a long word"), ("eve", "another word")


class House:
    """The mounted app behind a door that knows ada and eve."""

    def __init__(self, service: Service, owners: Owners, file: Path, uploads: Path) -> None:
        self.app = in_loop(page.mount, FastAPI(), service)
        self.service, self.workspace, self.owners = service, service.workspace, owners
        self.file, self._uploads = file, uploads
        self.bench = next(number for number, names in self.app.state.callables.server_functions.items() if names)

    def door(self, **given: Any) -> TestClient:
        visitors = Visitors(
            **{"login": Login(UserFile(self.file)), "sets": SetDoor(self.workspace, self.owners), **given}
        )
        guard = Guard(
            self.app,
            names=ServedNames.of("127.0.0.1", []),
            visitors=visitors,
            upload_folder=self._uploads,
            callables=self.app.state.callables,
        )
        return TestClient(guard, base_url=BASE)

    def ask(self, client: TestClient, name: str, who: Any, **data: Any) -> Any:
        """One of the page's functions."""
        call = {"component_id": self.bench, "fn_name": name, "session_hash": "x", "data": data}
        return client.post("/gradio_api/component_server/", json=call, auth=who)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "uploads").mkdir()
    file = folder / "users"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "_COST", 2)
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        users._nobody.cache_clear()
        for name, password in (ADA, EVE):
            users.add_user(file, name, password)
        with (
            fake_models(folder / "models") as models,
            Workspace(folder / "work") as workspace,
            Owners(workspace.folder) as owners,
            closing(ModelManager(models=models, device="cpu")) as manager,
            Worker() as worker,
        ):
            shares = Shares(
                workspace, worker, pictures_a_set=2, jobs_a_user=1, owner_of=owners.user_of, claim=owners.claim
            )
            service = Service(workspace, worker, manager, (), shares)
            yield House(service, owners, file, folder / "uploads")
    users._nobody.cache_clear()


@pytest.fixture(scope="module")
def door(house: House) -> Iterator[TestClient]:
    with house.door() as client:
        yield client


def a_set(house: House, client: TestClient, who: Any = ADA) -> str:
    """A new set with a picture, its maker's."""
    set_id = str(house.ask(client, "new_set", who).json()["set"])
    sent = client.post(
        f"/sets/{set_id}/pictures", data={"name": "a.png"}, files={"file": ("a.png", png(RED))}, auth=who
    )
    assert sent.status_code == 200, sent.text
    return set_id


def test_passwords_and_tokens_come_in_and_nothing_else_does(house: House, door: TestClient) -> None:
    assert door.get("/who").status_code == 401
    assert door.get("/who", auth=("ada", "a wrong word")).status_code == 401
    assert door.get("/who", auth=ADA).json() == {
        "user": "ada",
        "is_operator": False,
        "has_own_sets": True,
        "can_leave": True,
    }
    token = users.add_token(house.file, "eve")
    with house.door() as fresh:
        bearer = {"Authorization": f"Bearer {token}"}
        assert fresh.get("/who", headers=bearer).json()["user"] == "eve"
        assert fresh.get("/config", headers=bearer).status_code == 200
        assert fresh.get("/who", headers={"Authorization": f"Bearer {token}x"}).status_code == 401


def test_a_password_is_proven_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = users.is_password
    monkeypatch.setattr(users, "is_password", lambda *words: asked.append(1) or plain(*words))
    with house.door() as client:
        for _ in range(3):
            assert client.get("/who", auth=ADA).status_code == 200
    assert asked == [1]


def test_guessing_is_slowed_down_for_users_too(house: House) -> None:
    with house.door() as client:
        answers = [client.get("/who", auth=("ada", f"wrong word {number}")).status_code for number in range(7)]
    assert answers[:5] == [401] * 5
    assert 429 in answers


def test_guesses_that_come_at_once_are_slowed_down_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each is proven in a thread of those that all requests share."""
    proven = []
    monkeypatch.setattr(users, "is_password", lambda *words: proven.append(time.sleep(0.01)))
    visitors = Visitors(login=Login(UserFile(house.file)))
    words = (base64.b64encode(f"ada:wrong word {number}".encode()).decode() for number in range(30))

    async def guess_at_once() -> list[Any]:
        scope = {"client": ("192.0.2.1", 1)}
        return await asyncio.gather(
            *(visitors.enter(Headers({"authorization": f"Basic {one}"}), scope) for one in words)
        )

    statuses = [answer.status_code for answer in asyncio.run(guess_at_once())]
    assert len(proven) <= 6
    assert statuses.count(429) >= 24


def test_a_set_is_its_makers_by_every_way(house: House, door: TestClient) -> None:
    set_id = a_set(house, door)
    picture = house.workspace.pictures(set_id)[0].id
    assert house.ask(door, "open_set", ADA, set=set_id).json()["rows"][0]["id"] == picture
    refused = [
        house.ask(door, "open_set", EVE, set=set_id),
        house.ask(door, "save_caption", EVE, set=set_id, id=picture, text="x", base=0, is_step=False),
        door.get(f"/sets/{set_id}/pictures/{picture}/thumbnail", auth=EVE),
        door.get(f"/sets/{set_id}/export", auth=EVE),
        door.post(f"/sets/{set_id}/pictures", data={"name": "b.png"}, files={"file": ("b.png", png(RED))}, auth=EVE),
        door.post("/gradio_api/call/captions", json={"data": [set_id]}, auth=EVE),
        door.post("/gradio_api/call/job", json={"data": [f"{set_id}.1"]}, auth=EVE),
        door.get(f"/sets/{set_id}/sharing", auth=EVE),
    ]
    assert [answer.status_code for answer in refused] == [404] * 8
    assert all(answer.json()["error"]["code"] == "unknown_set" for answer in refused)
    assert door.get(f"/sets/{set_id}/pictures/{picture}/thumbnail", auth=ADA).status_code == 200
    assert door.get(f"/sets/{set_id}/sweeps/any.csv%0A", auth=EVE).json() == refused[0].json()
    listed = house.ask(door, "known_sets", EVE, sets=[set_id]).json()
    assert listed == house.ask(door, "known_sets", EVE, sets=[]).json()
    assert house.ask(door, "known_sets", ADA, sets=[set_id]).json() != listed


def test_every_function_that_takes_a_set_is_asked_by_the_name_that_the_door_reads(house: House) -> None:
    for function in script_functions(house.service):
        names = inspect.getclosurevars(function).nonlocals["shape"].names
        assert not [name for name in names if "set" in name.split("_") and name != "set"], function.__name__


def test_an_owner_shares_by_link_on_purpose_and_ends_it(house: House, door: TestClient) -> None:
    set_id = a_set(house, door)
    sharing = f"/sets/{set_id}/sharing"
    assert door.get(sharing, auth=ADA).json() == {"owner": "ada", "is_shared": False, "is_mine": True}
    assert door.post(sharing, json={"is_shared": True}, auth=EVE).status_code == 404
    assert door.post(sharing, json={"is_shared": "yes"}, auth=ADA).status_code == 400
    assert door.post(sharing, json={"is_shared": True}, auth=ADA).json()["is_shared"] is True
    assert house.ask(door, "open_set", EVE, set=set_id).status_code == 200
    assert door.get(sharing, auth=EVE).json() == {"owner": "ada", "is_shared": True, "is_mine": False}
    assert door.post(sharing, json={"is_shared": False}, auth=EVE).status_code == 403
    assert door.post(sharing, json={"is_shared": False}, auth=ADA).status_code == 200
    assert house.ask(door, "open_set", EVE, set=set_id).status_code == 404


def test_a_set_from_before_users_is_nobodys_until_somebody_makes_it_theirs(house: House) -> None:
    set_id = house.workspace.create_set("old")
    door = house.door(is_operator=lambda user: user == "ada")
    with door as client:
        sharing = f"/sets/{set_id}/sharing"
        for who in (EVE, ADA):
            assert house.ask(client, "open_set", who, set=set_id).status_code == 200
            assert client.get(sharing, auth=who).json() == {"owner": None, "is_shared": True, "is_mine": False}
        assert house.owners.of(set_id) is None, "opening it is no claim"
        assert client.post(sharing, json={"is_shared": False}, auth=EVE).status_code == 403
        assert client.post(sharing, json={"owner": "eve"}, auth=ADA).status_code == 200, "an operator may"
        assert client.get(sharing, auth=ADA).json() == {"owner": "eve", "is_shared": True, "is_mine": False}
        assert client.post(sharing, json={"owner": "ada"}, auth=EVE).json()["owner"] == "ada", "hers to give away"


def test_only_a_user_for_themselves_and_operators_name_an_owner(house: House) -> None:
    set_id = house.workspace.create_set("old")
    door = house.door(is_operator=lambda user: user == "eve")
    with door as client:
        sharing = f"/sets/{set_id}/sharing"
        assert client.post(sharing, json={"owner": "eve"}, auth=ADA).status_code == 403
        assert client.post(sharing, json={"owner": "no name"}, auth=ADA).status_code == 400
        assert client.post(sharing, json={"owner": "ada"}, auth=ADA).json()["is_mine"] is True
        assert client.post(sharing, json={"is_shared": False}, auth=ADA).status_code == 200
        assert client.get(sharing, auth=EVE).status_code == 404
        assert client.post(sharing, json={"owner": "eve"}, auth=EVE).json()["owner"] == "eve"
        assert client.post(sharing, json={"owner": "ada"}, auth=ADA).status_code == 404
        assert client.post("/sets/nothing/sharing", json={"owner": "eve"}, auth=EVE).status_code == 404


@pytest.mark.parametrize("is_program", [False, True])
def test_a_new_set_is_its_makers_before_anybody_names_it_and_after_a_restart(house: House, is_program: bool) -> None:
    with house.door() as client, Owners(house.workspace.folder) as read_before:
        if is_program:
            called = client.post("/gradio_api/call/new_set", json={"data": []}, auth=ADA).json()["event_id"]
            told = client.get(f"/gradio_api/call/new_set/{called}", auth=ADA).text
            set_id = json.loads(told.partition("data: ")[2].splitlines()[0])[0]
        else:
            set_id = house.ask(client, "new_set", ADA).json()["set"]
        assert read_before.of(set_id) is None
        assert house.ask(client, "open_set", EVE, set=set_id).status_code == 404
    with Owners(house.workspace.folder) as again, house.door(sets=SetDoor(house.workspace, again)) as client:
        assert house.ask(client, "open_set", EVE, set=set_id).status_code == 404
        assert house.ask(client, "open_set", ADA, set=set_id).json()["rows"] == []


# Operators


def test_an_operator_looks_after_models_and_others_look(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.service.models, "managed_by", "operators")
    with house.door(is_operator=lambda user: user == "ada") as client:
        assert house.ask(client, "list_models", ADA).json()["may_manage"] is True
        assert house.ask(client, "act_on_model", ADA, action="free").json()["said"]
        looked = house.ask(client, "list_models", EVE).json()
        assert looked["may_manage"] is False and "operators" in looked["locked"] and looked["models"]
        refused = house.ask(client, "act_on_model", EVE, action="free").json()["error"]
        assert (refused["code"], refused["message"]) == (
            "not_allowed",
            "Models are looked after by this app's operators; ask one of them.",
        )


@pytest.mark.parametrize("who", [ADA, EVE])
def test_programs_are_operators_only_where_their_user_is(
    house: House, monkeypatch: pytest.MonkeyPatch, who: tuple[str, str]
) -> None:
    monkeypatch.setattr(house.service.models, "managed_by", "operators")
    with house.door(is_operator=lambda user: user == "ada") as client:
        asked = client.post("/gradio_api/call/models", json={"data": []}, auth=who).json()["event_id"]
        told = client.get(f"/gradio_api/call/models/{asked}", auth=who).text
        assert f'"may_manage": {"true" if who is ADA else "false"}' in told
        asked = client.post("/gradio_api/call/act_on_model", json={"data": ["free", ""]}, auth=who).json()["event_id"]
        told = client.get(f"/gradio_api/call/act_on_model/{asked}", auth=who).text
        assert ("event: error" in told) is (who is EVE)


def test_who_is_not_known_is_no_operator_and_makes_no_set(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a later Gradio hands no request on."""
    monkeypatch.setattr(house.service.models, "managed_by", "operators")
    functions = {function.__name__: function for function in script_functions(house.service)}
    before = len(disk_use(house.workspace.folder).sets)
    for unknown in (None, SimpleNamespace(), SimpleNamespace(scope={}), SimpleNamespace(request=None)):
        token = LocalContext.request.set(unknown)  # type: ignore[arg-type]
        try:
            assert not asking.is_operator() and asking.user() == ""
            with pytest.raises(CaptionerError, match="only who looks after this app deletes"):
                asking.check_operator(house.service)
            error = functions["new_set"]({})["error"]
            assert error["code"] == "unknown_user" and "a set of nobody would be open to everybody" in error["message"]
        finally:
            LocalContext.request.reset(token)
    assert len(disk_use(house.workspace.folder).sets) == before
    monkeypatch.setattr(house.service.models, "managed_by", "all")
    asking.check_operator(house.service)


def test_owners_are_kept(house: House, door: TestClient) -> None:
    set_id = a_set(house, door)
    with Owners(house.workspace.folder) as again:
        assert again.user_of(set_id) == "ada"
        assert again.of(set_id).is_shared is False  # type: ignore[union-attr]


def test_a_backup_holds_the_owners(house: House, door: TestClient, tmp_path: Path) -> None:
    set_id = a_set(house, door)
    backup(house.workspace.folder, tmp_path / "backup.zip")
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        archive.extract("owners.sqlite", tmp_path)
    with Owners(tmp_path) as again:
        assert again.user_of(set_id) == "ada"


def test_limits_hold_for_sets_and_uploads(house: House, door: TestClient) -> None:
    set_id = a_set(house, door)
    for name, status in (("b.png", 200), ("c.png", 400)):
        sent = door.post(f"/sets/{set_id}/pictures", data={"name": name}, files={"file": (name, png(RED))}, auth=ADA)
        assert sent.status_code == status
    assert sent.json()["error"]["code"] == "set_full"
    now = [0.0]
    with house.door(upload_bytes_a_day=2_500, clock=lambda: now[0]) as small:
        kept = [
            small.post("/kept/own_vocabulary", params={"name": "a"}, content=b"x" * 1_000, auth=who).status_code
            for who in (ADA, ADA, ADA, EVE)
        ]
        assert [status == 429 for status in kept] == [False, False, True, False]
        now[0] += 90_000
        again = small.post("/kept/own_vocabulary", params={"name": "a"}, content=b"x" * 1_000, auth=ADA)
        assert again.status_code != 429
    with house.door(upload_bytes_a_day=2**30) as large:  # a set in a zip may have 4 GiB
        untold = large.post(f"/sets/{set_id}/imports", content=iter([b"x"]), auth=ADA)
        assert untold.json()["error"]["code"] == "upload_limit"


def test_a_user_has_as_many_jobs_as_one_may(house: House) -> None:
    owners: dict[str, str] = {"one": "ada", "two": "ada", "three": "eve"}
    going_on = SimpleNamespace(owner="one", is_finished=False)
    worker: Any = SimpleNamespace(jobs=lambda: [going_on])
    shares = Shares(house.workspace, worker, jobs_a_user=1, owner_of=owners.get)
    with pytest.raises(CaptionerError, match="1 job is going on in other sets of ada"):
        shares.check_jobs("two")
    shares.check_jobs("three")
    going_on.is_finished = True
    shares.check_jobs("two")


def test_leaving_makes_the_browser_forget_and_coming_back_goes_to_the_page(door: TestClient) -> None:
    left = door.get("/sign-out?1", auth=ADA)
    assert (left.status_code, left.headers["www-authenticate"].startswith("Basic")) == (401, True)
    assert "You are signed out" in left.text
    back = door.get("/sign-out?1", auth=ADA, follow_redirects=False)
    assert (back.status_code, back.headers["location"]) == (303, "./")


def by_proxy(house: House, *proxies: str, **given: Any) -> TestClient:
    proxy = ProxyLogin.of("Remote-User", proxies)
    return house.door(**{"proxy": proxy, "login": None, **given})


def client_at(client: TestClient, address: str) -> TestClient:
    client._transport.client = (address, 5000)  # type: ignore[attr-defined]
    return client


def test_a_proxys_word_is_believed_from_its_address_only(house: House) -> None:
    with by_proxy(house, "10.0.0.0/24", "::1") as client:
        client_at(client, "10.0.0.7")
        assert client.get("/who", headers={"Remote-User": "eve"}).json()["user"] == "eve"
        assert client.get("/who").status_code == 403
        assert client.get("/who", headers={"Remote-User": "a b"}).status_code == 400
        assert client.get("/who", headers=[("Remote-User", "ada"), ("Remote-User", "eve")]).status_code == 400
        client_at(client, "10.0.1.7")
        assert client.get("/who", headers={"Remote-User": "eve"}).status_code == 403
        assert client.get("/who", headers={"Remote-User": "eve", "X-Forwarded-For": "10.0.0.7"}).status_code == 403


def test_programs_come_past_the_proxy_with_a_login_of_their_own(house: House) -> None:
    with by_proxy(house, "10.0.0.7", login=Login(UserFile(house.file))) as client:
        client_at(client, "10.0.9.9")
        assert client.get("/who", headers={"Remote-User": "eve"}, auth=ADA).json()["user"] == "ada"
        assert client.get("/who", headers={"Remote-User": "eve"}).status_code == 401


def test_without_users_sets_are_nobodys(house: House) -> None:
    with house.door(login=None, sets=None) as client:
        assert client.get("/who").json() == {
            "user": "",
            "is_operator": True,
            "has_own_sets": False,
            "can_leave": False,
        }
        assert client.get("/sets/x/sharing").json()["error"]["code"] == "no_users"
        assert client.get("/sign-out").status_code == 404


@pytest.mark.parametrize(
    ("header", "proxies", "message"),
    [
        ("Remote User", ["10.0.0.1"], "must be a header's name"),
        ("Remote-User", [], "needs --trusted-proxy ADDRESS"),
        ("Remote-User", ["proxy.example"], "--trusted-proxy is 'proxy.example'; it must be an address or a network"),
    ],
)
def test_a_proxy_that_is_none_is_a_sentence(header: str, proxies: list[str], message: str) -> None:
    with pytest.raises(CaptionerError, match=message):
        ProxyLogin.of(header, proxies)

"""Servers as captioners: each dialect's answers and errors, from a local server that speaks them."""

from __future__ import annotations

import base64
import io
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from captioner import __main__ as command_line
from captioner.captions.groups import CAPTIONER
from captioner.captions.plan import Plan
from captioner.contract import PictureInput
from captioner.errors import BadModel, CaptionerError, ModelFailed, ModelNotFound, SomeFailed
from captioner.models import registry
from captioner.models.endpoint import EndpointCaptioner, addresses
from captioner.models.endpoint.client import TRIES, Client, as_jpeg
from captioner.models.endpoint.pace import TIMED_BATCHES, Pace
from captioner.models.endpoint.settings import EndpointSettings
from captioner.models.manager import ModelManager
from captioner.models.named_servers import add_named_servers
from captioner.pipeline import make_layers
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from tests.fakes import fake_models
from tests.service_makers import RED, page_values, set_with, wait_for_job

SETTINGS = EndpointSettings(prompt="What is it?", model="eyes", timeout_s=5)
PICTURE = Image.new("RGB", (64, 48), (230, 10, 10))

Answer = Callable[["Speaking"], None]


class Speaking(BaseHTTPRequestHandler):
    """One request; what it answers the server's `answers` decide, in turn, the last one for good."""

    protocol_version = "HTTP/1.1"
    server: Server
    body: Any = None

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers), None))
        self.say({"object": "list", "data": [{"id": "eyes-7b"}, {"id": "other"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.body = body
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def say(self, answer: Any, status: int = 200, **headers: str) -> None:
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Speaking)
        self.answers: list[Answer] = [says("a red square")]
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def says(text: Any, finish: str = "stop", **message: Any) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return lambda speaking: speaking.say({"id": "1", "object": "chat.completion", "choices": [choice]})


def fails(status: int, error: Any, **headers: str) -> Answer:
    return lambda speaking: speaking.say(error, status, **headers)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def nothing_named() -> Iterator[None]:
    before = registry.MODELS
    yield
    registry.MODELS = before
    addresses.forget_all()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(server: Server, waits: list[float]) -> Client:
    return Client(addresses.Address("studio", server.url), sleep=waits.append)


def named(server: Server) -> None:
    assert add_named_servers([f"studio={server.url}/v1/"]) == []


# One question


def test_a_question_is_asked_in_the_way_that_all_servers_understand(client: Client, server: Server) -> None:
    said = client.ask(PICTURE, "What is it?", SETTINGS.replaced(system="You are brief.", seed=3))
    assert (said.text, said.finish) == ("a red square", "stop")
    [(path, headers, body)] = server.asked
    assert path == "/v1/chat/completions" and "Authorization" not in headers
    system, question = body.pop("messages")
    assert system == {"role": "system", "content": "You are brief."}
    [picture, words] = question["content"]
    assert words == {"type": "text", "text": "What is it?"}
    data = picture["image_url"]["url"]
    assert data.startswith("data:image/jpeg;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).size == (64, 48)
    assert body["model"] == "eyes" and body["stream"] is False and body["seed"] == 3
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.6, 0.9, 300)


def test_without_a_model_s_name_the_first_of_the_server_is_taken(client: Client, server: Server) -> None:
    for _ in range(2):
        client.ask(PICTURE, "What is it?", SETTINGS.replaced(model=""))
    assert [path for path, _, _ in server.asked] == ["/v1/models", *["/v1/chat/completions"] * 2]
    assert server.asked[-1][2]["model"] == "eyes-7b"


def test_a_picture_leaves_smaller_and_with_nothing_beside_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N"}  # where it was taken
    data = io.BytesIO()
    Image.new("RGB", (3000, 1500), "green").save(data, "JPEG", exif=exif, comment=b"mine", icc_profile=b"x" * 200)
    sent = Image.open(io.BytesIO(as_jpeg(Image.open(data), 1024)))
    assert sent.format == "JPEG" and sent.size == (1024, 512)
    assert not sent.getexif() and not {"comment", "icc_profile", "exif"} & set(sent.info)


def test_the_key_comes_from_the_environment_and_shows_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONER_KEY_MY_BOX", "sk-secret")
    client = Client(addresses.Address("my-box", server.url))
    client.ask(PICTURE, "What is it?", SETTINGS)
    assert server.asked[0][1]["Authorization"] == "Bearer sk-secret"
    server.answers = [fails(401, {"error": {"message": "Incorrect API key provided: sk-secret."}})]
    with pytest.raises(CaptionerError, match=r"refuses the key \(401\).*CAPTIONER_KEY_MY_BOX") as caught:
        client.ask(PICTURE, "What is it?", SETTINGS)
    server.answers = [fails(500, {"error": "bad state for sk-secret"})]
    with pytest.raises(ModelFailed) as told:
        client.ask(PICTURE, "What is it?", SETTINGS)
    assert "sk-secret" not in str(caught.value) + str(told.value)


@pytest.mark.parametrize(
    ("answer", "text", "finish"),
    [
        (says("<think>a dog? no.</think>\n\nA red square."), "A red square.", "stop"),
        (says("a dog? no.</think>A red square."), "A red square.", "stop"),
        (says("  A red square, and", "length"), "A red square, and", "length"),
        (says("A red square.", reasoning_content="a dog? no."), "A red square.", "stop"),
    ],
)
def test_what_is_said_around_an_answer_is_taken_off(
    client: Client, server: Server, answer: Answer, text: str, finish: str
) -> None:
    server.answers = [answer]
    said = client.ask(PICTURE, "What is it?", SETTINGS)
    assert (said.text, said.finish) == (text, finish)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (says(""), "its answer is empty"),
        (says(None), "its answer is empty"),
        (says("", "length"), "thought aloud until the limit"),
        (says("<think>a dog? or", "length"), "thought aloud until the limit"),
        (fails(200, {"error": "Model does not support images"}), "Model does not support images"),
        (fails(200, {"error": {"message": "crashed", "type": "x"}}), "crashed"),
        (fails(500, {"error": {"code": 500, "message": "image input is not supported - hint: mmproj"}}), "mmproj"),
        (fails(500, b"<html>Internal"), r"failed \(500\): <html>Internal"),
        (fails(400, {"error": {"message": "unsupported image format: webp"}}), "unsupported image format"),
        (fails(413, {"detail": {"msg": "too large", "type": "x"}}), "too large"),
        (fails(200, b"not json"), "no JSON object: not json"),
        (fails(200, [1, 2]), "no JSON object"),
        (fails(200, {"choices": []}), "without a choice"),
        (fails(200, {"choices": [{"text": "old kind"}]}), "without a choice"),
        (fails(200, b'{"x": "' + b"a" * 3_000_000 + b'"}'), "more than 2,000,000 bytes"),
    ],
)
def test_what_goes_wrong_with_one_picture_costs_that_picture(
    client: Client, server: Server, answer: Answer, told: str
) -> None:
    server.answers = [answer]
    with pytest.raises(ModelFailed, match=told):
        client.ask(PICTURE, "What is it?", SETTINGS)
    assert len(server.asked) == 1, "it is not worth another try"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (fails(401, {"error": "no"}), "refuses the key"),
        (fails(404, {"error": {"message": "model 'eyes' not found"}}), "no model of that name .*'eyes' not found"),
        (fails(302, b"", Location="http://127.0.0.1:9/"), "sends us elsewhere"),
    ],
)
def test_what_concerns_all_pictures_says_so_at_once(client: Client, server: Server, answer: Answer, told: str) -> None:
    server.answers = [answer]
    with pytest.raises(CaptionerError, match=told) as caught:
        client.ask(PICTURE, "What is it?", SETTINGS)
    assert caught.value.code == "endpoint_refused" and not isinstance(caught.value, ModelFailed)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 503, 502])
def test_a_busy_server_is_asked_again_after_growing_waits(
    client: Client, server: Server, waits: list[float], status: int
) -> None:
    busy = fails(status, {"error": "busy"})
    server.answers = [busy, busy, says("a red square")]
    assert client.ask(PICTURE, "What is it?", SETTINGS).text == "a red square"
    assert waits == [0.5, 1.0]
    server.answers = [busy]
    with pytest.raises(ModelFailed, match=rf"failed \({status}\): busy|refuses"):
        client.ask(PICTURE, "What is it?", SETTINGS.replaced(timeout_s=60))
    assert len(server.asked) == 3 + TRIES


def test_a_server_says_how_long_it_wants_to_be_left_alone(client: Client, server: Server, waits: list[float]) -> None:
    server.answers = [fails(429, {"error": "busy"}, Retry_After="3"), says("a red square")]
    client.ask(PICTURE, "What is it?", SETTINGS)
    assert waits == [3.0]


def test_a_server_that_refuses_what_it_does_not_know_is_asked_without_it(client: Client, server: Server) -> None:
    refusing = fails(400, {"error": {"message": "Unrecognized request argument supplied: repeat_penalty"}})
    server.answers = [refusing, says("a red square")]
    for _ in range(2):
        assert client.ask(PICTURE, "What is it?", SETTINGS).text == "a red square"
    assert ["min_p" in body for _, _, body in server.asked] == [True, False, False]


def test_a_connection_that_breaks_in_the_middle_of_an_answer_is_tried_again(client: Client, server: Server) -> None:
    def half(speaking: Speaking) -> None:
        speaking.send_response(200)
        speaking.send_header("Content-Length", "1000")
        speaking.end_headers()
        speaking.wfile.write(b'{"choices": [{"mess')
        speaking.wfile.flush()
        speaking.connection.close()
        speaking.close_connection = True

    server.answers = [half, says("a red square")]
    assert client.ask(PICTURE, "What is it?", SETTINGS).text == "a red square"


@pytest.mark.parametrize("drips", [False, True])
def test_a_server_that_hangs_costs_its_picture_after_the_time_limit(server: Server, drips: bool) -> None:
    is_over = threading.Event()

    def hang(speaking: Speaking) -> None:
        if drips:
            speaking.send_response(200)
            speaking.send_header("Content-Length", "100000")
            speaking.end_headers()
        while not is_over.wait(0.1):
            if drips:
                speaking.wfile.write(b" ")
                speaking.wfile.flush()

    server.answers = [hang]
    client = Client(addresses.Address("studio", server.url), sleep=lambda seconds: None)
    begin = time.monotonic()
    with pytest.raises(ModelFailed, match="took longer than 5 s") as caught:
        client.ask(PICTURE, "What is it?", SETTINGS)
    is_over.set()
    assert caught.value.code == "endpoint_slow"
    assert time.monotonic() - begin < 60


def test_nobody_there_says_where_and_what_to_do(waits: list[float]) -> None:
    client = Client(addresses.Address("studio", "http://127.0.0.1:9"), sleep=waits.append)
    with pytest.raises(
        CaptionerError, match=r"studio \(http://127.0.0.1:9\) cannot be reached.*Start the server"
    ) as no:
        client.ask(PICTURE, "What is it?", SETTINGS.replaced(timeout_s=60))
    assert no.value.code == "endpoint_down" and waits == [0.5, 1.0, 2.0, 4.0]


# Names


@pytest.mark.parametrize(
    "text",
    [
        *("studio", "=http://x", "Studio X=http://x", "studio=ftp://x", "studio=http://", "studio=127.0.0.1:80"),
        *("studio=http://me:secret@x", "studio=http://x/?key=1", "studio=http://x:99999", "studio=file:///etc/passwd"),
    ],
)
def test_an_address_that_is_none_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(CaptionerError, match=r"--endpoint is|the address of the endpoint studio") as caught:
        add_named_servers([text])
    assert caught.value.code == "bad_endpoint"


def test_an_endpoint_may_not_have_a_model_s_name(server: Server) -> None:
    with pytest.raises(CaptionerError, match="has the name of a model"):
        add_named_servers([f"blip-base={server.url}"])


def test_who_sends_pictures_away_says_so_before(server: Server) -> None:
    [note] = add_named_servers(["far=https://captions.example.org/v1"])
    assert note == "pictures that far captions leave this machine: they are sent to captions.example.org."
    assert registry.find("far").sends_to == "captions.example.org"
    for here in ("http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1"):
        assert add_named_servers([f"near={here}"]) == []
    assert [spec.name for spec in registry.of_family("endpoint")] == ["far", "near"]


def test_visitors_ask_only_for_the_models_that_an_endpoint_is_limited_to(server: Server) -> None:
    add_named_servers([f"studio={server.url}"], ["studio=eyes-2, eyes-3"])
    server.answers = [says("Red.")]
    captioner = EndpointCaptioner.load("studio", device="cpu")
    shown = [PictureInput(PICTURE, name="a")]
    for wanted, asked in (("", "eyes-2"), ("eyes-3", "eyes-3")):
        captioner.caption(shown, SETTINGS.replaced(model=wanted))
        assert server.asked[-1][2]["model"] == asked
    with pytest.raises(CaptionerError, match="may be asked for eyes-2, eyes-3, and model is costly") as caught:
        captioner.caption(shown, SETTINGS.replaced(model="costly"))
    assert caught.value.code == "model_not_allowed"
    with pytest.raises(CaptionerError, match="may be asked for"):
        captioner.draw(shown[0], SETTINGS.replaced(model="costly"), skip=0, count=1)
    assert all(body is None or body["model"] != "costly" for _, _, body in server.asked)


@pytest.mark.parametrize("text", ["studio", "studio=", "studio= ,", "other=eyes"])
def test_models_of_an_endpoint_that_are_none_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(CaptionerError, match=r"--endpoint-models is .*must be NAME=MODEL,MODEL with the NAME of"):
        add_named_servers(["studio=http://127.0.0.1:1"], [text])


def test_a_model_that_does_not_see_is_found_out_by_a_red_picture(server: Server) -> None:
    named(server)
    server.answers = [says("I cannot see pictures, but it may be blue.")]
    with pytest.raises(BadModel, match="was shown a red picture and says 'I cannot see"):
        EndpointCaptioner.load("studio", device="cpu")
    with pytest.raises(ModelNotFound, match="no endpoint is called nobody"):
        EndpointCaptioner.load("nobody", device="cpu")


# From the doors of the product


def test_one_picture_that_fails_costs_itself_and_a_dead_server_all(server: Server) -> None:
    named(server)
    plan = Plan.from_flat({CAPTIONER: "studio", "endpoint_model": "eyes", "endpoint_redraws": 0})
    manager = ModelManager(models="auto", device="cpu")
    server.answers = [says("red"), says("one"), says(""), says("three")]
    given = [(name, PictureInput(PICTURE, name=name)) for name in "abc"]
    results = [result for batch in make_layers(given, plan, manager) for result in batch]
    assert [result.error.code if result.error else "" for result in results] == ["", "no_caption", ""]
    assert [layer.sentence.text for result in results for layer in result.layers] == ["one", "three"]
    server.answers = [fails(401, {"error": "no"})]
    with pytest.raises(CaptionerError, match="refuses the key"):
        list(make_layers(given, plan, manager))
    manager.close()


def test_it_captions_from_the_command_line(server: Server, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    PICTURE.save(tmp_path / "cat.png")
    words = ["caption", str(tmp_path), "--endpoint", f"studio={server.url}", "--captioner", "studio"]
    asked = ["--endpoint-prompt", "Name {name}.", "--endpoint-model", "eyes", "--device", "cpu"]
    assert command_line.main([*words, *asked]) == 0
    assert "cat.png: a red square" in capsys.readouterr().out
    assert server.asked[-1][2]["messages"][-1]["content"][1]["text"] == "Name cat."


def test_it_captions_from_page_and_api_as_any_captioner(server: Server, tmp_path: Any) -> None:
    named(server)
    with (
        fake_models(tmp_path / "models") as models,
        Workspace(tmp_path / "work") as workspace,
        Worker() as worker,
    ):
        named(server)
        manager = ModelManager(models=models, device="cpu")
        service = Service(workspace, worker, manager)
        set_id, [picture_id] = set_with(service, RED)
        assert ("studio", "studio") in service.choices.model_choices(CAPTIONER)
        service.jobs.start(set_id, None, page_values(service, captioner="studio", endpoint_model="eyes"))
        assert wait_for_job(service, set_id)["state"] == "done"
        [layer] = workspace.layers(set_id, picture_id)
        assert (layer.family, layer.sentence.text) == ("endpoint", "a red square")  # type: ignore[union-attr]
        plan = service.choices.plan_of_flat({CAPTIONER: "studio"})
        assert service.live.caption_one(set_id, picture_id, plan) == "a red square"
        manager.close()


def test_who_waits_for_a_server_holds_up_no_slider_and_no_other_set(server: Server, tmp_path: Any) -> None:
    may_answer = threading.Event()

    def thinks(speaking: Speaking) -> None:
        assert may_answer.wait(20)
        says("a red square")(speaking)

    with (
        fake_models(tmp_path / "models") as models,
        Workspace(tmp_path / "work") as workspace,
        Worker() as worker,
    ):
        named(server)
        manager = ModelManager(models=models, device="cpu")
        service = Service(workspace, worker, manager)
        server.answers = [thinks]  # the red picture of the probe waits already
        far, [picture_id] = set_with(service, RED)
        near, [other_id] = set_with(service, RED)
        chosen = {"captioner": "studio", "endpoint_model": "eyes", "wd14_on": True}
        service.jobs.start(far, None, page_values(service, **chosen))
        while not server.asked:
            time.sleep(0.01)
        service.jobs.start(near, None, page_values(service))
        assert wait_for_job(service, near)["state"] == "done"
        assert service.live.preview(near, other_id, page_values(service, num_beams=5))["text"].endswith("beam 5")
        waiting = service.jobs.newest(far)
        assert waiting is not None and (waiting["state"], waiting["done"]) == ("running", 0)
        may_answer.set()
        assert wait_for_job(service, far)["state"] == "done"
        assert [layer.family for layer in workspace.layers(far, picture_id)] == ["endpoint", "wd14"]
        manager.close()


# Several at once


def paced(rates: dict[int, float], most: int = 16) -> list[int]:
    """The sizes asked with at a server that gives so many answers a second at each size."""
    pace, sizes = Pace(), []
    for _ in range(8 * TIMED_BATCHES):
        sizes.append(pace.at_once(most))
        pace.took(sizes[-1], sizes[-1] / rates[sizes[-1]])
    return [size for size, _ in itertools.groupby(sizes)]


def test_more_are_asked_at_once_only_where_that_is_clearly_faster() -> None:
    assert paced({1: 1.0, 2: 1.0}) == [1, 2, 1]
    assert paced({1: 1.0, 2: 1.1}) == [1, 2, 1], "a little is no gain"
    assert paced({1: 1.0, 2: 1.9, 4: 2.0}) == [1, 2, 4, 2]
    assert paced({1: 1.0, 2: 1.9, 4: 3.7, 8: 7.0, 16: 8.0}) == [1, 2, 4, 8, 16, 8]
    assert paced({1: 1.0, 2: 1.9, 4: 3.7, 8: 7.0}, most=5) == [1, 2, 4]
    assert paced({1: 1.0}, most=1) == [1]


def test_a_server_that_fails_at_more_is_asked_with_fewer_again() -> None:
    pace = Pace()
    for _ in range(TIMED_BATCHES):
        pace.took(1, 1.0)
    assert pace.at_once(4) == 2
    pace.took(2, 1.0, is_whole=False)
    assert pace.at_once(4) == 1


def test_a_server_that_batches_is_asked_with_more_at_once_and_never_with_more_than_the_setting(server: Server) -> None:
    lock, most, now = threading.Lock(), 0, 0

    def batches(speaking: Speaking) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)  # as long for several as for one
        with lock:
            now -= 1
        says("a red square")(speaking)

    named(server)
    captioner = EndpointCaptioner.load("studio", device="cpu")
    server.answers = [batches]
    settings = SETTINGS.replaced(at_once=2)
    for _ in range(3 * TIMED_BATCHES):
        captioner.caption([PictureInput(PICTURE)] * captioner.batch_size, settings)
    assert captioner.batch_size == most == 2
    captioner.caption([PictureInput(PICTURE)] * 5, settings)
    assert most == 2


def test_answers_that_come_out_of_order_stay_with_their_pictures_and_one_that_fails_costs_itself(
    server: Server,
) -> None:
    named(server)
    captioner = EndpointCaptioner.load("studio", device="cpu")
    is_last_answered = threading.Event()

    def answer(speaking: Speaking) -> None:
        name = speaking.body["messages"][-1]["content"][1]["text"]
        if name == "a":
            assert is_last_answered.wait(20)
        says("" if name == "b" else "red" if "colour" in name else f"it is {name}")(speaking)
        if name == "c":
            is_last_answered.set()

    server.answers = [answer]
    before = len(server.asked)
    with pytest.raises(SomeFailed, match="its answer is empty") as caught:
        inputs = [PictureInput(PICTURE, name=name) for name in "abc"]
        captioner.caption(inputs, SETTINGS.replaced(prompt="{name}", at_once=3))
    first, second, third = caught.value.answers
    assert (first.text, third.text) == ("it is a", "it is c") and isinstance(second, ModelFailed)
    assert len(server.asked) == before + 3, "none is asked again"
    plan = Plan.from_flat({CAPTIONER: "studio", "endpoint_model": "eyes", "endpoint_prompt": "{name}"})
    manager = ModelManager(models="auto", device="cpu")
    with manager.use("studio", "endpoint") as model:
        model._pace._trying = 4
        model._most_at_once = 4
    given = [(name, PictureInput(PICTURE, name=name)) for name in "abc"]
    [batch] = make_layers(given, plan, manager)
    assert [result.error is None for result in batch] == [True, False, True]
    manager.close()

"""`batch` over S3, as a real local server speaks it: one that answers 503, one without the bucket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import requests

from captioner.batch import reading, store
from tests.batch_sources import picture_bytes, rows_in
from tests.shell import Shell

server = pytest.importorskip("moto.server", reason="needs moto's server")
s3fs = pytest.importorskip("s3fs", reason="needs the S3 driver")


class Bucket:
    """A server with one bucket. busy: by the end of an object's path, how often it answers 503 to reading it."""

    def __init__(self) -> None:
        from werkzeug.serving import make_server

        self.busy: dict[str, int] = {}
        self._answer = server.DomainDispatcherApplication(server.create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        for end, left in self.busy.items():
            if environ["PATH_INFO"].endswith(end) and environ["REQUEST_METHOD"] == "GET" and left:
                self.busy[end] -= 1
                start_response("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        answered: Iterable[bytes] = self._answer(environ, start_response)
        return answered

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    made = Bucket()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": made.url,
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store._opened.cache_clear()  # what knows an earlier server
    reading._store.cache_clear()
    fs = s3fs.S3FileSystem()
    requests.post(f"{made.url}/moto-api/reset", timeout=30)  # what an earlier server of this process held
    fs.mkdir("photos")
    for number in range(5):
        fs.pipe_file(f"photos/raw/{number}.png", picture_bytes())
    fs.pipe_file("photos/raw/3.txt", b"brought along")
    yield made
    s3fs.S3FileSystem.clear_instance_cache()
    made.close()


def batch(shell: Shell, *words: str) -> Any:
    return shell("batch", *words, "--models", shell.models, "--device", "cpu", "--format", "jsonl")


def test_a_bucket_is_captioned_into_another_folder_of_it(shell: Shell, bucket: Bucket) -> None:
    bucket.busy = {"raw/1.png": 2}
    ran = batch(shell, "s3://photos/raw", "--out", "s3://photos/out", "--part-pictures", "2")
    assert ran.status == 0, ran.err
    rows = rows_in("s3://photos/out")
    assert [row["key"] for row in rows] == [f"{n}.png" for n in range(5)]
    assert rows[3]["caption"] == "brought along"
    again = batch(shell, "s3://photos/raw", "--out", "s3://photos/out", "--part-pictures", "2", "--resume")
    assert again.summary == ran.summary


def test_an_object_that_stays_busy_costs_itself(shell: Shell, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda s: None)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)  # its own, with pauses between
    bucket.busy = {"raw/1.png": 10_000}
    batch(shell, "s3://photos/raw", "--out", "out")
    assert [row["error_code"] for row in rows_in(shell.folder / "out")] == ["", "unreadable", "", "", ""]


def test_a_bucket_that_is_not_there_is_one_sentence(shell: Shell, bucket: Bucket) -> None:
    ran = batch(shell, "s3://nobody/raw", "--out", "out")
    assert (ran.status, ran.summary) == (2, "captioner: s3://nobody/raw is not there; check the address.")

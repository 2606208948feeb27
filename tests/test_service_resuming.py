"""Jobs of the demo models that the app's end cuts off: reading for doubtful words goes on, a search begins anew."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from captioner.lab.voices import Voices
from captioner.models.manager import ModelManager
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.service_makers import added, wait_for_job

SEED = 90_911


class App:
    """A service of the demo models on one folder that can end and start again.

    heard: captions that models read, in order. pictures: those of them. ends_at: the app ends when models read captions
    of so many pictures; 0 for never.
    """

    def __init__(self, folder: Path) -> None:
        self.heard: list[str] = []
        self.pictures: set[str] = set()
        self.ends_at = 0
        self._folder = folder

    @contextmanager
    def running(self) -> Iterator[Service]:
        """The service while the app runs."""
        with Workspace(self._folder) as workspace, Worker() as self.worker:
            manager = ModelManager(models="demo", device="cpu")
            yield Service(workspace, self.worker, manager)
            manager.close()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    app, hear = App(tmp_path), Voices.hear

    def counting(self: Voices, shown: Any, captions: Any, **more: Any) -> Any:
        app.heard.extend(captions)
        app.pictures.add(shown.name)
        if len(app.pictures) == app.ends_at:
            app.worker.close()  # the step that goes on is finished, as when the app is told to end
        return hear(self, shown, captions, **more)

    monkeypatch.setattr(Voices, "hear", counting)
    return app


def _set(service: Service, count: int) -> str:
    set_id = str(service.new_set()["set"])
    for number in range(count):
        buffer = io.BytesIO()
        draw(scene_from_seed(SEED, number), 256).save(buffer, "PNG")
        added(service, set_id, f"{number}.png", buffer.getvalue(), f"a red cat number {number}")
    return set_id


def _cut_off(app: App, begin: Callable[[Service, str], Any], *, pictures: int, at: int) -> str:
    """A set whose job was cut off when models read captions of so many of its pictures."""
    with app.running() as service:
        set_id = _set(service, pictures)
        app.ends_at = at
        begin(service, set_id)
        assert wait_for_job(service, set_id, 60)["state"] == "cancelled"
    app.heard.clear()
    app.ends_at = 0
    return set_id


def test_reading_for_doubtful_words_goes_on_with_the_captions_that_were_not_read(app: App) -> None:
    set_id = _cut_off(app, lambda service, set_id: service.doubt.start(set_id, None), pictures=4, at=2)
    with app.running() as service:
        offered = service.changes(set_id, -1)["interrupted"]
        assert (offered["kind"], offered["state"], offered["done"], offered["total"]) == ("read", "interrupted", 2, 4)
        assert service.jobs.history.sentences == (
            "reading captions for doubtful words stopped at 2 of 4 when Captioner ended; its set offers to go on.",
        )
        service.jobs.resume(set_id, offered["id"])
        assert wait_for_job(service, set_id, 60)["state"] == "done"
        assert app.heard == ["a red cat number 2", "a red cat number 3"], "what was read is not read again"
        assert len(service.doubt.doubts(set_id)) == 4
        assert service.changes(set_id, -1)["interrupted"] is None


def test_a_search_for_settings_is_shown_as_far_as_it_came_and_begins_anew(app: App) -> None:
    def search(service: Service, set_id: str) -> None:
        service.suggest.start(set_id, service.choices.plan_of_flat({"num_beams": 2}))

    set_id = _cut_off(app, search, pictures=6, at=6)
    with app.running() as service:
        offered = service.changes(set_id, -1)["interrupted"]
        assert (offered["kind"], offered["settings"]) == ("suggest", {"num_beams": 2})
        assert (offered["done"], offered["total"]) == (5, 6)
        assert service.jobs.history.sentences[0].endswith("when Captioner ended; its set offers to search again.")
        kept = service.suggest.read(set_id)
        assert (kept["state"], kept["found"]["pictures"]) == ("cancelled", 5)
        begun = service.jobs.resume(set_id, offered["id"])["job"]
        assert (begun["kind"], begun["done"], begun["total"]) == ("suggest", 0, 6)
        service.jobs.stop(set_id)
        wait_for_job(service, set_id, 60)
        assert [row["state"] for row in service.jobs.told(set_id)["jobs"]] == ["cancelled", "resumed"]

"""Which words of a set's captions are doubtful: what is read, when it is read again, and what is said of it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from captioner.captions.recipe import Recipe
from captioner.errors import ModelFailed, ModelNotFound, SettingsError, UnknownSet
from captioner.lab.voices import Voices
from captioner.models.manager import ModelManager
from captioner.service.doubt import names_of
from captioner.service.service import Service
from captioner.worker import Worker
from captioner.workspace import Workspace
from demo.drawing import draw
from demo.scenes import scene_from_seed
from tests.service_makers import RED, added, page_values, set_with, wait_for_job

TRUE = "two large green hearts on a sandy beach under a blue sky"
FALSE = "two large green cats on a sandy beach under a blue sky"
SEED = 90_909


def _scene(number: int) -> bytes:
    file = io.BytesIO()
    draw(scene_from_seed(SEED, number), 256).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def hears(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the models read, in order."""
    heard: list[str] = []
    hear = Voices.hear

    def noting(self: Voices, shown: Any, captions: Any, **more: Any) -> Any:
        heard.extend(captions)
        return hear(self, shown, captions, **more)

    monkeypatch.setattr(Voices, "hear", noting)
    return heard


@pytest.fixture
def open_service(tmp_path: Path) -> Iterator[Callable[[], Service]]:
    """Opens a service of the demo models on one folder, each time anew, as a restart does."""
    with ExitStack() as stack:

        def start() -> Service:
            stack.close()
            workspace = stack.enter_context(Workspace(tmp_path / "work"))
            manager = stack.enter_context(closing(ModelManager(models="demo", device="cpu")))
            return Service(workspace, stack.enter_context(Worker()), manager)

        yield start


@pytest.fixture
def demo(open_service: Callable[[], Service], monkeypatch: pytest.MonkeyPatch) -> Service:
    """One that looks at all pictures to compare with before it answers, however slow the machine is."""
    monkeypatch.setattr("captioner.service.doubt.LOOK_S", 60.0)
    return open_service()


def _set(service: Service, *captions: str) -> tuple[str, list[str]]:
    """A set of drawn scenes, of which the first shows two green hearts; with a caption beside each."""
    set_id = service.new_set()["set"]
    return set_id, [
        added(service, set_id, f"{number}.png", _scene(number), caption) for number, caption in enumerate(captions)
    ]


def _read(service: Service, set_id: str) -> dict[str, Any]:
    service.doubt.start(set_id, None)
    job = wait_for_job(service, set_id)
    assert (job["state"], job["message"]) == ("done", "")
    return dict(service.doubt.of_set(set_id)["readings"])


def test_a_job_reads_the_captions_and_finds_the_false_word(demo: Service, hears: list[str]) -> None:
    set_id, (good, bad, empty) = _set(demo, TRUE, "a red car on a beach", "")
    found = _read(demo, set_id)
    assert hears == [TRUE, "a red car on a beach"]
    assert set(found) == {good, bad}
    assert not found[good]["has_doubt"]
    assert found[bad]["has_doubt"]
    assert found[bad]["score"] > 0.5 > found[good]["score"]
    assert 0 < found[good]["false_words"] < 1 < found[bad]["false_words"] <= found[bad]["of_words"]
    job = demo.jobs.newest(set_id)
    assert job and (job["kind"], job["done"], job["total"]) == ("read", 2, 2)
    assert demo.doubt.start(set_id, None) == {"job": None}, "nothing is due"
    assert demo.doubt.of_set(set_id, [empty])["readings"] == {}


def test_what_was_read_outlives_a_restart_and_is_read_again_only_where_text_or_models_changed(
    open_service: Callable[[], Service], hears: list[str]
) -> None:
    service = open_service()
    set_id, (first, second) = _set(service, TRUE, "a red car")
    before = _read(service, set_id)
    service = open_service()
    assert service.doubt.of_set(set_id)["readings"] == before
    hears.clear()
    service.save_caption(set_id, first, FALSE, 0)
    assert service.doubt.of_set(set_id)["readings"] == {first: {"is_stale": True}, second: before[second]}
    assert service.doubt.start(set_id, [second]) == {"job": None}
    after = _read(service, set_id)
    assert hears == [FALSE]
    assert after[first]["has_doubt"]
    service.settings_changed(set_id, page_values(service, wd14_on=True))
    stale = service.doubt.of_set(set_id)["readings"]
    assert stale == {picture: {**entry, "is_stale": True} for picture, entry in after.items()}
    hears.clear()
    _read(service, set_id)
    assert hears == [FALSE, "a red car"]


def test_other_weights_under_the_same_name_make_a_reading_stale(demo: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, (first,) = _set(demo, TRUE)
    assert not _read(demo, set_id)[first]["is_stale"]
    monkeypatch.setattr("captioner.models.blip.captioner.BlipCaptioner.revision", property(lambda self: "others"))
    assert demo.doubt.of_set(set_id)["readings"][first]["is_stale"]


def test_what_a_person_types_is_read_and_offers_the_better_word_but_is_stored_only_once_it_is_saved(
    demo: Service, hears: list[str]
) -> None:
    set_id, (first, _) = _set(demo, TRUE, "a red car")
    answer = demo.doubt.of_text(set_id, first, FALSE)
    assert (answer["text"], answer["entry"], answer["is_preliminary"]) == (FALSE, None, False)
    [doubt] = answer["doubts"]
    assert (doubt["word"], doubt["better"], doubt["is_strong"]) == ("cats", "hearts", True)
    start, end, better = doubt["change"]
    assert FALSE[:start] + better + FALSE[end:] == TRUE
    assert doubt["why"].startswith("cats? BLIP would rather say hearts (+")
    assert answer["said"].startswith("expected false words ")
    assert answer["notes"][0] == "Asked: blip-demo."
    demo.save_caption(set_id, first, FALSE, 0)
    again = demo.doubt.of_text(set_id, first)
    assert again["doubts"] == answer["doubts"]
    assert again["entry"]["has_doubt"]
    assert hears == [FALSE], "the text was read before it was saved"


def test_a_person_s_own_words_are_doubted_only_where_much_speaks_against_them(demo: Service) -> None:
    set_id, ids = _set(demo, *(["a"] * 6))
    demo.workspace.set_existing(set_id, dict.fromkeys(ids, ""))
    demo.jobs.start(set_id, None, page_values(demo, method="nucleus", temperature=1.6, top_p=1.0, seed=7))
    wait_for_job(demo, set_id)
    weak = 0
    for row in demo.open_set(set_id)["rows"]:
        own = demo.doubt.of_text(set_id, row["id"])["doubts"]
        assert all(doubt["probability"] >= 0.2 for doubt in own)
        demo.save_caption(set_id, row["id"], row["text"] + " ", row["revision"])
        theirs = demo.doubt.of_text(set_id, row["id"])["doubts"]
        assert all(doubt["probability"] >= 0.5 for doubt in theirs)
        # Of the captioner's own words it counts a little that it would have ended before.
        assert {doubt["start"] for doubt in theirs} <= {doubt["start"] for doubt in own if doubt["probability"] >= 0.5}
        weak += len(own) - len(theirs)
    assert weak, "no word was in between"


def test_names_and_tags_are_judged_by_nobody(demo: Service, hears: list[str]) -> None:
    set_id, (first, _) = _set(demo, TRUE, "")

    def doubted(text: str) -> list[str]:
        return [doubt["word"] for doubt in demo.doubt.of_text(set_id, first, text)["doubts"]]

    text = f"sks house, {FALSE}, long hair, red house"
    assert doubted(text) == ["cats"]
    assert hears == [FALSE]
    [doubt] = demo.doubt.of_text(set_id, first, text)["doubts"]
    assert doubt["change"] == [text.index("cats"), text.index("cats") + 4, "hearts"]
    assert doubted(FALSE.replace("cats", "Cats")) == [], "a person's name for them"
    demo.settings_changed(set_id, page_values(demo, prefix="cats, "))
    assert doubted(FALSE) == [], "the trigger word"
    only_tags = demo.doubt.of_text(set_id, first, "1girl, long hair, outdoors")
    assert (only_tags["doubts"], only_tags["said"]) == ([], "")
    assert "Only tags stand there, which have scores of their own; sentences are read." in only_tags["notes"]


def test_the_words_that_settings_name_are_names() -> None:
    recipe = Recipe.from_mapping(
        {
            "prefix": "Sks, ",
            "suffix": " by ada",
            "class_name": "dog",
            "subject_name": "rex dog",
            "replace_text": "cat -> mimi cat, a ->",
            "replace": "1girl -> ann*",
        }
    )
    assert names_of(recipe) == {"sks", "by", "ada", "rex", "dog", "mimi", "cat", "ann"}


def test_places_are_those_of_a_browser(demo: Service) -> None:
    set_id, (first, _) = _set(demo, TRUE, "")
    text = f"\U0001f600 {FALSE}"
    [doubt] = demo.doubt.of_text(set_id, first, text)["doubts"]
    units = text.encode("utf-16-le")
    assert units[2 * doubt["start"] : 2 * doubt["end"]].decode("utf-16-le") == "cats"


def test_one_picture_has_nothing_to_be_compared_with_and_it_is_said(demo: Service) -> None:
    set_id, (first,) = _set(demo, TRUE)
    notes = demo.doubt.of_text(set_id, first)["notes"]
    assert any(note.startswith("A single picture is compared with no others") for note in notes)
    added(demo, set_id, "more.png", _scene(1))
    demo.save_caption(set_id, first, FALSE, 0)
    assert not any("single picture" in note for note in demo.doubt.of_text(set_id, first)["notes"])


def test_pictures_to_compare_with_are_looked_at_in_pieces_and_the_answer_says_so(
    demo: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.service.doubt.LOOK_S", 0.0)
    set_id, (first, *_) = _set(demo, FALSE, "", "", "")
    answer = demo.doubt.of_text(set_id, first)
    assert answer["is_preliminary"]
    assert answer["entry"] is None
    until = time.monotonic() + 20
    while demo.doubt.of_text(set_id, first)["is_preliminary"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert demo.doubt.of_text(set_id, first)["entry"]["has_doubt"]
    assert demo.jobs.newest(set_id) is None, "it is no job of the set's"


def test_a_picture_that_fails_costs_itself_and_one_that_was_removed_nothing(
    demo: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id, (first, second, third) = _set(demo, TRUE, "a red car", "a blue house")
    hear = Voices.hear

    def failing(self: Voices, shown: Any, captions: Any, **more: Any) -> Any:
        if captions == ["a red car"]:
            raise ModelFailed("no answer.")
        demo.workspace.remove_pictures(set_id, [third])
        return hear(self, shown, captions, **more)

    monkeypatch.setattr(Voices, "hear", failing)
    demo.doubt.start(set_id, None)
    job = wait_for_job(demo, set_id)
    assert (job["state"], job["done"], job["failed"], job["message"]) == ("done", 3, 1, "No answer.")
    assert set(demo.doubt.of_set(set_id)["readings"]) == {first}
    assert second not in demo.doubt.of_set(set_id)["readings"]


def test_a_second_job_and_unknown_sets_are_refused(demo: Service) -> None:
    with pytest.raises(UnknownSet):
        demo.doubt.start("nobody", None)
    with pytest.raises(UnknownSet):
        demo.doubt.of_set("nobody")


def test_without_a_model_that_reads_it_is_said_and_none_is_asked(service: Service, hears: list[str]) -> None:
    set_id, [picture] = set_with(service, RED)
    service.save_caption(set_id, picture, "a cat", 0)
    assert service.doubt.of_set(set_id) == {"can_judge": False, "readings": {}}
    for ask in (lambda: service.doubt.start(set_id, None), lambda: service.doubt.of_text(set_id, picture)):
        with pytest.raises(SettingsError, match="no model that is chosen can read captions; choose BLIP"):
            ask()
    assert hears == []


def test_a_model_that_is_not_here_is_not_downloaded_for_it(demo: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_id, (first,) = _set(demo, TRUE)
    monkeypatch.setattr(ModelManager, "to_download", lambda self, name, family: object())
    for ask in (lambda: demo.doubt.start(set_id, None), lambda: demo.doubt.of_text(set_id, first)):
        with pytest.raises(ModelNotFound, match="blip-demo is not downloaded yet, so no caption is read"):
            ask()


def test_models_that_were_never_measured_get_ranks_once_enough_was_read(
    demo: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioner.lab.scores._CALIBRATED", {})
    set_id, (first, *_) = _set(demo, FALSE, TRUE, *(["a small red car and a green tree on a white beach"] * 8))
    found = _read(demo, set_id)
    assert found[first] == {
        "is_stale": False,
        "score": None,
        "false_words": None,
        "of_words": found[first]["of_words"],
        "has_doubt": False,
    }
    answer = demo.doubt.of_text(set_id, first)
    assert (answer["doubts"], answer["said"]) == (
        [],
        "Not enough of the set was read to tell which words are doubtful.",
    )
    monkeypatch.setattr("captioner.lab.doubts.FEWEST_WORDS", 20)
    words = sum(entry["of_words"] for entry in found.values())
    scores = {picture: entry["score"] for picture, entry in demo.doubt.of_set(set_id)["readings"].items()}
    assert max(scores.values()) == pytest.approx(1 - 1 / words, abs=1e-4)
    [worst] = [picture for picture, score in scores.items() if score == max(scores.values())]
    answer = demo.doubt.of_text(set_id, worst)
    [doubt, *_] = answer["doubts"]
    assert doubt["probability"] is None
    assert doubt["is_strong"]
    assert "% most doubtful words of the set." in doubt["why"]
    assert answer["said"].startswith("the worst word is among the ")
    assert any(note.startswith("These models were never measured") for note in answer["notes"])
    assert "%" not in "".join(answer["notes"])

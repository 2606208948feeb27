"""`caption --kind`: several captions a picture from the command line. The models are fakes."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest

from captioner.captions.recipe_file import RECIPE_NAME
from captioner.cli.kinds import read_kinds
from tests.fakes import POISON, FakeClip, FakeModel
from tests.shell import Shell

LONG, SHORT = "a red picture 40 wide under beam 3", "a red picture 40 wide under beam 1"
KIND = ("--kind", "short:fake-blip:num_beams=1")


def zipped(shell: Shell, name: str) -> dict[str, str]:
    """The texts in a zip, without the folder of a set."""
    with zipfile.ZipFile(shell.folder / name) as archive:
        names = [one for one in archive.namelist() if not one.endswith(".png")]
        return {one.rpartition("/")[2]: archive.read(one).decode() for one in names}


def test_each_kind_is_printed_and_named_in_json(shell: Shell) -> None:
    shell.picture("a.png")
    ran = shell.caption(".", *KIND)
    assert (ran.status, ran.out) == (0, f"a.png: {LONG}\na.png [short]: {SHORT}\n")
    [found] = shell.caption("a.png", "--json", *KIND, "--kind", "tags::wd14=default").objects
    assert (found["caption"], found["sentence"]) == (LONG, LONG)
    assert found["kinds"] == {"short": SHORT, "tags": "nami (one piece), red background, long hair, hair"}
    [found] = shell.caption("a.png", "--json", *KIND, "--front", "short").objects
    assert (found["caption"], found["sentence"], found["kinds"]) == (SHORT, SHORT, {"main": LONG})


def test_a_list_gets_a_column_for_each_and_its_recipe_makes_them_again(shell: Shell) -> None:
    shell.picture("photos/a.png")
    ran = shell.caption("photos", *KIND, "--format", "csv", "--zip", "1.zip", "--wd14", "default", "--separator", "; ")
    assert "note: The captions are those of the kind main; beside them in columns of their own: short.\n" in ran.err
    first = zipped(shell, "1.zip")
    [header, row] = first["metadata.csv"].splitlines()
    assert header == "file_name,text,text_short"
    assert row.startswith(f"a.png,{LONG}; ") and f",{SHORT}; " in row
    (shell.folder / RECIPE_NAME).write_text(first[RECIPE_NAME])
    again = shell.caption("photos", "--recipe", RECIPE_NAME, "--format", "csv", "--zip", "2.zip")
    assert again.status == 0, again.err
    assert zipped(shell, "2.zip") == first
    assert shell.caption("photos", "--recipe", RECIPE_NAME, *KIND).status == 2


def test_a_recipe_s_words_are_of_its_kind_and_the_others_are_made_beside_them(shell: Shell) -> None:
    shell.picture("photos/a.png")
    shell.caption("photos", *KIND, "--format", "csv", "--zip", "1.zip")
    recipe = json.loads(zipped(shell, "1.zip")[RECIPE_NAME])
    recipe["pictures"][0] |= {"by": "edit", "caption": "my words"}
    (shell.folder / "main.json").write_text(json.dumps(recipe))

    def found(name: str, *words: str) -> dict[str, Any]:
        ran = shell.caption("photos", "--json", "--recipe", name, *words)
        assert ran.status == 0, ran.err
        [one] = ran.objects
        return {one["caption"]: one["kinds"]}

    assert found("main.json") == {"my words": {"short": SHORT}}
    assert found("main.json", "--front", "short") == {SHORT: {"main": "my words"}}
    shell.caption("photos", *KIND, "--front", "short", "--format", "csv", "--zip", "2.zip")
    (shell.folder / "short.json").write_text(zipped(shell, "2.zip")[RECIPE_NAME])
    assert found("short.json", "--front", "main") == {LONG: {"short": SHORT}}
    shell.caption("photos", "--recipe", "main.json", "--format", "onetrainer", "--captions", "kinds", "--zip", "3.zip")
    assert zipped(shell, "3.zip")["a.txt"].splitlines() == ["my words", SHORT]


def test_a_caption_that_came_along_is_a_main_one_whatever_is_in_front(shell: Shell) -> None:
    shell.picture("photos/a.png")
    (shell.folder / "photos/a.txt").write_text("mine")
    front = (*KIND, "--front", "short")
    [found] = shell.caption("photos", "--json", *front).objects
    assert (found["caption"], found["kinds"]) == (SHORT, {"main": "mine"})
    assert shell.caption("photos", "--out", "out", *front).status == 0
    assert (shell.folder / "out/a.txt").read_text().strip() == SHORT
    for policy in ("keep", "append"):
        ran = shell.caption("photos", "--beside", "--existing", policy, *front)
        assert ran.status == 1 and "a.txt was written or changed by hand and is a main caption, no short one" in ran.err
    assert [path.name for path in (shell.folder / "photos").glob("*.txt*")] == ["a.txt"]
    assert (shell.folder / "photos/a.txt").read_text() == "mine"
    ran = shell.caption("photos", "--beside", "--existing", "ignore", "--overwrite", *front)
    assert (ran.status, (shell.folder / "photos/a.txt.bak").read_text()) == (0, "mine")
    [found] = shell.caption("photos", "--beside", "--json", *front).objects
    assert (found["caption"], found["kinds"]) == (SHORT, {"main": LONG}), "its own file is no main caption"


def test_labels_of_another_kind_are_prepared_and_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeClip, "unprepared", 10)
    shell.picture("a.png")
    ran = shell.caption("a.png", "--kind", "tags::clip=default")
    assert (ran.status, FakeClip.unprepared) == (0, 0)
    assert "labels to embed once" in ran.err


def test_formats_of_one_caption_say_which_it_is(shell: Shell) -> None:
    shell.picture("a.png")
    ran = shell.caption(".", "--beside", *KIND)
    assert "note: The captions are those of the kind main; not in this format: short.\n" in ran.err
    assert (shell.folder / "a.txt").read_text().strip() == LONG
    shell.caption(".", "--zip", "set.zip", "--format", "onetrainer", "--captions", "kinds", *KIND)
    assert zipped(shell, "set.zip")["a.txt"].splitlines() == [LONG, SHORT]


def test_a_kept_caption_is_the_main_one_and_what_all_kinds_share_is_asked_once(shell: Shell) -> None:
    shell.picture("a.png")
    (shell.folder / "a.txt").write_text("mine")
    [found] = shell.caption("a.png", "--json", *KIND).objects
    assert (found["caption"], found["kinds"]) == ("mine", {"short": SHORT})
    shell.picture("b.png", "blue")
    FakeModel.calls.clear()
    shell.caption("b.png", *KIND, "--wd14", "default")
    assert FakeModel.calls == [1, 1, 1]


def test_a_picture_that_fails_costs_itself(shell: Shell) -> None:
    shell.picture("a.png")
    shell.picture("b.png", POISON)
    (shell.folder / "b.txt").write_text("kept, so that only the other kind sees it")
    ran = shell.caption(".", *KIND)
    assert (ran.status, ran.summary) == (1, "1 captioned, 1 failed")
    assert f"a.png [short]: {SHORT}" in ran.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--kind", "Kurz!:fake-blip"), "a kind of caption is called 'Kurz!'"),
        ((*KIND, *KIND), "--kind 'short' is there already"),
        (("--kind", "main:fake-blip"), "--kind 'main' is there already"),
        (
            ("--kind", "short:fake-blip:prefix=x"),
            "prefix in --kind short:fake-blip:prefix=x is no setting of a captioner",
        ),
        (("--kind", "short:fake-blip:num_beams=99"), "num_beams is 99"),
        (("--kind", "short:nobody-1"), "no blip model is called 'nobody-1'"),
        ((*KIND, "--front", "long"), "--front long names no kind of caption; add --kind long:CAPTIONER"),
    ],
)
def test_what_cannot_be_is_said_before_a_model_runs(shell: Shell, words: tuple[str, ...], why: str) -> None:
    shell.picture("a.png")
    ran = shell.caption("a.png", *words)
    assert ran.status == 2
    assert why in ran.err


def test_folders_and_values_may_have_colons() -> None:
    def of(text: str) -> dict[str, Any]:
        return read_kinds([text])["short"]

    assert of(r"short:C:\models\blip:max_length=12") == {"captioner": r"C:\models\blip", "max_length": 12}
    assert of("short:prompt=this: a picture of") == {"prompt": "this: a picture of"}
    assert of("short") == {}


def test_a_sweep_compares_kinds_where_an_axis_does(shell: Shell) -> None:
    shell.picture("a.png")
    own = ("--models", shell.models, "--device", "cpu")
    ran = shell("sweep", "a.png", "--out", "out", *KIND, "--x", "kind=main,short", *own)
    assert ran.status == 0, ran.err
    [swept] = json.loads((shell.folder / "out/a.json").read_text())["pictures"]
    assert [cell["caption"] for cell in swept["cells"]] == [LONG, SHORT]
    ran = shell("sweep", "a.png", "--out", "two", *KIND, "--x", "num_beams=1,2", *own)
    assert "--kind has no effect: no axis compares kinds of captions; add --x kind=main,short." in ran.err

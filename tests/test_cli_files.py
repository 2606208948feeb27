"""The command line among files that people have: whose a file is, what counts as a caption, what is passed over."""

from __future__ import annotations

import os
import unicodedata
import zipfile
from pathlib import Path

import pytest

from captioner.formats.earlier import INDEX_NAME
from tests.fakes import FakeModel
from tests.shell import Shell
from tests.zips import own_names

RED = "a red picture 40 wide under beam 3"
BLUE = "a blue picture 40 wide under beam 3"
GREEN = "a green picture 40 wide under beam 3"


def write(shell: Shell, name: str, text: str) -> Path:
    path = shell.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and its time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


# Another picture's files


@pytest.mark.parametrize("policy", ["keep", "ignore", "append", "prepend"])
@pytest.mark.parametrize("copies", [[], ["--with-pictures"]])
def test_a_second_batch_of_equal_names_gets_captions_of_its_own(shell: Shell, policy: str, copies: list[str]) -> None:
    shell.picture("one/1.png")
    two = shell.picture("two/1.png", "blue")
    shell.caption("one", "--out", "out", *copies)
    FakeModel.calls.clear()
    ran = shell.caption("two", "--out", "out", "--existing", policy, *copies)
    assert (ran.status, ran.out) == (0, f"two/1.png: {BLUE}\n")
    assert FakeModel.calls == [1]
    assert shell.files("out") == {"1.txt": RED, "1_2.txt": BLUE}
    if copies:
        assert (shell.folder / "out/1_2.png").read_bytes() == two.read_bytes()
        assert "note: 1.png was exported as 1_2.png with 1_2.txt." in ran.err
    before = contents(shell.folder)
    for batch in ("one", "two"):
        assert shell.caption(batch, "--out", "out", "--existing", policy, *copies).status == 0
    assert contents(shell.folder) == before


@pytest.mark.parametrize("policy", ["keep", "ignore", "append"])
@pytest.mark.parametrize("other", ["0.png", "0.jpg", "0.PNG"])
def test_a_picture_is_never_replaced_by_another(shell: Shell, policy: str, other: str) -> None:
    source = shell.picture("in/0.png")
    mine = shell.picture(f"mine/{other}", "blue").read_bytes()
    write(shell, "mine/0.txt", "hand")
    ran = shell.caption("in", "--out", "mine", "--with-pictures", "--existing", policy)
    assert ran.status == 0
    assert (shell.folder / "mine" / other).read_bytes() == mine
    assert (shell.folder / "mine/0_2.png").read_bytes() == source.read_bytes()
    assert shell.files("mine") == {"0.txt": "hand", "0_2.txt": RED}


def test_a_copy_that_lies_there_is_known_by_its_content(shell: Shell) -> None:
    source = shell.picture("in/0.png")
    write(shell, "out/0.png", "").write_bytes(source.read_bytes())
    write(shell, "out/0.txt", "hand")
    ran = shell.caption("in", "--out", "out", "--with-pictures", "--existing", "prepend")
    assert (ran.status, shell.files("out")) == (0, {"0.txt": f"hand, {RED}"})
    assert sorted(contents(shell.folder / "out")) == [INDEX_NAME, "0.png", "0.txt"]


@pytest.mark.parametrize("policy", ["keep", "ignore", "append"])
def test_a_numbered_name_of_another_picture_is_passed_over(shell: Shell, policy: str) -> None:
    shell.picture("a.jpg", kind="JPEG")
    shell.picture("a.png", "blue")
    shell.picture("a_2.png", "green")
    write(shell, "a_2.txt", "hand written for a_2")
    for _ in range(2):
        assert shell.caption("a.png", "a.jpg", "--out", ".", "--existing", policy).status == 0
        assert shell.files() == {"a.txt": RED, "a_2.txt": "hand written for a_2", "a_3.txt": BLUE}


def test_a_numbered_name_of_nobody_is_passed_over_too(shell: Shell) -> None:
    shell.picture("a.jpg", kind="JPEG")
    shell.picture("a.png", "blue")
    write(shell, "a_2.txt", "hand")
    shell.caption("a.jpg", "a.png", "--out", ".")
    assert shell.files() == {"a.txt": RED, "a_2.txt": "hand", "a_3.txt": BLUE}


@pytest.mark.parametrize("policy", ["keep", "ignore", "append", "prepend"])
def test_a_caption_file_of_which_nobody_knows_whose_it_is_refuses_its_picture(shell: Shell, policy: str) -> None:
    shell.picture("in/a.png")
    shell.picture("in/b.png", "blue")
    write(shell, "out/a.txt", "HAND EDITED, trigger")
    ran = shell.caption("in", "--out", "out", "--existing", policy, "--json")
    assert [(shown["error"] or {}).get("code") for shown in ran.objects] == ["file_in_the_way", None]
    assert "out/a.txt is there and nothing says whose it is" in ran.objects[0]["error"]["message"]
    assert (ran.status, shell.files("out")) == (1, {"a.txt": "HAND EDITED, trigger", "b.txt": BLUE})


def test_the_numbers_do_not_depend_on_the_order_of_the_arguments(shell: Shell) -> None:
    shell.picture("a.jpg", kind="JPEG")
    shell.picture("a.png", "blue")
    shell.caption("a.png", "a.jpg", "--out", "one")
    shell.caption("a.jpg", "a.png", "--out", "two")
    assert shell.files("one") == shell.files("two") == {"a.txt": RED, "a_2.txt": BLUE}


def test_a_picture_that_takes_the_name_of_anothers_caption_gets_its_own(shell: Shell) -> None:
    shell.picture("a.jpg", kind="JPEG")
    shell.picture("a.png", "blue")
    shell.caption(".", "--out", ".")
    shell.picture("a_2.png", "green")
    assert shell.caption(".", "--out", ".").status == 0
    assert shell.files() == {"a.txt": RED, "a_2.txt": GREEN, "a_3.txt": BLUE}


# A person's words


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("keep", "HAND, trigger"), ("append", f"{RED}, HAND, trigger"), ("prepend", f"HAND, trigger, {RED}")],
)
def test_a_caption_changed_in_the_output_folder_counts(shell: Shell, policy: str, expected: str) -> None:
    shell.picture("in/a.png")
    shell.caption("in", "--out", "out")
    write(shell, "out/a.txt", "HAND, trigger")
    for _ in range(2):
        assert shell.caption("in", "--out", "out", "--existing", policy).status == 0
        assert shell.files("out") == {"a.txt": expected}


@pytest.mark.parametrize("place", ["in", "out"])
def test_ignore_replaces_a_persons_words_only_with_overwrite_and_a_backup(shell: Shell, place: str) -> None:
    shell.picture("in/a.png")
    shell.caption("in", "--out", place)
    write(shell, f"{place}/a.txt", "one\n")
    words = ["in", "--out", place, "--existing", "ignore"]
    ran = shell.caption(*words)
    assert (ran.status, shell.files(place)) == (1, {"a.txt": "one\n"})
    assert f"{place}/a.txt was written or changed by hand; --overwrite replaces it and keeps it as a.txt.bak" in ran.err
    ran = shell.caption(*words, "--overwrite")
    assert (ran.status, shell.files(place)) == (0, {"a.txt": RED})
    assert "note: 1 file of yours was replaced and kept beside the new one as .bak." in ran.err
    write(shell, f"{place}/a.txt", "two")
    shell.caption(*words, "--overwrite")
    assert (shell.folder / place / "a.txt.bak").read_text() == "one\n"
    assert (shell.folder / place / "a.txt.2.bak").read_text() == "two"


def test_ignore_replaces_what_an_earlier_run_wrote(shell: Shell) -> None:
    shell.picture("a.png")
    shell.caption("a.png", "--beside")
    assert shell.caption("a.png", "--beside", "--existing", "ignore", "--num-beams", "4").status == 0
    assert shell.files() == {"a.txt": RED.replace("3", "4")}


def test_words_that_went_into_a_caption_are_no_less_a_persons(shell: Shell) -> None:
    shell.picture("a.png")
    write(shell, "a.txt", "mine")
    shell.caption("a.png", "--beside", "--existing", "append")
    assert shell.files() == {"a.txt": f"{RED}, mine"}
    assert shell.caption("a.png", "--beside", "--existing", "ignore").status == 1
    assert shell.files() == {"a.txt": f"{RED}, mine"}


def test_what_joining_cannot_take_up_as_it_is_stays_as_a_backup(shell: Shell) -> None:
    shell.picture("a.png")
    write(shell, "a.txt", "1girl,\nsolo,")
    ran = shell.caption("a.png", "--beside", "--existing", "prepend")
    assert shell.files() == {"a.txt": f"1girl, solo, {RED}"}
    assert (shell.folder / "a.txt.bak").read_bytes() == b"1girl,\nsolo,"
    assert "note: The lines of 1 existing caption were joined into one line." in ran.err


def test_a_file_that_changes_while_the_run_goes_on_is_left_alone(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fakes import FakeCaptioner

    for name in ("a.png", "b.png"):
        shell.picture(name)
    shell.caption(".", "--beside")
    original = FakeCaptioner.caption

    def caption(self: FakeCaptioner, pictures: list[object], settings: object) -> object:
        write(shell, "a.txt", "typed meanwhile")
        write(shell, "b.txt", "typed meanwhile")
        return original(self, pictures, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeCaptioner, "caption", caption)
    ran = shell.caption(".", "--beside", "--existing", "ignore", "--num-beams", "4")
    assert (ran.status, ran.summary) == (1, "0 captioned, 2 failed")
    assert shell.files() == {"a.txt": "typed meanwhile", "b.txt": "typed meanwhile"}
    assert "a.txt was changed while this run went on" in ran.err


# The index


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"mine": 1}', b'{"captioner": 1, "files": {"a.txt": 3}}', b"\xff"])
def test_an_index_that_is_none_is_set_aside(shell: Shell, data: bytes) -> None:
    shell.picture("in/a.png")
    write(shell, f"out/{INDEX_NAME}", "").write_bytes(data)
    ran = shell.caption("in", "--out", "out")
    assert (ran.status, shell.files("out")) == (0, {"a.txt": RED})
    assert (shell.folder / "out" / f"{INDEX_NAME}.bak").read_bytes() == data
    assert f"note: out/{INDEX_NAME} is no index of ours and was set aside." in ran.err


def test_a_run_that_was_killed_is_gone_on_with(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.formats import earlier

    for name in ("in/a.png", "in/b.png"):
        shell.picture(name)
    monkeypatch.setattr(earlier.Index, "close", lambda self: None)  # as if it never came to that
    shell.caption("in", "--out", "out")
    monkeypatch.undo()
    monkeypatch.chdir(shell.folder)
    (shell.folder / "out/b.txt").unlink()
    FakeModel.calls.clear()
    assert shell.caption("in", "--out", "out").summary == "2 captioned, 0 failed"
    assert FakeModel.calls == [1]
    assert shell.files("out") == {"a.txt": RED, "b.txt": RED}


def test_an_output_folder_that_was_emptied_by_hand_is_as_good_as_new(shell: Shell) -> None:
    shell.picture("one/1.png")
    shell.picture("two/1.png", "blue")
    shell.caption("one", "--out", "out")
    (shell.folder / "out/1.txt").unlink()
    shell.caption("two", "--out", "out")
    assert shell.files("out") == {"1.txt": BLUE}


# Zips


def test_a_zip_that_is_not_as_we_wrote_it_is_replaced_only_with_overwrite_and_a_backup(shell: Shell) -> None:
    shell.picture("a.png")
    for content in (b"no zip", b"PK\x05\x06" + bytes(18)):
        (shell.folder / "set.zip").write_bytes(content)
        ran = shell.caption("a.png", "--zip", "set.zip")
        assert (ran.status, ran.out) == (2, "")
        assert "set.zip is there and is not as Captioner wrote it; name another file, or give --overwrite" in ran.err
        assert (shell.folder / "set.zip").read_bytes() == content
    assert shell.caption("a.png", "--zip", "set.zip", "--overwrite").status == 0
    assert (shell.folder / "set.zip.bak").read_bytes() == b"PK\x05\x06" + bytes(18)
    with zipfile.ZipFile(shell.folder / "set.zip", "a") as archive:
        archive.writestr("mine.txt", "added by hand")
    assert shell.caption("a.png", "--zip", "set.zip").status == 2


def test_a_zip_that_we_wrote_is_replaced_and_an_equal_one_left(shell: Shell) -> None:
    shell.picture("a.png")
    shell.caption("a.png", "--zip", "set.zip")
    before = contents(shell.folder)
    assert shell.caption("a.png", "--zip", "set.zip").status == 0
    assert contents(shell.folder) == before
    shell.caption("a.png", "--zip", "set.zip", "--num-beams", "4")
    with zipfile.ZipFile(shell.folder / "set.zip") as archive:
        assert archive.read("a.txt").decode() == RED.replace("3", "4")


# Folders


@pytest.mark.parametrize("words", [["in/a.png", "in/sub/a.png"], ["in/a.png", "in/sub"], ["in", "--recursive"]])
@pytest.mark.parametrize("target", [["--out", "in"], ["--beside"]])
def test_captions_lie_beside_their_pictures(shell: Shell, words: list[str], target: list[str]) -> None:
    shell.picture("in/a.png")
    shell.picture("in/sub/a.png", "blue")
    assert shell.caption(*words, *target).status == 0
    assert shell.files() == {"in/a.txt": RED, "in/sub/a.txt": BLUE}


def test_several_arguments_keep_their_folders(shell: Shell) -> None:
    shell.picture("train/10_sks dog/1.png")
    shell.picture("train/5_cat/1.png", "blue")
    expected = {"10_sks dog/1.txt": RED, "5_cat/1.txt": BLUE}
    folders = ["train/10_sks dog", "train/5_cat"]
    for number, words in enumerate((folders, folders[::-1], ["train", "--recursive"])):
        assert shell.caption(*words, "--out", f"out{number}", "--with-pictures").status == 0
        assert shell.files(f"out{number}") == expected
        assert (shell.folder / f"out{number}/5_cat/1.png").exists()
    assert shell.caption(*folders, "--zip", "set.zip").status == 0
    with zipfile.ZipFile("set.zip") as archive:
        assert {name: archive.read(name).decode() for name in own_names(archive)} == expected
    before = contents(shell.folder / "out0")
    assert shell.caption("out0", "--recursive", "--out", "again", "--with-pictures").status == 0
    assert {name: data for name, (data, _) in contents(shell.folder / "again").items()} == {
        name: data for name, (data, _) in before.items()
    }


def test_everything_by_glob_is_as_the_folder(shell: Shell) -> None:
    shell.picture("in/a.png")
    shell.picture("in/b.png", "blue")
    write(shell, "in/a.txt", "hand")
    write(shell, "in/b.CAPTION", "hand too")
    write(shell, f"in/{INDEX_NAME}", "")
    words = sorted(f"in/{path.name}" for path in (shell.folder / "in").iterdir())
    ran = shell.caption(*words)
    assert (ran.status, ran.out) == (0, "in/a.png: hand\nin/b.png: hand too\n")
    assert "note: 3 passed over as caption files: " in ran.err


def test_an_empty_folder_costs_that_folder(shell: Shell) -> None:
    shell.picture("in/a.png")
    (shell.folder / "in/2_empty").mkdir()
    ran = shell.caption("in", "in/2_empty")
    assert (ran.status, ran.out) == (1, f"in/a.png: {RED}\n")
    assert "note: in/2_empty has no pictures in it; --recursive looks into its subfolders too.\n" in ran.err


def test_only_caption_files_are_nothing_to_caption(shell: Shell) -> None:
    write(shell, "a.txt", "hand")
    ran = shell.caption("a.txt")
    assert (ran.status, ran.err) == (
        2,
        "captioner: 1 passed over as caption files: a.txt.\n",
    )


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be there")
@pytest.mark.parametrize("name", ["shot 12:30:45", "what?", "a ", "con", "a.", "x\\y", "bad\x1bname", "-", "été"])
def test_beside_its_picture_a_caption_has_its_stem_whatever_it_is(shell: Shell, name: str) -> None:
    shell.picture(f"{name}.png")
    ran = shell.caption(".", "--beside")
    assert (ran.status, ran.err) == (0, "1 captioned, 0 failed\n")
    assert shell.files() == {f"{name}.txt": RED}
    ran = shell.caption(".", "--zip", "set.zip")
    with zipfile.ZipFile("set.zip") as archive:
        [inside] = own_names(archive)
    assert (inside == f"{name}.txt") == ("rename that picture" not in ran.err)


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be there")
def test_a_name_made_safe_never_wins_over_the_pictures_own(shell: Shell) -> None:
    shell.picture("what?.png")
    shell.picture("what_.png", "blue")
    write(shell, "what_.txt", "hand written for what_")
    for policy in ("keep", "ignore"):
        shell.caption("what?.png", "--out", ".", "--existing", policy)
    assert shell.files() == {"what?.txt": RED, "what_.txt": "hand written for what_"}


def test_names_that_differ_by_case_have_captions_of_their_own_where_they_can(shell: Shell) -> None:
    shell.picture("Dog.png")
    shell.picture("dOG.jpg", "blue", "JPEG")
    shell.caption(".", "--beside")
    assert len(shell.files()) == 2
    before = contents(shell.folder)
    assert shell.caption(".", "--beside").status == 0
    assert contents(shell.folder) == before


# Existing captions as people have them


@pytest.mark.parametrize(("format", "first"), [("txt", "TXT"), ("caption", "CAPTION")])
def test_the_formats_own_file_counts_and_the_other_one_is_named(shell: Shell, format: str, first: str) -> None:
    shell.picture("in/1.png")
    write(shell, "in/1.txt", "TXT 1")
    write(shell, "in/1.caption", "CAPTION 1")
    ran = shell.caption("in", "--format", format, "--out", "out")
    assert shell.files("out") == {f"1.{format}": f"{first} 1"}
    other = {"txt": "caption", "caption": "txt"}[format]
    assert f"note: in/1.{other} is left aside: 1.{format} counts.\n" in ran.err


def test_equal_captions_in_both_files_are_not_mentioned(shell: Shell) -> None:
    shell.picture("1.png")
    write(shell, "1.txt", "mine")
    write(shell, "1.caption", "mine\n")
    assert "aside" not in shell.caption("1.png").err


@pytest.mark.parametrize("caption", ["A.TXT", "a.Txt", "A.txt", "a.CAPTION"])
def test_any_case_is_found(shell: Shell, caption: str) -> None:
    shell.picture("a.png")
    write(shell, caption, "mine")
    assert shell.caption("a.png").out == "a.png: mine\n"


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_any_unicode_form_is_found(shell: Shell, forms: tuple[str, str]) -> None:
    shell.picture(unicodedata.normalize(forms[0], "é.png"))
    write(shell, unicodedata.normalize(forms[1], "é.txt"), "mine")
    assert shell.caption(".").out.endswith(": mine\n")


def test_a_file_that_is_nearer_to_another_picture_is_that_ones(shell: Shell) -> None:
    shell.picture("a.png")
    shell.picture("A.jpg", "blue", "JPEG")
    write(shell, "A.txt", "of A")
    assert shell.caption("a.png", "A.jpg").out == f"a.png: {RED}\nA.jpg: of A\n"


@pytest.mark.parametrize("text", ["1girl, solo\nA girl stands.", "one\n\ntwo\nthree"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_kept_caption_keeps_its_lines(shell: Shell, text: str, end: str) -> None:
    shell.picture("in/a.png")
    write(shell, "in/a.txt", text.replace("\n", end) + end)
    ran = shell.caption("in", "--out", "out")
    assert (shell.folder / "out/a.txt").read_bytes() == text.encode()
    assert "note: 1 caption has several lines and keeps them: kohya's scripts read the first line" in ran.err
    shell.caption("in", "--zip", "set.zip")
    with zipfile.ZipFile("set.zip") as archive:
        assert archive.read("a.txt") == text.encode()


@pytest.mark.parametrize("encoding", ["cp932", "latin-1", "utf-16-le", "utf-32"])
def test_a_caption_in_another_encoding_is_refused_and_never_guessed(shell: Shell, encoding: str) -> None:
    shell.picture("a.png")
    text = "少女" if encoding == "cp932" else "Mädchen"
    (shell.folder / "a.txt").write_bytes(text.encode(encoding))
    ran = shell.caption("a.png", "--beside")
    assert (ran.status, ran.out) == (1, "")
    assert "a.txt is not UTF-8 text; save it as UTF-8" in ran.err
    assert (shell.folder / "a.txt").read_bytes() == text.encode(encoding)


# What is passed over


def test_masks_are_left_out_unless_asked_for(shell: Shell) -> None:
    for name in ("a", "a-masklabel", "a-condlabel", "mask/a", "masks/a", "Conditioning/a", "masked ball/a"):
        shell.picture(f"in/{name}.png")
    ran = shell.caption("in", "--recursive", "--beside")
    assert (ran.status, sorted(shell.files("in"))) == (0, ["a.txt", "masked ball/a.txt"])
    assert "note: 5 passed over as masks (--include-masks takes them): " in ran.err
    assert shell.caption("in", "--recursive", "--include-masks").summary == "7 captioned, 0 failed"
    assert shell.caption("in/a.png", "in/a-masklabel.png", "in/mask").summary == "1 captioned, 0 failed"
    assert shell.caption("in/mask").summary == "1 captioned, 0 failed"


@pytest.mark.parametrize("name", ["b.jxl", "b.PSD", "b.cr3"])
def test_a_format_that_is_not_read_is_said_with_status_1(shell: Shell, name: str) -> None:
    shell.picture("a.png")
    write(shell, name, "?")
    ran = shell.caption(".")
    assert (ran.status, ran.summary) == (1, "1 captioned, 0 failed")
    assert (
        f"note: 1 passed over as files of a format that is not read here (save them as PNG or JPEG): {name}." in ran.err
    )


def test_a_picture_without_a_pictures_name_is_said_with_status_1(shell: Shell) -> None:
    shell.picture("a.png")
    shell.picture("b")
    write(shell, "notes.md", "BMs and other words")
    ran = shell.caption(".")
    assert ran.status == 1 and "pictures without a picture's name (rename them, or name them one by one): b." in ran.err
    assert shell.caption("a.png", "b").summary == "2 captioned, 0 failed"


def test_hidden_files_and_thumbnails_of_file_servers_are_said(shell: Shell) -> None:
    for name in ("a.png", "._a.png", ".trash/b.png", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", ".thumbnails/c.png"):
        shell.picture(f"in/{name}")
    write(shell, "in/Thumbs.db", "x")
    ran = shell.caption("in", "--recursive")
    assert (ran.status, ran.summary) == (0, "1 captioned, 0 failed")
    assert "note: 2 passed over as hidden: ._a.png, .trash.\n" in ran.err
    assert "note: 2 passed over as a file server's thumbnails: .thumbnails, @eaDir.\n" in ran.err


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*_old.png"], ["a.png", "raw/c.png"]),
        (["raw"], ["a.png", "b_old.png"]),
        (["raw/*"], ["a.png", "b_old.png"]),
        (["raw/"], ["a.png", "b_old.png"]),
        (["c.png", "b_*"], ["a.png"]),
    ],
)
def test_what_is_excluded_is_left_out(shell: Shell, patterns: list[str], left: list[str]) -> None:
    for name in ("a.png", "b_old.png", "raw/c.png"):
        shell.picture(f"in/{name}")
    words = [word for pattern in patterns for word in ("--exclude", pattern)]
    ran = shell.caption("in", "--recursive", "--json", *words)
    assert [shown["picture"] for shown in ran.objects] == [f"in/{name}" for name in left]
    assert ran.status == 0


def test_a_pattern_that_excludes_nothing_is_said(shell: Shell) -> None:
    shell.picture("a.png")
    assert "note: --exclude '*.jpg' leaves nothing out.\n" in shell.caption(".", "--exclude", "*.jpg").err


def test_a_subfolder_that_cannot_be_read_costs_that_folder(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.picture("in/a.png")
    shell.picture("in/sub/b.png")
    (shell.folder / "in/sub").chmod(0)
    try:
        if os.access(shell.folder / "in/sub", os.R_OK):
            pytest.skip("this user may read everything")
        ran = shell.caption("in", "--recursive")
    finally:
        (shell.folder / "in/sub").chmod(0o755)
    assert (ran.status, ran.summary) == (1, "1 captioned, 0 failed")
    assert "note: in/sub cannot be read: Permission denied.\n" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overwrite"], "--overwrite has no effect: nothing is written; add --out DIR, --zip FILE or --beside."),
        (["--beside", "--out", "x"], "argument --out: not allowed with argument --beside"),
        (["--beside", "--with-pictures"], "--with-pictures needs --out DIR or --zip FILE, where the pictures go."),
    ],
)
def test_flags_that_make_no_sense_together_are_refused(shell: Shell, words: list[str], message: str) -> None:
    shell.picture("a.png")
    ran = shell.caption("a.png", *words)
    assert (ran.status, ran.out) == (2, "") and ran.err.startswith(f"captioner: {message}")


# Prefix and suffix


def test_the_frame_is_put_around_what_is_written_and_a_file_of_one_s_own_stays(shell: Shell) -> None:
    shell.picture("a.png")
    shell.picture("b.png", "blue")
    write(shell, "b.txt", "my own")
    for _ in range(2):
        ran = shell.caption(".", "--beside", "--prefix", "ohwx")
        assert shell.files() == {"a.txt": f"ohwx, {RED}", "b.txt": "my own"}
        assert "1 file of yours stays without prefix and suffix; --existing append puts them there." in ran.err
    for _ in range(2):
        shell.caption(".", "--beside", "--prefix", "ohwx", "--existing", "append")
        assert shell.files() == {"a.txt": f"ohwx, {RED}", "b.txt": f"ohwx, {BLUE}, my own"}


def test_a_caption_that_came_along_is_framed_where_it_goes_elsewhere(shell: Shell) -> None:
    shell.picture("in/a.png")
    write(shell, "in/a.txt", "my own")
    shell.caption("in", "--out", "out", "--prefix", "ohwx")
    assert shell.files("out") == {"a.txt": "ohwx, my own"}

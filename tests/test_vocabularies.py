"""taggers.vocabularies: the public lists to the letter, a folder's own lists, a user's files."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from captioner.errors import BadVocabulary, MissingPackage
from captioner.limits import MAX_LABEL_LENGTH
from taggers import vocabularies
from taggers.clip import ClipSettings

# Counts and sha256 of ",".join(labels) as the published label embeddings (pharmapsychotic/ci-preprocess) carry them.
PUBLISHED = {
    "artists": (10530, "d27dcd8c970debac6b1afcea9081ad0e933c687bf3f533de5c043c79113ffdae"),
    "flavors": (100970, "bb633ab8d979278bd66fa93c1c668a230f180e299723f4d602a206926d4f87ca"),
    "mediums": (95, "7fff3ab0b0cf6b850156558b461aace10ffe8df724c9c69cda7960f8478bf74e"),
    "movements": (200, "c1a02df83850cf77f19d60223fdd32cb01f3ce1d1e815528a3e7aed7087625a4"),
    "trendings": (72, "3aad0205a44297a34e91204252121fd399570eee5627a630f55956afa338ceac"),
}


@pytest.mark.parametrize("kind", vocabularies.KINDS)
def test_public_labels_are_those_of_the_published_embeddings(kind: str) -> None:
    vocabulary = vocabularies.public(kind)
    count, digest = PUBLISHED[kind]
    assert (len(vocabulary.labels), vocabulary.digest) == (count, digest)


def test_reading_the_public_lists_imports_no_heavy_package() -> None:
    code = (
        "import sys; from taggers import vocabularies; vocabularies.public('mediums');"
        "print([m for m in ('torch', 'clip_interrogator', 'open_clip', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_missing_package_is_named_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match="pip install clip-interrogator"):
        vocabularies.public("flavors")


def test_a_folder_without_lists_has_the_public_ones(tmp_path: Path) -> None:
    assert [*vocabularies.for_model(tmp_path)] == [*vocabularies.KINDS]


def test_a_folders_own_lists_win_and_an_absent_kind_is_absent(tmp_path: Path) -> None:
    own = tmp_path / "vocabularies"
    own.mkdir()
    (own / "mediums.txt").write_text("a pencil drawing\npixel art\n", encoding="utf-8")
    (own / "flavors.txt").write_text("a red star\n", encoding="utf-8")
    found = vocabularies.for_model(tmp_path)
    assert {kind: v.labels for kind, v in found.items()} == {
        "mediums": ("a pencil drawing", "pixel art"),
        "flavors": ("a red star",),
    }


def test_an_unknown_list_in_a_folder_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = tmp_path / "vocabularies"
    own.mkdir()
    (own / "flavours.txt").write_text("a red star\n", encoding="utf-8")
    assert vocabularies.for_model(tmp_path) == {}
    assert "flavours.txt is not used" in caplog.text


def test_a_users_list_is_stripped_of_blanks_repeats_marks_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeff rot \r\n\r\nblau\rrot\nein\u2028Wort\n".encode())
    assert vocabularies.read(path, "flavors").labels == ("rot", "blau", "ein\u2028Wort")


def test_a_users_list_in_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("eins\nzwei\nfünf\n".encode("latin-1"))
    with pytest.raises(BadVocabulary, match=r"words\.txt is not UTF-8 text \(line 3\); save it as UTF-8"):
        vocabularies.read(path, "flavors")


def test_a_git_lfs_pointer_is_no_list() -> None:
    with pytest.raises(BadVocabulary, match=r"words\.txt is a Git LFS pointer, not the words; fetch them"):
        vocabularies.parse(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "flavors", "words.txt")


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_a_list_without_a_label_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(data)
    with pytest.raises(BadVocabulary, match="has no label; write one label a line"):
        vocabularies.read(path, "flavors")


def test_a_list_over_a_million_lines_is_refused_and_a_million_is_not() -> None:
    with pytest.raises(BadVocabulary, match="has 1,000,001 lines; a vocabulary may have 1,000,000"):
        vocabularies.parse(b"a\n" * 1_000_001, "flavors", "words.txt")
    assert vocabularies.parse(b"a\n" * 1_000_000, "flavors", "words.txt").labels == ("a",)


def test_a_missing_list_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.txt"):
        with pytest.raises(BadVocabulary, match="is not a file"):
            vocabularies.read(path, "flavors")


# A person's own, by name


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONER_VOCABULARIES", str(tmp_path / "own"))
    return tmp_path / "own"


def test_a_vocabulary_of_ones_own_is_kept_under_a_name_that_means_these_labels(own_folder: Path) -> None:
    name = vocabularies.add_own("my words.txt", b"rot\r\nblau\n\nrot\n")
    digest = hashlib.sha256(b"rot,blau").hexdigest()
    assert name == f"my words-{digest[:8]}"
    assert vocabularies.own(name) == vocabularies.Vocabulary("own", ("rot", "blau"), str(own_folder / f"{name}.txt"))
    assert vocabularies.own_text(name) == "my words (2 labels)"
    assert vocabularies.add_own("my words.txt", b"rot\nblau") == name
    other = vocabularies.add_own("my words.txt", b"gelb\n")
    assert other != name
    assert vocabularies.own(other).labels == ("gelb",)
    assert vocabularies.own_text(other) == "my words (1 label)"
    assert vocabularies.own(name).labels == ("rot", "blau"), "nothing takes its place"
    assert sorted(path.name for path in own_folder.iterdir()) == sorted([f"{name}.txt", f"{other}.txt"])


def test_a_file_of_this_machine_is_kept_as_well(own_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "colours.txt"
    path.write_text("rot\nblau\n", encoding="utf-8")
    assert vocabularies.add_own_file(path) == vocabularies.add_own("colours.txt", b"rot\nblau\n")
    for odd in (tmp_path / "absent.txt", tmp_path, tmp_path / ("x" * 5000), Path("a\0b")):
        with pytest.raises(BadVocabulary, match="is not a file; a vocabulary is a text file"):
            vocabularies.add_own_file(odd)


@pytest.mark.parametrize(
    ("file_name", "stem"),
    [
        ("größe_1.TXT", "größe_1"),
        ("../../etc/passwd", "etc passwd"),
        ("C:\\words (2).txt", "C words 2"),
        ("...", "words"),
        ("", "words"),
        ("a\0b\n", "a b"),
        ("-x-", "x"),
        ("x" * 500, "x" * 50),
    ],
)
def test_any_file_name_will_do_and_becomes_no_path(own_folder: Path, file_name: str, stem: str) -> None:
    name = vocabularies.add_own(file_name, b"rot\n")
    assert name.rpartition("-")[0] == stem
    assert vocabularies.own(name).labels == ("rot",)
    assert [path.name for path in own_folder.iterdir()] == [f"{name}.txt"]
    assert ClipSettings(own_vocabulary=name).own_vocabulary == name


def test_a_kept_file_that_was_changed_is_refused_and_mended_by_adding_its_words_again(own_folder: Path) -> None:
    name = vocabularies.add_own("colours.txt", b"rot\nblau\n")
    for changed in (b"gruen\n", b"", b"rot\n\xff\n"):
        (own_folder / f"{name}.txt").write_bytes(changed)
        with pytest.raises(BadVocabulary, match=r"was changed since it was added|has no label|is not UTF-8"):
            vocabularies.own(name)
        assert vocabularies.add_own("colours.txt", b"rot\nblau\n") == name
        assert vocabularies.own(name).labels == ("rot", "blau")


def test_many_may_add_the_same_words_at_once(own_folder: Path) -> None:
    words = "\n".join(f"word {number}" for number in range(20_000)).encode()
    for _ in range(3):
        with ThreadPoolExecutor(8) as threads:
            names = set(threads.map(lambda _: vocabularies.add_own("words.txt", words), range(8)))
        [name] = names
        assert len(vocabularies.own(name).labels) == 20_000
        assert [path.name for path in own_folder.iterdir()] == [f"{name}.txt"]
        (own_folder / f"{name}.txt").unlink()


def test_a_file_that_will_not_do_is_refused_by_its_name(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadVocabulary, match=r"w\.txt has no label"):
        vocabularies.add_own("w.txt", b"\n")
    with pytest.raises(BadVocabulary, match=r"w\.txt is not UTF-8 text \(line 2\)"):
        vocabularies.add_own("w.txt", b"rot\n\xff\n")
    with pytest.raises(BadVocabulary, match="has 1,000,001 lines"):
        vocabularies.add_own("w.txt", b"a\n" * 1_000_001)
    monkeypatch.setattr(vocabularies, "MAXIMUM_BYTES", 10)
    with pytest.raises(BadVocabulary, match=r"w\.txt has 11 bytes; a vocabulary may have 10"):
        vocabularies.add_own("w.txt", b"hello world")
    assert not own_folder.exists()


@pytest.mark.parametrize("name", ["", "words", "../words-00000000", "/etc-00000000", ".h-00000000", "a.b-00000000"])
def test_a_name_that_is_none_or_unknown_is_refused_and_names_no_others(own_folder: Path, name: str) -> None:
    kept = vocabularies.add_own("colours", b"rot\n")
    (own_folder.parent / "words-00000000.txt").write_text("secret\n")
    with pytest.raises(BadVocabulary, match="there is no vocabulary of your own called") as raised:
        vocabularies.own(name)
    assert kept not in str(raised.value)
    assert vocabularies.own_text(name) is None


def test_a_folder_that_cannot_be_written_is_reported(own_folder: Path) -> None:
    own_folder.write_text("a file where the folder should be")
    with pytest.raises(BadVocabulary, match="the vocabulary cannot be kept in"):
        vocabularies.add_own("words", b"rot\n")


@pytest.mark.parametrize(
    ("platform", "environment", "wanted"),
    [
        ("linux", {"XDG_DATA_HOME": "/x"}, "/x/captioner/vocabularies"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "/home/u/.local/share/captioner/vocabularies"),
        ("darwin", {}, "/home/u/Library/Application Support/Captioner/vocabularies"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/Captioner/vocabularies"),
        ("win32", {}, "/home/u/AppData/Local/Captioner/vocabularies"),
    ],
)
def test_own_vocabularies_are_where_the_platform_keeps_user_data(
    platform: str, environment: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CAPTIONER_VOCABULARIES", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/u"))
    assert vocabularies.own_folder() == Path(wanted)


# Lines without end


def test_a_label_longer_than_any_real_one_is_refused_by_file_and_line(own_folder: Path, tmp_path: Path) -> None:
    long = b"rot\n" + b"a" * 301 + b"\n"
    message = r"words.txt has 301 characters in line 2; a label may have 300. Write one label a line"
    (tmp_path / "words.txt").write_bytes(long)
    with pytest.raises(BadVocabulary, match=message):
        vocabularies.add_own("words.txt", long)
    with pytest.raises(BadVocabulary, match=message):
        vocabularies.add_own_file(tmp_path / "words.txt")
    assert not own_folder.exists()
    assert vocabularies.parse(b" " * 500 + b"a" * 300, "own", "words.txt").labels == ("a" * 300,)


@pytest.mark.parametrize("data", [json.dumps(["rot", "blau"] * 100), json.dumps({"labels": ["rot"] * 100})])
def test_minified_json_is_told_to_be_json(data: str) -> None:
    with pytest.raises(
        BadVocabulary, match=r"words.json has .* in line 1; .* It looks like JSON: write the labels one a"
    ):
        vocabularies.parse(data.encode(), "own", "words.json")


def test_a_kept_file_with_a_line_without_end_is_refused_when_it_is_read(own_folder: Path) -> None:
    label = "a" * 100_000
    name = f"words-{hashlib.sha256(label.encode()).hexdigest()[:8]}"
    own_folder.mkdir()
    (own_folder / f"{name}.txt").write_text(label + "\n")
    with pytest.raises(BadVocabulary, match="has 100,000 characters in line 1"):
        vocabularies.own(name)
    with pytest.raises(BadVocabulary, match="has 100,000 characters in line 1"):
        vocabularies.read(own_folder / f"{name}.txt", "flavors")


@pytest.mark.parametrize("kind", vocabularies.KINDS)
def test_every_published_label_is_shorter_than_the_limit(kind: str) -> None:
    assert max(map(len, vocabularies.public(kind).labels)) < MAX_LABEL_LENGTH / 2

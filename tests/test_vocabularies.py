"""taggers.vocabularies: the public lists to the letter, a folder's own lists, a user's files."""

import subprocess
import sys
from pathlib import Path

import pytest

from captioner.errors import BadVocabulary, MissingPackage
from taggers import vocabularies

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

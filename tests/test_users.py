"""captioner.users and `python -m captioner user`: a file in which nobody reads a password."""

from __future__ import annotations

import io
import stat
import sys
from pathlib import Path

import pytest

from captioner import users
from captioner.__main__ import main
from captioner.errors import CaptionerError
from captioner.users import UserFile, is_users, parse_users, read_users


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ada's, whose password is "a long word"; scrypt made cheap."""
    monkeypatch.setattr(users, "_COST", 2)
    users._nobody.cache_clear()
    path = tmp_path / "team" / "users"
    users.add_user(path, "ada", "a long word")
    yield path
    users._nobody.cache_clear()


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_password_is_known_again_and_not_written_down(file: Path) -> None:
    found = read_users(file)[1]
    assert found.user_of_password("ada", "a long word") == "ada"
    assert found.user_of_password("ada", "a long wörd") is None
    assert found.user_of_password("eve", "a long word") is None
    assert "a long word" not in file.read_text()
    assert file.read_text().startswith("ada:scrypt$")
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_cost_is_what_logins_need() -> None:
    assert users._COST * users._BLOCK * 128 >= 16 << 20


def test_the_command_line_adds_users_and_tokens_and_takes_them_out(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "another word\n")
    assert main(["user", "add", "bob.b@x", "--file", str(file)]) == 0
    assert read_users(file)[1].user_of_password("bob.b@x", "another word") == "bob.b@x"
    capsys.readouterr()
    assert main(["user", "token", "bob.b@x", "--file", str(file)]) == 0
    token = capsys.readouterr().out.strip()
    assert token not in file.read_text()
    assert read_users(file)[1].user_of_token(token) == "bob.b@x"
    assert main(["user", "list", "--file", str(file)]) == 0
    assert capsys.readouterr().out == "ada  0 tokens\nbob.b@x  1 token\n"
    assert main(["user", "revoke", "bob.b@x", "--file", str(file)]) == 0
    assert read_users(file)[1].user_of_token(token) is None
    typed(monkeypatch, "a third word\n")
    assert main(["user", "add", "bob.b@x", "--file", str(file)]) == 0
    assert read_users(file)[1].user_of_password("bob.b@x", "another word") is None
    assert main(["user", "token", "bob.b@x", "--file", str(file)]) == 0
    assert main(["user", "remove", "bob.b@x", "--file", str(file)]) == 0
    assert list(read_users(file)[1].passwords) == ["ada"]
    assert read_users(file)[1].tokens == {}


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (["add", "eve"], "short\n", "the password must have 8 to 1,000 letters"),
        (["add", "eve"], "", "the password must have 8"),
        (["add", "a:b"], "a long word\n", "'a:b' is no name for a user"),
        (["add"], "a long word\n", "user add needs a NAME"),
        (["remove", "eve"], "", "is called eve; the users are ada"),
        (["token", "eve"], "", "is called eve; the users are ada"),
    ],
)
def test_what_will_not_do_is_a_sentence_and_changes_nothing(
    file: Path, words: list[str], stdin: str, message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = file.read_bytes()
    typed(monkeypatch, stdin)
    assert main(["user", *words, "--file", str(file)]) == 2
    assert message in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_file_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "list", "--file", str(tmp_path / "no")]) == 2
    assert "user add NAME --file FILE makes it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ada:word", r"line 1 must be NAME:HASH"),
        ("# a note\n\nada:scrypt$2$8$1$x$y", r"line 3 must be NAME:HASH"),
        ("ada:scrypt$3$8$1${salt}${hash}", r"line 1 must be NAME:HASH"),
        ("ada:scrypt$16777216$8$1${salt}${hash}", r"line 1 must be NAME:HASH"),
        ("{line}\n{line}", "line 2: ada has a line already"),
        ("bob:token$" + 64 * "0", "has a token of bob, who is no user there"),
        ("a b:token$" + 64 * "0", "line 1: 'a b' is no name for a user"),
    ],
)
def test_lines_that_are_none(file: Path, text: str, message: str) -> None:
    line = file.read_text().strip()
    salt, hash_ = line.split("$")[-2:]
    made = text.replace("{line}", line).replace("{salt}", salt).replace("{hash}", hash_)
    with pytest.raises(CaptionerError, match=message):
        parse_users(made, "users")


def test_one_login_in_plain_words_is_no_file_of_users(file: Path) -> None:
    assert is_users(file.read_text())
    assert not is_users("ada:word\n") and not is_users("")


def test_a_change_is_noticed_and_a_broken_file_lets_nobody_in(file: Path) -> None:
    now = [0.0]
    held = UserFile(file, clock=lambda: now[0])
    users.add_user(file, "bob", "a long word")
    assert "bob" not in held.now().passwords, "looked at again only after a second"
    now[0] += 2
    assert "bob" in held.now().passwords
    assert held.generation == 1
    file.write_text("broken")
    now[0] += 2
    assert held.now().passwords == {}


def test_an_operator_is_who_was_made_one_and_stays_it_with_a_new_password(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def add(*flags: str) -> set[str]:
        typed(monkeypatch, "another word\n")
        assert main(["user", "add", "ada", *flags, "--file", str(file)]) == 0
        return read_users(file)[1].operators

    assert read_users(file)[1].operators == set(), "a line that says nothing makes none"
    assert add("--operator") == {"ada"}
    assert add() == {"ada"}
    assert read_users(file)[1].user_of_password("ada", "another word") == "ada"
    capsys.readouterr()
    assert main(["user", "list", "--file", str(file)]) == 0
    assert capsys.readouterr().out == "ada  0 tokens, operator\n"
    assert add("--no-operator") == set()
    assert main(["user", "revoke", "ada", "--operator", "--file", str(file)]) == 2
    assert "--operator goes with add, not with revoke" in capsys.readouterr().err


def test_a_role_that_nobody_knows_is_a_sentence(file: Path) -> None:
    line = file.read_text().strip()
    with pytest.raises(CaptionerError, match="may stand :operator, and nothing else"):
        parse_users(f"{line}:admin", "users")

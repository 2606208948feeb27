"""Who has the login comes in; who guesses waits."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from captioner.errors import CaptionerError
from captioner.ui.login import Login, parse_login, read_login_file


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _basic(words: str) -> str:
    return "Basic " + base64.b64encode(words.encode()).decode()


RIGHT, WRONG = _basic("ada:pass:wörd"), _basic("ada:guess")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(clock: Clock) -> Login:
    return Login(("ada", "pass:wörd"), clock=clock)


def _guess(login: Login, clock: Clock, times: int, client: str = "10.0.0.1") -> None:
    """That many wrong logins, each as early as it is looked at."""
    for _ in range(times):
        while (wait_s := login.check(WRONG, client)) is not None:
            clock.now_s += wait_s


def test_the_right_login_comes_in_and_anything_else_does_not(login: Login) -> None:
    assert login.check(RIGHT, "10.0.0.1") == 0.0
    assert login.check(RIGHT.replace("Basic", "basic"), "10.0.0.1") == 0.0
    wrong = ("", WRONG, "Basic", "Basic %%%", "Basic \xe4", RIGHT.replace("Basic", "Bearer"), RIGHT + "x")
    for number, header in enumerate(wrong):
        assert login.check(header, f"10.0.1.{number}") is None


def test_a_guesser_waits_longer_each_time_up_to_half_a_minute(login: Login, clock: Clock) -> None:
    waits = []
    for _ in range(12):
        assert login.check(WRONG, "10.0.0.1") is None
        wait_s = login.check(WRONG, "10.0.0.1")
        waits.append(wait_s)
        clock.now_s += wait_s or 0.0
    assert waits[:3] == [None, None, 1.0]
    assert waits[3:8] == [2.0, 4.0, 8.0, 16.0, 30.0]
    assert waits[-1] == 30.0


def test_while_an_address_waits_its_logins_are_not_looked_at(login: Login, clock: Clock) -> None:
    _guess(login, clock, 7)
    assert login.check(RIGHT, "10.0.0.1")
    clock.now_s += 60.0
    assert login.check(RIGHT, "10.0.0.1") == 0.0


def test_asking_again_while_waiting_makes_the_wait_no_longer(login: Login, clock: Clock) -> None:
    _guess(login, clock, 8)
    before_s = login.check(WRONG, "10.0.0.1")
    for _ in range(100):
        login.check(WRONG, "10.0.0.1")
    assert login.check(WRONG, "10.0.0.1") == before_s


def test_another_address_does_not_wait(login: Login, clock: Clock) -> None:
    _guess(login, clock, 9)
    assert login.check(RIGHT, "10.0.0.2") == 0.0


def test_a_neighbour_behind_the_same_proxy_does_not_shut_out_who_was_in_before(login: Login, clock: Clock) -> None:
    assert login.check(RIGHT, "10.0.0.1") == 0.0
    for _ in range(20):
        login.check(WRONG, "10.0.0.1")
        assert login.check(RIGHT, "10.0.0.1") == 0.0
    for _ in range(20):
        login.check(WRONG, "10.0.0.1")
    assert login.check(RIGHT, "10.0.0.1")  # else the neighbour could guess as fast as they like
    clock.now_s += 31.0
    assert login.check(RIGHT, "10.0.0.1") == 0.0


def test_failures_are_forgotten_after_an_hour(login: Login, clock: Clock) -> None:
    _guess(login, clock, 9)
    clock.now_s += 3601.0
    assert login.check(WRONG, "10.0.0.1") is None
    assert login.check(RIGHT, "10.0.0.1") == 0.0


def test_a_household_of_ipv6_addresses_is_one_guesser(login: Login) -> None:
    for last in range(5):
        login.check(WRONG, f"2001:db8::{last + 1}")
    assert login.check(WRONG, "2001:db8::99")
    assert login.check(RIGHT, "2001:db8:0:1::1") == 0.0


def test_only_so_many_addresses_are_remembered(login: Login) -> None:
    for number in range(10_500):
        login.check(WRONG, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(login._records) == 10_000


@pytest.mark.parametrize("text", ["ada", "ada:", ":word", "", "ada:word\nmore", "ada:wo\x1brd"])
def test_half_a_login_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(CaptionerError) as raised:
        parse_login(text, "--auth")
    assert str(raised.value) == ("--auth must be USER:PASSWORD on one line, with something on both sides of the colon.")


@pytest.mark.parametrize(
    "data", [b"ada:pass:w\xc3\xb6rd", b"ada:pass:w\xc3\xb6rd\n", b"\xef\xbb\xbfada:pass:w\xc3\xb6rd\r\n"]
)
def test_a_login_is_read_from_a_file(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_bytes(data)
    assert read_login_file(file) == ("ada", "pass:wörd")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"ada:w\xf6rd", "is not UTF-8 text"),
        (b"ada:one\nbob:two\n", "must be USER:PASSWORD on one line"),
        (b"a:" + b"b" * 20_000, "is over 10,000 bytes"),
    ],
)
def test_a_login_file_that_will_not_do_is_refused_with_a_sentence(
    data: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "login"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(CaptionerError, match=message):
        read_login_file(file)

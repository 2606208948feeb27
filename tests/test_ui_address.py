"""Which names a server answers to."""

from __future__ import annotations

import socket

import pytest

from captioner.ui.address import ServedNames, is_loopback, name_in


def test_loopback_is_known_by_name_and_number() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.2", "example.org", "")))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST.:7860", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:7860", "::1"),
        ("my_box-2.fritz.box:7860", "my_box-2.fritz.box"),
    ],
)
def test_a_name_is_read_from_a_host_header(header: str, name: str) -> None:
    assert name_in(header) == name


@pytest.mark.parametrize(
    "header",
    [
        "",
        "[",
        "]",
        "[]",
        "[::1",
        "::1",
        "a b",
        "a@b",
        "a/b",
        "a:b",
        "a:1:2",
        "http://a",
        "a\n",
        "-a",
        ".a",
        "a..",
        "\xe4",
    ],
)
def test_what_is_no_host_header_has_no_name(header: str) -> None:
    assert name_in(header) is None


def test_a_server_on_loopback_answers_to_loopback_names_and_those_allowed() -> None:
    names = ServedNames.of("127.0.0.1", ["Captions.example"])
    assert all(name in names for name in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "captions.example"))
    assert not any(
        name in names for name in ("evil.example", "192.168.1.2", socket.gethostname().lower() + "x", "a.localhost")
    )


def test_a_server_for_a_network_answers_to_addresses_its_own_names_and_those_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.lan")
    names = ServedNames.of("0.0.0.0", ["captions.example"])
    own = ("192.168.1.2", "fe80::1", "box", "box.lan", "box.local", "localhost", "captions.example")
    assert all(name in names for name in own)
    assert not any(name in names for name in ("evil.example", "evil.local", "box.evil.example"))
    assert "gpu-box" in ServedNames.of("gpu-box", [])

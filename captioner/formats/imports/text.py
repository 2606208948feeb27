"""Bytes -> text: UTF-8 with or without its mark, UTF-16 with one, or what a person says it is. Never guessed."""

from __future__ import annotations

from captioner.errors import CaptionerError


class UnknownEncoding(CaptionerError):
    """A file that is no UTF-8; `encoding` was not said, or is another one."""

    code = "unknown_encoding"


def decoded(data: bytes, name: str, encoding: str = "utf-8") -> str:
    """The text of a file. Args: encoding: of those that are neither UTF-8 nor UTF-16 with a mark.

    Raises: UnknownEncoding.
    """
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = _as_said(data, name, encoding)
    if "\x00" in text:  # UTF-16 without its mark, or no text at all
        raise _unknown(name)
    return text


def _as_said(data: bytes, name: str, encoding: str) -> str:
    if encoding == "utf-8":
        raise _unknown(name)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnknownEncoding(f"{name} is not {encoding} either; choose another encoding.") from error


def _unknown(name: str) -> UnknownEncoding:
    return UnknownEncoding(
        f"{name} is not UTF-8; say its encoding: cp1252 (Western), cp932 (Japanese) or cp949 (Korean)."
    )

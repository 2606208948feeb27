"""The parser of every subcommand: errors are one sentence, and an unknown flag is answered with the closest one."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from captioner.errors import CaptionerError


class WrongUse(CaptionerError):
    """A command line that cannot be understood."""

    code = "wrong_use"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence, without pages of usage, and name the closest flag."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(
            **keywords, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=True
        )

    def error(self, message: str) -> NoReturn:
        """Raises: WrongUse: always; `__main__` prints it and exits with 2."""
        raise WrongUse(f"{message}. See {self.prog} --help.")

    def parse_args(self, arguments: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As ever, but an unknown flag is answered with the closest one."""
        parsed, unknown = self.parse_known_args(arguments, namespace)
        if unknown:
            chosen = getattr(parsed, "parser", self)
            flag = next((word for word in unknown if word.startswith("-")), unknown[0]).partition("=")[0]
            close = difflib.get_close_matches(flag, chosen._option_string_actions, n=1)
            advice = f"did you mean {close[0]}?" if close else f"see {chosen.prog} --help."
            what = "not known" if flag.startswith("-") else "one word too many"
            raise WrongUse(f"{flag} is {what}; {advice}")
        return parsed

"""Several kinds of captions in one run: the flag that names them.

A kind in the command line is NAME:CAPTIONER:SETTING=VALUE..., of which all but the name may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from captioner.captions.caption_kinds import kind_of_title, own_names
from captioner.captions.groups import CAPTIONER, PRESET, setting_groups
from captioner.cli.parser import WrongUse
from captioner.models import registry

_SETTING = re.compile(r"(?:--)?([a-z][a-z0-9_-]*)=(.*)", re.DOTALL)


def read_kinds(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the flag was given -> `kinds` of the flat mapping.

    Raises: SettingsError: a name or a value that cannot be. WrongUse: a kind is named twice, or a setting that is none.
    """
    kinds: dict[str, dict[str, Any]] = {}
    for text in texts:
        title, *parts = text.split(":")
        name = kind_of_title(title)
        if name in kinds or not name:
            raise WrongUse(f"--kind {title!r} is there already; give each kind of caption a name of its own.")
        kinds[name] = _own(text, parts)
    return kinds


def _own(text: str, parts: Sequence[str]) -> dict[str, Any]:
    words: list[str] = []
    for part in parts:  # a folder or a value may have colons in it
        if words and not _SETTING.fullmatch(part):
            words[-1] += f":{part}"
        else:
            words.append(part)
    own: dict[str, Any] = {}
    if words and not _SETTING.fullmatch(words[0]):
        own[CAPTIONER] = words.pop(0)
    fields = {
        field.name: field for group in setting_groups("captioner") for field in (*group.fields(), *group.aliases())
    }
    for word in words:
        found = _SETTING.fullmatch(word)
        assert found is not None
        name, value = found[1].replace("-", "_"), found[2]
        if name not in own_names():
            raise WrongUse(
                f"{name} in --kind {text} is no setting of a captioner and no tagger; text settings all kinds share."
            )
        is_word = name in (CAPTIONER, PRESET, *registry.families("tagger"))
        own[name] = value if is_word else fields[name].parse(value)
    return own

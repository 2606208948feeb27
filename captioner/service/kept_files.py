"""Files that are settings, such as an own vocabulary: taken in, and listed to who knows their names.

What such a file must hold, and where it lies, its keeper decides (`settings.kept_file`). Knows no set and no HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from captioner.captions.groups import SettingGroup
from captioner.errors import SettingsError


class KeptFiles:
    """The files of all settings that take one."""

    def __init__(self, groups: Sequence[SettingGroup]) -> None:
        """Args: groups: the settings that there are here."""
        self._groups = groups

    def add(self, field: str, file_name: str, data: bytes) -> dict[str, Any]:
        """Keep a file for a field that takes one.

        Returns: {"name": the field's value for it, "text": what a list shows}.
        Raises: SettingsError: no such field. CaptionerError: the file will not do.
        """
        keeper = self._keeper(field)
        name = keeper.add_own(file_name, data)
        return {"name": name, "text": keeper.own_text(name)}

    def listed(self, field: str, names: Sequence[str]) -> dict[str, Any]:
        """What a list shows for files by name; those that are not here are left out. Nobody learns of others' files."""
        keeper = self._keeper(field)
        texts = {name: keeper.own_text(name) for name in names[:200] if isinstance(name, str)}
        return {"files": [{"name": name, "text": text} for name, text in texts.items() if text is not None]}

    def limit_bytes(self, field: str) -> int:
        """How long a file for a field may be. Raises: SettingsError: no such field."""
        return int(self._keeper(field).MAXIMUM_BYTES)

    def _keeper(self, field: str) -> Any:
        for group in self._groups:
            for declared in group.fields():
                if declared.name == field and declared.keeper:
                    return declared.load_keeper()
        raise SettingsError(f"{str(field)[:80]} is no setting that takes a file.")

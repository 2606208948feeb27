"""Files that are settings, such as an own vocabulary: taken in, and listed to who knows their names.

What such a file must hold, and where it lies, its keeper decides (`settings.kept_file`). Knows no set and no HTTP.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from captioner.captions.groups import SettingGroup
from captioner.errors import CaptionerError, SettingsError
from captioner.plural import plural
from captioner.workspace import Workspace


class KeptFiles:
    """The files of all settings that take one."""

    def __init__(
        self, groups: Sequence[SettingGroup], workspace: Workspace, clock: Callable[[], float] = time.time
    ) -> None:
        """Args: groups: the settings that there are here. workspace: whose sets may use files; those that the command
        line kept and that sets here name are taken over, and what was deleted long ago goes now."""
        self._groups = groups
        self._workspace = workspace
        self._clock = clock
        for declared in {declared.keeper: declared for group in groups for declared in group.fields()}.values():
            if declared.keeper:
                keeper = declared.load_keeper()
                keeper.take_over_own(workspace.folder, self._is_used)
                keeper.empty_own_bin(workspace.folder, clock(), self._is_used)

    def add(self, field: str, file_name: str, data: bytes) -> dict[str, Any]:
        """Keep a file for a field that takes one.

        Returns: {"name": the field's value for it, "text": what a list shows}.
        Raises: SettingsError: no such field. CaptionerError: the file will not do.
        """
        keeper = self._keeper(field)
        name = keeper.add_own(file_name, data)
        return {"name": name, "text": keeper.own_text(name)}

    def listed(self, field: str, names: Sequence[str]) -> dict[str, Any]:
        """What a list shows for files by name; those that are not here are left out. Nobody learns of others' files.

        Returns: {"files": [{"name", "text"}], "bin": [{"name", "text", "goes_at"}] of those that were deleted; goes_at:
            None where they do not go by themselves, since other workspaces share the folder}.
        """
        keeper = self._keeper(field)
        found: dict[str, list[dict[str, Any]]] = {"files": [], "bin": []}
        for name in dict.fromkeys(name for name in names[:200] if isinstance(name, str)):
            text, goes_at = keeper.own_text(name), keeper.own_goes_at(name)
            if text is not None and goes_at is None:
                found["files"].append({"name": name, "text": text})
            elif text is not None:
                found["bin"].append({"name": name, "text": text, "goes_at": None if math.isinf(goes_at) else goes_at})
        return found

    def delete(self, field: str, name: str, set_id: str = "") -> dict[str, Any]:
        """Put a file into the bin, where it waits 30 days; until it is deleted for good where workspaces share it.

        Args: set_id: the set that is about to choose another.
        Raises: CaptionerError: other sets use it, or there is none.
        """
        keeper = self._keeper(field)
        others = [one for one in self._workspace.space.sets_naming(name) if one != set_id]
        if others:
            sets = plural(len(others), "other set uses", "other sets use")
            raise CaptionerError(f"{sets} it, perhaps one in the bin; choose another file there first.", code="in_use")
        keeper.delete_own(name, self._clock())
        return {}

    def restore(self, field: str, name: str) -> dict[str, Any]:
        """Bring a file back from the bin. Raises: CaptionerError: it is not there."""
        self._keeper(field).restore_own(name)
        return {}

    def delete_for_good(self, field: str, name: str) -> dict[str, Any]:
        """Delete a file that is in the bin before its time. Raises: CaptionerError: it is not there."""
        self._keeper(field).delete_own_for_good(name)
        return {}

    def _is_used(self, name: str) -> bool:
        return bool(self._workspace.space.sets_naming(name))

    def limit_bytes(self, field: str) -> int:
        """How long a file for a field may be. Raises: SettingsError: no such field."""
        return int(self._keeper(field).MAXIMUM_BYTES)

    def _keeper(self, field: str) -> Any:
        for group in self._groups:
            for declared in group.fields():
                if declared.name == field and declared.keeper:
                    return declared.load_keeper()
        raise SettingsError(f"{str(field)[:80]} is no setting that takes a file.")

"""The HTTP API's endpoints about keeping and deleting: sets, what was removed from them, what they take.

As `api`, which adds them; the functions' docstrings are the endpoints' descriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from captioner.service.service import Service
from captioner.ui.asked import Shape, flag, identifier, label, optional
from captioner.ui.asking import check_operator

KEEPING_SHAPES: Mapping[str, Shape] = {
    "delete_set": Shape(set_id=identifier, for_good=optional(flag, False)),
    "restore_set": Shape(set_id=identifier),
    "set_use": Shape(set_id=identifier),
    "delete_removed": Shape(set_id=identifier),
    "delete_file": Shape(field=identifier, name=label, for_good=optional(flag, False)),
    "restore_file": Shape(field=identifier, name=label),
}
"""What each endpoint takes, by the names of its function's parameters."""


def keeping_functions(service: Service) -> tuple[Callable[..., Any], ...]:
    """The endpoints' functions, named as they are."""

    def delete_set(set_id: str, for_good: bool = False) -> dict:  # type: ignore[type-arg]
        """Puts a caption set into the bin, where /restore_set finds it for 30 days; returns {}.

        for_good: deletes it with its pictures and captions at once, in the bin or not; nothing brings it back.
        """
        return service.delete_for_good(set_id) if for_good else service.delete_set(set_id)

    def restore_set(set_id: str) -> dict:  # type: ignore[type-arg]
        """Brings a caption set back from the bin, as it was; returns {}."""
        return service.restore_set(set_id)

    def set_use(set_id: str) -> dict:  # type: ignore[type-arg]
        """What a set takes on the disk: {"pictures", "removed", "picture_bytes", "own_bytes", "removed_bytes"}.

        removed: pictures that were removed and wait 30 days for an undo. picture_bytes: of all of them, equal files
        once; own_bytes: of files that no other set has; removed_bytes: what deleting the removed for good would free.
        """
        return service.set_use(set_id)

    def delete_removed(set_id: str) -> dict:  # type: ignore[type-arg]
        """Deletes for good, before their 30 days, the pictures that were removed from a set; returns {"deleted"}.

        Nothing brings them back; an undo of their removal passes them over.
        """
        return service.delete_removed(set_id)

    def delete_file(field: str, name: str, for_good: bool = False) -> dict:  # type: ignore[type-arg]
        """Puts a file that is a setting (field "own_vocabulary") into the bin, where it waits 30 days; returns {}.

        One that a set uses is refused. for_good: deletes one that is in the bin at once, for who looks after the app.
        """
        if for_good:
            check_operator(service)
            return service.kept_files.delete_for_good(field, name)
        return service.kept_files.delete(field, name)

    def restore_file(field: str, name: str) -> dict:  # type: ignore[type-arg]
        """Brings such a file back from the bin; returns {}."""
        return service.kept_files.restore(field, name)

    return (delete_set, restore_set, set_use, delete_removed, delete_file, restore_file)

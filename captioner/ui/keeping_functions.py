"""What the page's script may call about keeping and deleting: removed pictures, files that are settings, disk use."""

from __future__ import annotations

from typing import Any

from captioner.service.service import Service
from captioner.ui.asked import identifier, label, listed, optional, present
from captioner.ui.asking import check_operator
from captioner.ui.functions import ScriptFunction, script_function


def keeping_script_functions(service: Service) -> list[ScriptFunction]:
    """All of them, named as the script calls them."""
    of_set, of_file = {"set": identifier}, {"field": identifier, "name": label}
    files = service.kept_files

    def delete_file_for_good(asked: dict[str, Any]) -> dict[str, Any]:
        check_operator(service)
        return files.delete_for_good(asked["field"], asked["name"])

    return [
        script_function("set_use", of_set, lambda asked: service.set_use(asked["set"])),
        script_function("delete_removed", of_set, lambda asked: service.delete_removed(asked["set"])),
        script_function(
            "kept_files",
            {"field": identifier, "names": listed(present)},
            lambda asked: files.listed(asked["field"], asked["names"]),
        ),
        script_function(
            "delete_file",
            {**of_file, "set": optional(identifier, "")},
            lambda asked: files.delete(asked["field"], asked["name"], asked["set"]),
        ),
        script_function("restore_file", of_file, lambda asked: files.restore(asked["field"], asked["name"])),
        script_function("delete_file_for_good", of_file, delete_file_for_good),
    ]

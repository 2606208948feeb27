"""What the page's script may call of imports: sets and lists of others. As `script_functions`, and among them."""

from __future__ import annotations

from captioner.service.service import Service
from captioner.ui.asked import identifier, settings, whole
from captioner.ui.functions import ScriptFunction, script_function


def import_functions(service: Service) -> list[ScriptFunction]:
    """All of them, named as the script calls them. `import` is the token of what was sent."""
    imports = service.imports
    kept = {"set": identifier, "import": identifier, "settings": settings}
    return [
        script_function(
            "import_look", kept, lambda asked: imports.look(asked["set"], asked["import"], asked["settings"])
        ),
        script_function(
            "import_take",
            {**kept, "done": whole},
            lambda asked: imports.take(asked["set"], asked["import"], asked["settings"], asked["done"]),
        ),
        script_function("import_drop", {"import": identifier}, lambda asked: imports.drop(asked["import"])),
    ]

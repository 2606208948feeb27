"""What the page's script may call of the models of this machine."""

from __future__ import annotations

from captioner.service.models import ACTIONS
from captioner.service.service import Service
from captioner.ui.asked import label, one_of, optional
from captioner.ui.asking import is_operator
from captioner.ui.functions import ScriptFunction, script_function


def model_functions(service: Service) -> list[ScriptFunction]:
    """All of them, named as the script calls them."""
    return [
        script_function("list_models", {}, lambda asked: service.models.report(is_operator=is_operator())),
        script_function(
            "act_on_model",
            {"action": one_of(ACTIONS), "name": optional(label, "")},
            lambda asked: service.models.act(asked["action"], asked["name"], is_operator=is_operator()),
        ),
    ]

"""What the page's script may call of the lab: settings compared side by side. As `script_functions`, and among them."""

from __future__ import annotations

from typing import Any

from captioner.captions.plan import Plan
from captioner.service.lab import AskedAxis
from captioner.service.service import Service
from captioner.ui.asked import (
    Shape,
    flag,
    identifier,
    label,
    like,
    listed,
    one_of,
    optional,
    or_null,
    settings,
    whole,
    word,
)
from captioner.ui.functions import ScriptFunction, script_function, sending_function
from captioner.workspace.lab import COLOURS

axis = Shape(name=identifier, values=listed(word))
"""An axis: the setting's name, its values as they are typed."""


def lab_functions(service: Service) -> list[ScriptFunction]:
    """All of them, named as the script calls them."""
    lab, of_set = service.lab, {"set": identifier}
    of_sweep = {**of_set, "sweep": identifier}
    colour = or_null(one_of(COLOURS))

    def plan_of(asked: dict[str, Any]) -> Plan:
        """The plan of the page's settings, which knows the kinds of captions that the set has."""
        return service.choices.knowing_kinds(asked["set"], service.choices.plan_of(asked["settings"]))

    def axes_of(asked: dict[str, Any]) -> list[AskedAxis]:
        return [AskedAxis(one["name"], one["values"]) for one in asked["axes"]]

    def start(asked: dict[str, Any]) -> dict[str, Any]:
        """{"sweep": its id}; {"missing": [{"name", "download_mb"}]} where a download was not asked for yet."""
        axes, plan, downloads = axes_of(asked), plan_of(asked), asked["downloads"]
        if not downloads and (missing := lab.missing(axes, plan)):
            return {"missing": missing}
        return lab.start(asked["set"], asked["ids"], axes, plan, asked["name"], downloads=downloads)

    return [
        script_function(
            "lab_offer",
            {**of_set, "settings": optional(settings)},
            lambda asked: lab.offer.of_plan(plan_of(asked)),
        ),
        sending_function(
            "start_sweep",
            {
                **of_set,
                "ids": listed(identifier),
                "axes": listed(like(axis)),
                "settings": optional(settings),
                "name": optional(label, ""),
                "downloads": optional(flag, False),
            },
            lambda asked: lab.asked_models(asked["set"], axes_of(asked), plan_of(asked)),
            start,
        ),
        sending_function(
            "continue_sweep",
            of_sweep,
            lambda asked: lab.resumed_models(asked["set"], asked["sweep"]),
            lambda asked: lab.resume(asked["set"], asked["sweep"]),
        ),
        script_function(
            "read_sweep",
            {**of_sweep, "since": optional(whole)},
            lambda asked: lab.read(asked["set"], asked["sweep"], asked["since"]),
        ),
        script_function(
            "rate",
            {**of_sweep, "picture": identifier, "cell": whole, "rating": colour},
            lambda asked: lab.rate(asked["set"], asked["sweep"], asked["picture"], asked["cell"], asked["rating"]),
        ),
        script_function("sweep_summary", of_sweep, lambda asked: lab.summary(asked["set"], asked["sweep"])),
        script_function(
            "cell_settings",
            {**of_sweep, "cell": whole},
            lambda asked: lab.cell_settings(asked["set"], asked["sweep"], asked["cell"]),
        ),
        script_function("sweeps", of_set, lambda asked: lab.listed(asked["set"])),
        script_function(
            "rename_sweep",
            {**of_sweep, "name": label},
            lambda asked: lab.rename(asked["set"], asked["sweep"], asked["name"]),
        ),
        script_function("delete_sweep", of_sweep, lambda asked: lab.delete(asked["set"], asked["sweep"])),
        script_function(
            "use_slope",
            {**of_set, "is_used": flag},
            lambda asked: lab.use_slope(asked["set"], is_used=asked["is_used"]),
        ),
    ]

"""What the page's script may call of what the product proposes: phrases to leave out, settings, lengths."""

from __future__ import annotations

from captioner.service.service import Service
from captioner.ui.asked import flag, identifier, listed, optional, settings, whole
from captioner.ui.functions import ScriptFunction, script_function, sending_function


def suggest_functions(service: Service) -> list[ScriptFunction]:
    """All of them, named as the script calls them."""
    of_set = {"set": identifier}
    shown = optional(settings)  # the page's settings; the set's where it has none yet
    return [
        script_function("said_in_all", of_set, lambda asked: service.said_in_all.of_set(asked["set"])),
        script_function(
            "preview_left_out",
            {**of_set, "kinds": listed(identifier)},
            lambda asked: service.said_in_all.preview_left_out(asked["set"], asked["kinds"]),
        ),
        script_function(
            "leave_out",
            {**of_set, "kinds": listed(identifier), "settings": shown},
            lambda asked: service.said_in_all.leave_out(asked["set"], asked["kinds"], asked["settings"]),
        ),
        sending_function(
            "start_suggesting",
            {**of_set, "settings": shown, "is_whole": optional(flag, False), "has_penalties": optional(flag, False)},
            lambda asked: [one.model for one in service.choices.plan_of(asked["settings"]).running()],
            lambda asked: service.suggest.start(
                asked["set"],
                service.choices.plan_of(asked["settings"]),
                is_whole=asked["is_whole"],
                has_penalties=asked["has_penalties"],
            ),
        ),
        script_function("suggested", of_set, lambda asked: service.suggest.read(asked["set"])),
        script_function(
            "use_suggested",
            {**of_set, "dot": whole, "settings": shown},
            lambda asked: service.suggest.use(asked["set"], asked["dot"], asked["settings"]),
        ),
    ]

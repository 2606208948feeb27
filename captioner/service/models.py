"""The models of this machine, for who looks after it: what there is and takes memory, and what can be done about it.

What is to be known before a model is used, how long it stays and who steps back, the manager decides; this asks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from captioner.captions.plan import Plan
from captioner.errors import CaptionerError, ModelNotFound
from captioner.limits import in_gib, shown
from captioner.models import listing, registry, sources, verifying
from captioner.models.forecasts import forecast_folder, forecast_known
from captioner.models.manager import ModelManager
from captioner.models.plug_ins import refused_plug_ins
from captioner.service.choices import Choices
from captioner.worker import Worker

Action = Literal["load", "unload", "download", "stop", "verify", "free"]
ACTIONS: tuple[Action, ...] = get_args(Action)


ManagedBy = Literal["all", "operators", "none"]
_LOCKED: Mapping[ManagedBy, str] = {
    "operators": "models are looked after by this app's operators; ask one of them.",
    "none": "models are looked after by who runs this app; it must ask for a login before others may.",
}


class Models:
    """What page and API say of all models, and do with one."""

    def __init__(
        self, manager: ModelManager, worker: Worker, choices: Choices, *, managed_by: ManagedBy = "all"
    ) -> None:
        """Args: managed_by: who may load, free and fetch models and see where they lie; all may look."""
        self._manager = manager
        self._worker = worker
        self._choices = choices
        self.managed_by = managed_by
        self._foreseen: dict[tuple[str, str], int | None] = {}  # bytes, of models whose files are here

    def may_manage(self, *, is_operator: bool) -> bool:
        """Whether somebody may look after models here."""
        return self.managed_by == "all" or (self.managed_by == "operators" and is_operator)

    def report(self, *, is_operator: bool = True) -> dict[str, Any]:
        """Returns: {"models": rows as `listing.rows`, each with "needs_bytes" (what it takes, or would, null where that
        is not known), "steps_back" (who would for it) and "can_download"; "memory": null while no model is in memory,
        else {"device", "used_bytes", "budget_bytes", "offloaded_bytes", "ram_budget_bytes"}; "may_manage"; "locked":
        why not; "left_out": [{"name", "reason"}] of packages whose models were refused}. Who may not manage is not told
        where on this machine anything lies.
        """
        rows = listing.rows(self._manager)
        fetches = self._manager.models in ("auto", "hub")
        memory = self._manager.memory_report() if self._manager.report() else None
        for row in rows:
            row["can_download"] = bool(fetches and row["repo"] and not row["is_here"] and row["state"] != "downloading")
            row["needs_bytes"] = row["size_bytes"] or self._needs_bytes(row["name"], row["family"])
            row["steps_back"] = (
                self._manager.would_step_back(row["name"], row["family"], row["needs_bytes"])
                if memory is not None and row["needs_bytes"] and row["state"] != "resident"
                else []
            )
        answer = memory and {name: getattr(memory, name) for name in memory.__slots__}
        may_manage = self.may_manage(is_operator=is_operator)
        return {
            "models": rows if may_manage else [_without_places(row) for row in rows],
            "memory": answer,
            "may_manage": may_manage,
            "locked": "" if may_manage else _LOCKED[self.managed_by],
            "left_out": [{"name": one.name, "reason": one.reason} for one in refused_plug_ins() if may_manage],
        }

    def act(self, action: str, name: str = "", *, is_operator: bool = True) -> dict[str, Any]:
        """Do something with a model; what takes long goes on after the answer, and shows in `report`.

        Args: action: one of `ACTIONS`; free takes all models off the device. Returns: {"said": what was done}.
        Raises: CaptionerError: it may not be done here, or not with this model.
        """
        if not self.may_manage(is_operator=is_operator):
            raise CaptionerError(_LOCKED[self.managed_by], code="not_allowed")
        if action == "free":
            gone = self._manager.free()
            return {"said": f"{_names(gone)} left {self._manager.device}." if gone else "No idle model was in memory."}
        row = next((row for row in listing.rows(self._manager) if row["name"] == name), None)
        if row is None:
            raise ModelNotFound(f"no model is called {shown(name)!r}.")
        family = row["family"]
        if action == "load":
            return self._load(name, family)
        if action == "unload":
            if not self._manager.unload(name, family):
                is_used = row["is_in_use"]
                raise CaptionerError(f"{name} is {'in use; wait for it' if is_used else 'not in memory'}.", code="busy")
            return {"said": f"{name} is no longer in memory."}
        if action == "download":
            spec = self._manager.to_download(name, family)
            if spec is None:
                raise CaptionerError(f"{name} is here already, or cannot be downloaded.", code="is_here")
            self._manager.downloads.start(spec)
            return {"said": f"{name} is being downloaded."}
        if action == "stop":
            if not self._manager.downloads.stop(name, family):
                raise CaptionerError(f"{name} is not being downloaded.", code="not_running")
            return {"said": f"The download of {name} stops; what is here stays."}
        return {"said": verified(self._manager, name, family)}

    def warnings(self, set_id: str) -> list[str]:
        """What is known of the models of the set's settings by their names, what loaded ones have to say about how they
        run, and that they do not fit together.

        Raises: UnknownSet.
        """
        plan = self._choices.stored_plan(set_id)
        named = plan.warnings()
        reports = self._manager.report()
        if not reports or (self._manager.budget_bytes is None and not any(report.warning for report in reports)):
            return named
        warned = {(report.name, report.family): report.warning for report in reports if report.warning}
        said = [warned[key] for one in plan.running() if (key := (one.model, one.family)) in warned]
        tight = self._tight(plan)
        return list(dict.fromkeys([*named, *said, *([tight] if tight else [])]))

    def _tight(self, plan: Plan) -> str:
        """What a person should know where a plan's models cannot all be in memory; "" where they can."""
        budget_bytes = self._manager.budget_bytes
        needs = [self._needs_bytes(one.model, one.family) or 0 for one in plan.running()]
        taken = sum(needs)
        if budget_bytes is None or len(needs) < 2 or taken <= budget_bytes:
            return ""
        return (
            f"The models that are on take {in_gib(taken)} GiB and may take {in_gib(budget_bytes)} GiB: they step back "
            "for each other, which is slow. Switch one off or choose a smaller one."
        )

    def _load(self, name: str, family: str) -> dict[str, Any]:
        if self._manager.to_download(name, family) is not None:
            raise CaptionerError(f"{name} is not on this machine; download it first.", code="absent")

        def load() -> None:
            with self._manager.use(name, family):
                pass

        self._worker.ask(load)  # a failure shows in its row
        return {"said": f"{name} is being loaded."}

    def _needs_bytes(self, name: str, family: str) -> int | None:
        """What a model takes on the device, measured where it is there, else foreseen; None where nobody knows."""
        measured = next((one for one in self._manager.report() if (one.name, one.family) == (name, family)), None)
        if measured is not None:
            return measured.size_bytes
        if (name, family) in self._foreseen:
            return self._foreseen[name, family]
        device = self._manager.device if self._manager.report() else "cpu"
        try:
            source = sources.find_model(name, family, _here(self._manager.models))
        except CaptionerError:
            spec = next((spec for spec in registry.of_family(family) if spec.name == name), None)
            known = forecast_known(spec, device) if spec is not None else None
            return known.weights_bytes if known else None
        found = forecast_folder(source.folder, device).weights_bytes if source.folder is not None else None
        if self._manager.report():  # else the device was a guess
            self._foreseen[name, family] = found
        return found


def _without_places(row: dict[str, Any]) -> dict[str, Any]:
    """A row that names no folder of this machine."""
    failure = row["failure"] and "it could not be loaded or fetched; who looks after models sees why."
    place = row["source"]
    return {**row, "failure": failure, "source": "a folder" if Path(place).is_absolute() else place}


def verified(manager: ModelManager, name: str, family: str) -> str:
    """What a look at all bytes of a model's files found, in a sentence. Takes a second a gigabyte, or more.

    Raises: CaptionerError: it is not here, or there is nothing to compare it with.
    """
    source = sources.find_model(name, family, _here(manager.models))
    if source.spec is None or source.folder is None:
        raise CaptionerError(f"{name} is on no hub, so there is nothing to compare it with.", code="no_hub")
    return verifying.verdict(source.spec, list(verifying.verify_steps(source.spec, source.folder)))


def _here(models: str) -> str:
    """Where models come from, without a download."""
    return "auto" if models == "hub" else models


def _names(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

"""What models there are, a row each: what a model is, whether it is on this machine, and what goes on with it.

Page, command line and HTTP API show these rows and make none of their own. Loads no model and asks no server.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from captioner.contract import ModelSpec
from captioner.models import registry, sources
from captioner.models.abilities import abilities
from captioner.models.forecasts import forecast_folder, forecast_known
from captioner.models.manager import ModelManager, ModelReport
from captioner.models.plug_ins import source_of

State = Literal["absent", "downloading", "downloaded", "loading", "resident", "offloaded", "failed"]
"""absent: not on this machine. downloaded: on its disk. resident: in memory, on the device that models run on.
offloaded: in the processor's memory until it is used again. failed: the last try to load or fetch it was in vain."""


def rows(manager: ModelManager) -> list[dict[str, Any]]:
    """A row a model: those of the registry in its order, then what else is in memory.

    Returns: what `python -m captioner models --json` prints, a mapping each: name, kind, family, about; repo (null
        where nothing is fetched), source (in words), licence, download_mb, is_demo, is_here; can, a list of
        `abilities.Ability`; disk_bytes, of its weights, and memory_bytes, a mapping of "cpu" and "cuda" to what it will
        take there (`forecasts.MemoryForecast.total_bytes`), null where that is not known; state; device, precision,
        runtime (the ONNX provider, or torch, really in use) and size_bytes, null but in memory; is_in_use; last_used,
        seconds since 1970 or null; warning, note and failure, "" for none; download, null or as `Download.to_mapping`.
    """
    reports = {(report.family, report.name): report for report in manager.report()}
    found = [_of_spec(spec, manager.models) for spec in registry.MODELS]
    known = {(row["family"], row["name"]) for row in found}
    found += [_of_report(report) for key, report in reports.items() if key not in known]
    loading, downloads = manager.loading(), manager.downloads.report()
    failures = {**manager.downloads.failures(), **manager.failures()}
    answers = []
    for row in found:
        key = (row["family"], row["name"])
        report, download, failure = reports.get(key), downloads.get(key), failures.get(key, "")
        state: State = (
            "downloading"
            if download is not None
            else "loading"
            if key in loading
            else "offloaded"
            if report and report.state == "offloaded"
            else "resident"
            if report
            else "failed"
            if failure
            else "downloaded"
            if row["is_here"]
            else "absent"
        )
        answers.append({**row, "state": state, **_in_memory(report), "failure": failure, "download": download})
    return answers


def _of_spec(spec: ModelSpec, models: str) -> dict[str, Any]:
    return {
        "name": spec.name,
        "kind": spec.kind,
        "family": spec.family,
        "repo": spec.repo,
        "source": spec.repo or _without_repo(spec),
        "is_demo": spec.is_demo,
        "licence": spec.licence,
        "download_mb": spec.download_mb,
        "is_here": sources.is_here(spec, models),
        "about": spec.about,
        "can": abilities(spec.load_class()),
        **_forecast(sources.folder_here(spec, models), spec),
    }


def _forecast(folder: Path | None, spec: ModelSpec | None) -> dict[str, Any]:
    """Args: folder: None where the files are not here, or there are none."""
    of = {
        device: forecast_folder(folder, device) if folder else forecast_known(spec, device) if spec else None
        for device in ("cpu", "cuda")
    }
    on_cpu, on_card = of["cpu"], of["cuda"]
    if on_cpu is None or on_card is None:
        return {"disk_bytes": None, "memory_bytes": None}
    return {
        "disk_bytes": on_cpu.disk_bytes,
        "memory_bytes": {"cpu": on_cpu.total_bytes, "cuda": on_card.total_bytes},
    }


def _without_repo(spec: ModelSpec) -> str:
    if spec.is_demo:
        return "ships with Captioner"
    return f"runs at {spec.sends_to}" if spec.sends_to else source_of(spec.name) or "a server"


def _of_report(report: ModelReport) -> dict[str, Any]:
    """Of a model that the registry does not name: a folder, or a name that only its family understands."""
    return {
        "name": report.name,
        "kind": registry.of_family(report.family)[0].kind,
        "family": report.family,
        "repo": None,
        "source": report.place,
        "is_demo": False,
        "licence": "",
        "download_mb": 0,
        "is_here": True,
        "about": "",
        "can": abilities(registry.family_class(report.family)),
        **_forecast(Path(report.place) if Path(report.place).is_dir() else None, None),
    }


def _in_memory(report: ModelReport | None) -> Mapping[str, Any]:
    return {
        "device": report.device if report else None,
        "precision": report.precision if report else None,
        "runtime": report.runtime if report else None,
        "size_bytes": report.size_bytes if report else None,
        "is_in_use": report is not None and report.is_in_use,
        "last_used": report.last_used if report else None,
        "warning": report.warning if report else "",
        "note": report.note if report else "",
    }

"""Figures for Prometheus: what happened since the start, by the events told, and what is there when it is asked.

Knows no page and no visitor: labels are codes, kinds and families only.
"""

from __future__ import annotations

import logging
from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from captioner import events
from captioner.models.manager import ModelManager
from captioner.worker import Worker

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class _Now:
    """What is counted only when somebody asks."""

    def __init__(self, manager: ModelManager, worker: Worker) -> None:
        self._manager = manager
        self._worker = worker

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("captioner_jobs", "Jobs that wait or go on.", labels=["kind", "state"])
        going_on = Tally((job.kind, job.state) for job in self._worker.jobs() if not job.is_finished)
        for labels, count in going_on.items():
            jobs.add_metric(labels, count)
        yield jobs
        held = GaugeMetricFamily(
            "captioner_model_bytes", "What models take where they are.", labels=["family", "device", "state"]
        )
        bytes_of: Tally[tuple[str, str, str]] = Tally()
        for report in self._manager.report():
            bytes_of[report.family, report.device, report.state] += report.size_bytes
        for where, size_bytes in bytes_of.items():
            held.add_metric(where, size_bytes)
        yield held


class Metrics(logging.Handler):
    """Counts the events while it is `listening`."""

    def __init__(self, manager: ModelManager, worker: Worker) -> None:
        super().__init__(logging.INFO)
        self._registry = CollectorRegistry()
        self._registry.register(_Now(manager, worker))  # type: ignore[arg-type]
        told = {"registry": self._registry}
        self._requests = Counter("captioner_requests", "Requests answered.", ["kind", "status"], **told)
        self._request_s = Histogram(
            "captioner_request_seconds", "From a request to its answer's end.", ["kind"], buckets=_SECONDS, **told
        )
        self._wait_s = Histogram(
            "captioner_wait_seconds", "In line for the worker.", ["what"], buckets=_SECONDS, **told
        )
        self._caption_s = Histogram(
            "captioner_caption_seconds", "A picture's share of what models took in jobs.", buckets=_SECONDS, **told
        )
        self._jobs = Counter("captioner_jobs_ended", "Jobs that ended.", ["kind", "state"], **told)
        self._loads_s = Histogram(
            "captioner_model_load_seconds", "Models brought to the device.", ["family"], buckets=_SECONDS, **told
        )
        self._failures = Counter("captioner_failures", "Refusals and failures, by code.", ["code"], **told)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count while this lasts. It does not end with `close`, which `logging.config` calls on handlers that are
        there when another part of the program sets up its own logs, as uvicorn does when it starts."""
        log = logging.getLogger(events.LOGGER)
        log.addHandler(self)
        if not log.isEnabledFor(logging.INFO):
            log.setLevel(logging.INFO)
            log.propagate = False  # nobody asked for a log of them
        try:
            yield
        finally:
            log.removeHandler(self)
            self.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one event."""
        values = record.__dict__.get("values", {})
        if record.msg == "request":
            self._requests.labels(values["kind"], values["status"]).inc()
            self._request_s.labels(values["kind"]).observe(values["seconds"])
        elif record.msg == "waited":
            self._wait_s.labels(values["what"]).observe(values["seconds"])
        elif record.msg == "captioned":
            for _ in range(values["pictures"]):
                self._caption_s.observe(values["seconds"] / values["pictures"])
        elif record.msg == "job_ended":
            self._jobs.labels(values["kind"], values["state"]).inc()
        elif record.msg == "model_brought":
            self._loads_s.labels(values["family"]).observe(values["seconds"])
        elif record.msg == "failure":
            self._failures.labels(values["code"]).inc()

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return bytes(generate_latest(self._registry))

"""What is counted for Prometheus: numbers alone, nothing of a file or of who asks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0)


class Meters:
    """The counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "cxrkit_requests", "Requests by route and status.", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "cxrkit_request_seconds", "Time from request to answer.", ("route",), buckets=_SECONDS, registry=registry
        )
        self.readings = Counter(
            "cxrkit_readings", "Readings by preset, read or refused.", ("preset", "outcome"), registry=registry
        )
        self.batch = Histogram(
            "cxrkit_batch_images", "Pictures in one pass.", buckets=(1, 2, 4, 8, 12, 16), registry=registry
        )
        self.turns = Gauge("cxrkit_turns", "Requests that are worked on or wait.", registry=registry)
        self.model = Gauge(
            "cxrkit_model_info", "Loaded models.", ("preset", "weights_sha256", "runtime"), registry=registry
        )

    def text(self) -> bytes:
        """All of them in the text format of Prometheus."""
        return generate_latest(self._registry)

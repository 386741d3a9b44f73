"""How the API is configured: by the environment, so that no secret stands in a command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cxrkit.preset_folders
from cxrkit.errors import ServingError
from cxrkit.imaging.decode import MAX_BYTES
from cxrkit.model.runtimes import Precision

TOKEN = "CXRKIT_API_TOKEN"
"""Environment variable: what a client must send as ``Authorization: Bearer ...``; without it only this computer is
answered."""

QUEUE = "CXRKIT_API_QUEUE"
"""Environment variable: requests that are worked on or wait at the same time; further ones are answered with 503."""

RATE = "CXRKIT_API_RATE"
"""Environment variable: requests per minute of one address; further ones are answered with 429. 0 is without limit."""

DEMO = "CXRKIT_API_DEMO"
"""Environment variable: 1 adds the page at /demo, which needs Gradio (requirements-gradio.txt)."""

SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """What the API is started with.

    Attributes
    ----------
    token
        Empty for none: then only connections within this computer are answered.
    queue, rate
        See `QUEUE` and `RATE`.
    largest
        Bytes of one request's body.
    memory
        Bytes of the bodies of all requests that are worked on.
    seconds
        Within which a body must have arrived.
    folder
        Of the presets; None for `cxrkit.preset_folders.WEIGHTS`.
    demo
        See `DEMO`.
    precision
        In which the networks compute.
    """

    token: str = ""
    queue: int = 64
    rate: int = 0
    largest: int = MAX_BYTES
    memory: int = 2**30
    seconds: float = 120.0
    folder: Path | None = None
    demo: bool = False
    precision: Precision = "float32"

    @classmethod
    def from_environment(cls) -> Settings:
        """As the environment says; raises `ServingError` where it says what cannot be."""
        token = os.environ.get(TOKEN, "")
        if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
            raise ServingError(
                f"The token in {TOKEN} has fewer than {SHORTEST_TOKEN} characters, or others than plain ones.",
                'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))".',
            )
        demo = bool(_number(DEMO, int(cls.demo), 0, 1))
        return cls(token, _number(QUEUE, cls.queue, 1), _number(RATE, cls.rate, 0), demo=demo)

    @property
    def weights(self) -> Path:
        """Folder of the presets."""
        return self.folder or cxrkit.preset_folders.WEIGHTS


def _number(name: str, default: int, least: int, most: int = 10_000) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ServingError(f"{name} must be a whole number from {least} to {most:,}.", "Correct it, or leave it out.")
    return int(text)

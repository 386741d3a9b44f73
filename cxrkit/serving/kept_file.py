"""Files beside a preset's card that hold what was measured with its weights, and name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from cxrkit.errors import ManifestError, OperatingPointMismatch
from cxrkit.preset import Preset


class Kept(Protocol):
    """The content of such a file."""

    @property
    def weights_sha256(self) -> str: ...


K = TypeVar("K", bound=Kept)


def load_kept(preset: Preset, name: str, kind: type[K], remedy: str) -> K | None:
    """Read a file of this name; None where there is none.

    Raises
    ------
    ManifestError
        It is malformed.
    OperatingPointMismatch
        It was made with other weights than the preset's.
    """
    path = Path(preset.folder) / name
    if not path.is_file():
        return None
    try:
        kept = TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError:
        raise ManifestError(f"The file {name} of preset {preset.name!r} is malformed.", remedy) from None
    if kept.weights_sha256 != preset.weights_sha256:
        raise OperatingPointMismatch(
            f"The file {name} of preset {preset.name!r} was made with other weights than its own.", remedy
        )
    return kept


def save_kept(preset: Preset, name: str, content: Any) -> None:
    """Write a file that `load_kept` reads."""
    text = TypeAdapter(type(content)).dump_json(content, indent=1) + b"\n"
    (Path(preset.folder) / name).write_bytes(text)

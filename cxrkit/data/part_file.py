"""A file on its way: its bytes in ``NAME.part``, what the server said of them in ``NAME.part.json``.

The server's validator lets ``If-Range`` (RFC 9110, section 13.1.5) make a server whose file has
changed send all of it again, instead of the tail of another file.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path

from cxrkit.errors import StorageUnusable


def length(part: Path) -> int:
    """Bytes that have arrived."""
    try:
        return part.stat().st_size
    except OSError:
        return 0


def take_note(part: Path, address: str, validator: str | None) -> None:
    """Keep from where the bytes come, and the validator (an ETag or a date) that they were sent with."""
    try:
        _notes(part).write_text(json.dumps({"address": address, "validator": validator}), encoding="utf-8")
    except OSError as error:
        raise unwritable(error) from None


def noted(part: Path) -> tuple[str | None, str | None]:
    """Address and validator of the bytes, each None where it is not known."""
    try:
        notes = json.loads(_notes(part).read_text(encoding="utf-8"))
        address, validator = notes["address"], notes["validator"]
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    return address if isinstance(address, str) else None, validator if isinstance(validator, str) else None


def discard(part: Path) -> None:
    """Remove a part file and what is known about it."""
    try:
        part.unlink(missing_ok=True)
        _notes(part).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(error) from None


def settle(part: Path, target: Path) -> None:
    """Give a complete part file its name."""
    try:
        part.replace(target)
        _notes(part).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(error) from None


def unwritable(error: OSError) -> StorageUnusable:
    """The error of a folder that takes no more bytes, without the folder's path."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageUnusable(
            "The disk is full.", "Make room or name another folder, then run the same command again: it goes on."
        )
    return StorageUnusable(
        "The folder cannot be written to.", "Check that it is a folder and that you may write there, or name another."
    )


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")

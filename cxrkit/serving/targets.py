"""Where a preparation writes, and that nothing is lost there but what an earlier preparation wrote."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cxrkit.errors import ManifestError

_MANIFEST, _ASIDE, _LEAKS = b"image,split", b"row,problem", b"shared,split_a"
"""How the files that are written here begin; a file that begins otherwise is somebody's own."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Targets:
    """The files that a preparation writes.

    Attributes
    ----------
    manifest
        What ``--out`` names.
    making
        The manifest while it is written.
    refused, skipped
        Tables of the rows in trouble.
    leaks
        What ``--leaks-out`` names, or None.
    """

    manifest: Path
    making: Path
    refused: Path
    skipped: Path
    leaks: Path | None


def targets(
    out: str | os.PathLike[str],
    leaks_out: str | os.PathLike[str] | None = None,
    reads: Iterable[str | os.PathLike[str]] = (),
) -> Targets:
    """The files beside `out`, after a look at whether they may be written; nothing is written yet.

    Parameters
    ----------
    out, leaks_out
        As in `cxrkit.serving.preparing.prepare`.
    reads
        Tables and lists that are read. Images and what else lies in a folder need not be named: a file
        is replaced only if it is empty or begins as an earlier preparation wrote it.

    Raises
    ------
    ManifestError
        A file to write is one that is read, is another one to write, was not written by a preparation,
        or cannot be written.
    """
    manifest = Path(os.path.abspath(out))  # noqa: PTH100 - links stay as they are
    leaks = None if leaks_out is None else Path(os.path.abspath(leaks_out))  # noqa: PTH100
    made = Targets(
        manifest,
        manifest.with_name(f"{manifest.name}.making"),
        manifest.with_name(f"{manifest.stem}.refused.csv"),
        manifest.with_name(f"{manifest.stem}.skipped.csv"),
        leaks,
    )
    beside = [(made.making, _MANIFEST), (made.refused, _ASIDE), (made.skipped, _ASIDE)]
    inputs = list(reads)
    with writing("--out"):
        _check(made.manifest, _MANIFEST, inputs, "--out")
        for path, begins in beside:
            _check(path, begins, inputs, "--out", "A file beside --out")
    if leaks is not None:
        with writing("--leaks-out"):
            _check(leaks, _LEAKS, inputs, "--leaks-out")
        if any(_same(leaks, path) for path in (made.manifest, *(path for path, _ in beside))):
            raise ManifestError(
                "--out and --leaks-out would write the same file.", "Name another file with --leaks-out."
            )
    return made


@contextmanager
def writing(option: str) -> Iterator[None]:
    """What the file system refuses becomes one error that names the option and not the path."""
    try:
        yield
    except OSError:
        what = "manifest" if option == "--out" else "list of leaks"
        raise ManifestError(
            f"The {what} cannot be written.",
            f"Let {option} name a file, not a folder, in a folder that you may write to.",
        ) from None


def _check(
    path: Path, begins: bytes, reads: Iterable[str | os.PathLike[str]], option: str, what: str | None = None
) -> None:
    what = what or option
    if any(_same(path, one) for one in reads):
        raise ManifestError(f"{what} would overwrite what is read.", f"Name another file with {option}.")
    try:
        path.stat()
    except FileNotFoundError:
        folder = next(parent for parent in path.parents if os.path.lexists(parent))
        with tempfile.TemporaryFile(dir=folder):
            return
    if path.is_dir() or not os.access(path, os.W_OK):
        raise PermissionError
    if not path.is_file():  # a pipe or a device has nothing to lose
        return
    with path.open("rb") as file:
        start = file.read(len(_BYTE_ORDER_MARK) + len(begins)).removeprefix(_BYTE_ORDER_MARK)
    if start and not start.startswith(begins):
        raise ManifestError(
            f"{what} would overwrite a file that prepare_data.py did not write.",
            f"Name another file with {option}, or remove that one.",
        )
    with tempfile.TemporaryFile(dir=path.parent):
        return


def _same(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> bool:
    try:
        return os.path.samefile(a, b)  # noqa: PTH121 - either may not exist
    except OSError:
        return os.path.realpath(a) == os.path.realpath(b)

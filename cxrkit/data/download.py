"""Fetch a public set: every file whole, checked, and under its publisher's name.

A file whose publisher's checksum is known is trusted only if it matches. Of any other file the
sha256 is recorded in ``SHA256SUMS`` beside it (in the form that ``sha256sum --check`` reads), said to
be unverified, and compared on every later run.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from cxrkit.data.archives import unpack_archive
from cxrkit.data.part_file import discard, length, settle, unwritable
from cxrkit.data.public_sets import PublicFile, PublicSet, find_set
from cxrkit.data.transfer import Patience, Progress, transfer
from cxrkit.errors import ChecksumMismatch, StorageUnusable

RECORD = "SHA256SUMS"
Say = Callable[[str], None]


def say(line: str) -> None:
    """Print a line where it does not mix with a script's output."""
    print(line, file=sys.stderr, flush=True)


def fetch(
    name: str | PublicSet,
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    tell: Say = say,
    patience: Patience | None = None,
) -> tuple[Path, ...]:
    """Bring every file of a public set into a folder, going on where an earlier run stopped.

    A file that is already there and right is left alone, so a set that was fetched by hand is only
    checked, and needs no network.

    Parameters
    ----------
    name
        Of the set (see `cxrkit.data.public_sets.PUBLIC_SETS`), or the set itself.
    folder
        Where the files go; made if need be.
    progress
        Is given the file's name, its bytes done, and its bytes in all or None.
    tell
        Is given a line on every file, and on what could not be verified.
    patience
        Time-out, retries and pauses.

    Returns
    -------
    paths
        One per file, in the set's order.

    Raises
    ------
    SourceUnreachable
        There is no network, or the server does not answer or refuses; the remedy names what to fetch
        by hand, from where, and where it goes.
    ChecksumMismatch
        What arrived is not the publisher's file (it is removed), or what lies there is not (it is kept);
        or the server offers more bytes than the file can have.
    StorageUnusable
        The folder cannot be written to, or the disk is or would be full.
    DownloadError
        No such set, or an address without encryption.
    """
    chosen = find_set(name) if isinstance(name, str) else name
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error) from None
    missing = [file for file in chosen.files if not _is_right(file, home, tell)]
    _require_room(missing, home)
    while missing:
        file, part = missing[0], home / f"{missing[0].name}.part"
        by_hand = _by_hand(chosen, missing)
        transfer(file, part, by_hand=by_hand, progress=progress, patience=patience or Patience())
        if file.checksum is not None and _digest(part, file.checksum.algorithm) != file.checksum.digest:
            discard(part)
            raise ChecksumMismatch(
                f"{file.name} arrived with another checksum than its publisher's, so it was removed.",
                "Run the same command again; if it happens again, look at the publisher's page for what has changed.",
            )
        settle(part, home / file.name)
        _vouch(file, home, tell)
        missing.pop(0)
    return tuple(home / file.name for file in chosen.files)


def unpack(
    name: str | PublicSet,
    folder: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    tell: Say = say,
) -> int:
    """Unpack the archives of a fetched set into its folder; return how many files they hold.

    ChestX-ray14 gives ``images/*.png``, Kermany ``chest_xray/{train,test}/{NORMAL,PNEUMONIA}/*.jpeg``.
    What is already unpacked is not written again. Sets without archives give 0.

    Raises
    ------
    ArchiveRefused
        An archive is missing, damaged, swells beyond reason, or would write outside the folder.
    StorageUnusable
        The folder cannot be written to, or the disk is full.
    """
    chosen = find_set(name) if isinstance(name, str) else name
    home = Path(folder)
    files = 0
    for file in chosen.files:
        if file.is_archive:
            held = unpack_archive(home / file.name, home, progress=progress)
            tell(f"{file.name}: {held} files unpacked")
            files += held
    return files


def terminal_progress(stream: IO[str] | None = None) -> Progress | None:
    """What overwrites one line of a terminal with the progress of a file; None where there is no terminal."""
    out = sys.stderr if stream is None else stream
    if not out.isatty():
        return None
    state = {"shown": float("-inf"), "since": 0.0, "first": 0.0}
    current = ""

    def show(name: str, done: int, total: int | None) -> None:
        nonlocal current
        now = time.monotonic()
        if name != current:
            current = name
            state.update(since=now, first=done, shown=float("-inf"))
        if now - state["shown"] < 0.2 and done != total:
            return
        state["shown"] = now
        speed = (done - state["first"]) / max(now - state["since"], 1e-3)
        line = f"{name}: {_megabytes(done)}"
        if total:
            line += f" of {_megabytes(total)} ({done / total:.0%})"
        line += f", {_megabytes(speed)}/s"
        width = max(shutil.get_terminal_size().columns - 1, 20)
        print(f"\r{line[:width]:<{width}}", end="\n" if done == total else "", file=out, flush=True)

    return show


def _is_right(file: PublicFile, home: Path, tell: Say) -> bool:
    """Whether a file is there and checked; a wrong one is refused, for it may be the user's own."""
    path = home / file.name
    if not path.exists():
        return False
    if file.checksum is None:
        _vouch(file, home, tell)
    elif _digest(path, file.checksum.algorithm) == file.checksum.digest:
        tell(f"{file.name}: already there, {file.checksum.algorithm} as published")
    else:
        raise ChecksumMismatch(
            f"The folder has a {file.name} that is not the published one.",
            "Move it elsewhere or delete it, then run the same command again.",
        )
    return True


def _vouch(file: PublicFile, home: Path, tell: Say) -> None:
    """Say how far a whole file can be trusted; record what its publisher does not vouch for."""
    if file.checksum is not None:
        tell(f"{file.name}: fetched, {file.checksum.algorithm} as published")
        return
    digest = _digest(home / file.name, "sha256")
    record = home / RECORD
    try:
        text = record.read_text(encoding="utf-8", errors="replace") if record.exists() else ""
        known = {name: sha256 for sha256, name in re.findall(r"^([0-9a-f]{64}) [ *](.+)$", text, re.MULTILINE)}
        if file.name not in known:
            with record.open("a", encoding="utf-8") as sink:
                sink.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{digest}  {file.name}\n")
    except OSError as error:
        raise unwritable(error) from None
    if known.get(file.name, digest) != digest:
        raise ChecksumMismatch(
            f"{file.name} is not the file that was recorded in {RECORD} when it was first fetched.",
            f"If its publisher has changed it, delete its line from {RECORD} and the file, then fetch it again.",
        )
    same = "the same as on an earlier run" if file.name in known else f"recorded in {RECORD}"
    tell(f"{file.name}: NOT VERIFIED ({file.unverified_because}); sha256 {digest}, {same}")


def _require_room(missing: list[PublicFile], home: Path) -> None:
    """Refuse before the first byte what the disk cannot hold."""
    there = sum(length(home / f"{file.name}.part") for file in missing)
    needed = sum(file.size or 0 for file in missing) - there
    free = shutil.disk_usage(home).free
    if needed > free:
        raise StorageUnusable(
            f"The files need {_megabytes(needed)}, and the disk has {_megabytes(free)} left.",
            "Make room or name a folder on another disk.",
        )


def _by_hand(chosen: PublicSet, missing: list[PublicFile]) -> str:
    names = "".join(f"\n  {file.name} from {file.address}" for file in missing)
    return (
        f"To fetch by hand, on any computer with a network:{names}\nPublisher's page: {chosen.home}. "
        f"{chosen.by_hand} Then run the same command again: it checks them."
    )


def _digest(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as source:
            begun = hashlib.new("sha1" if algorithm == "git-blob" else algorithm, usedforsecurity=False)
            if algorithm == "git-blob":
                begun.update(f"blob {os.fstat(source.fileno()).st_size}\0".encode())
            return hashlib.file_digest(source, lambda: begun).hexdigest()
    except OSError as error:
        raise unwritable(error) from None


def _megabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"

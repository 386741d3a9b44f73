"""The process in which untrusted files are decoded; `cxrkit.imaging.worker` starts it and talks to it.

Run as a module: files come in and radiographs go out over standard input and output. It says nothing else to
anybody: its error stream leads nowhere, and no text of a file leaves it but the message of a `CxrError`.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cxrkit.errors import CxrError
from cxrkit.imaging.channel import Channel
from cxrkit.imaging.confinement import end_after, limit
from cxrkit.imaging.decoding import Decoding
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph, load_with_alternatives
from cxrkit.imaging.messages import Array, plain

JPEG_2000 = "1.2.840.10008.1.2.4.90"

MEMORY = 3 * 2**30
"""Bytes of address space. The hungriest picture of 100 million pixels takes 2.4 * 2^30: decision 0017."""

ENOUGH = 2**24
"""Bytes of pictures after which an answer is sent, though more files were asked about: memory is bounded."""

GRACE = 5.0
"""Seconds that the parent has to end this process itself."""


def prepare() -> None:
    """Have everything imported that a file needs, by reading one of each sort."""
    cv2.setNumThreads(1)  # threads reserve address space
    wedge = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)  # the phantom would take as long as all the rest
    files = (
        write_dicom(wedge),
        write_dicom(wedge, transfer_syntax=JPEG_2000),
        cv2.imencode(".png", wedge)[1].tobytes(),
    )
    for data in files:
        Decoding.of(load_radiograph(data))


def answer(data: bytes, suffix: str, alternatives: bool) -> tuple[dict[str, Any], list[Array]]:
    """What to send back about a file: what was read, an error for the reader, or where a defect lies."""
    arrays: list[Array] = []
    name = f"file{suffix}"
    try:
        read = load_with_alternatives(data, name=name) if alternatives else (load_radiograph(data, name=name),)
        return {"read": plain(Decoding.of(*read), arrays)}, arrays
    except CxrError as error:
        return {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}, []
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
        return {"defect": type(error).__name__, "places": " < ".join(places)}, []


def answers(files: deque[tuple[bytes, str]], alternatives: bool) -> tuple[dict[str, Any], list[Array]]:
    """What to send back about the first files, at least one, until what was read of them takes `ENOUGH` bytes."""
    heads: list[dict[str, Any]] = []
    arrays: list[Array] = []
    while files and (not heads or sum(array.nbytes for array in arrays) < ENOUGH):
        head, more = answer(*files.popleft(), alternatives)
        heads.append(head)
        arrays += more
    return {"answers": heads}, arrays


def main() -> int:
    """Decode files until the parent closes its end."""
    channel = Channel.to_parent(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    prepare()
    limit(MEMORY)
    channel.send({"ready": True})
    while True:
        try:
            request = channel.head()
            files = deque((channel.receive(file["bytes"]), file["suffix"]) for file in request["files"])
        except (EOFError, OSError):
            return 0
        end_after(request["seconds"] + GRACE)
        head, arrays = answers(files, request["alternatives"])
        files.clear()
        try:
            channel.send(head, arrays)
        except OSError:
            return 0
        del head, arrays
        end_after(0)


if __name__ == "__main__":
    sys.exit(main())

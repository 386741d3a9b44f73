"""The size that a compressed frame itself declares, read before a decoder allocates memory for it.

A decoder trusts the codestream, not the DICOM header: a frame of a few bytes may ask for
gigabytes although Rows and Columns are harmless.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.imaging.raster import MAX_SCANS

J2K_START = b"\xff\x4f\xff\x51"  # SOC and SIZ, ISO/IEC 15444-1 A.4 and A.5.1
STANDALONE = {0x01, *range(0xD0, 0xD9)}  # TEM, RSTn, SOI: markers without a segment
START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}  # F7 is JPEG-LS, ISO/IEC 14495-1


def declared_size(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components that a JPEG, JPEG-LS or JPEG 2000 frame declares.

    Returns None when the frame is none of these, ends before its size, or is a JPEG of more
    scans than `cxrkit.imaging.raster.MAX_SCANS`.
    """
    start = frame.find(J2K_START, 0, 4096)
    if start >= 0 and (start == 0 or frame[4:8] == b"jP  "):  # bare, or within a JP2 wrapper
        return _jpeg2000(frame[start : start + 42])
    if frame.startswith(b"\xff\xd8") and frame.count(b"\xff\xda") <= MAX_SCANS:
        return _jpeg(frame)
    return None


def repaired_size(frame: bytes, rows: int, columns: int) -> bytes | None:
    """A JPEG 2000 frame whose image size (Rsiz, Xsiz, Ysiz) was overwritten, with that size restored.

    Done only where two witnesses agree: the frame is one tile of exactly `rows` x `columns`, without
    offsets, so that its own tile size confirms the DICOM header. None where they do not.
    """
    size = columns.to_bytes(4, "big") + rows.to_bytes(4, "big")
    if not frame.startswith(J2K_START) or frame[16:32] != bytes(8) + size:
        return None
    return frame[:6] + b"\0\0" + size + frame[16:]


def swings(stored: npt.NDArray[Any], bits: int) -> bool:
    """Whether neighbours differ by more than half of the range in over 0.3 % of all places.

    Lossless JPEG predicts each value from its neighbours modulo 2^16: after one wrong code the
    values wrap around from there on, which decoders report as success. In radiographs of `bits` >= 10
    such steps occur at the rims of markers only: 0.02 to 0.06 % of all places in the files that were measured.
    """
    if bits < 10:
        return False
    steps = np.abs(np.diff(stored.astype(np.int32), axis=1)) > 2 ** (bits - 1)
    return float(steps.mean()) > 0.003


def _jpeg2000(head: bytes) -> tuple[int, int, int] | None:
    if len(head) < 42:
        return None
    x1, y1, x0, y0 = (int.from_bytes(head[at : at + 4], "big") for at in (8, 12, 16, 20))
    return y1 - y0, x1 - x0, int.from_bytes(head[40:42], "big")


def _jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """ITU-T T.81 B.1 and B.2.2: walk the segments up to the start of frame."""
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in STANDALONE:
            at += 2
        elif marker in START_OF_FRAME:
            rows, columns = int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
            return rows, columns, frame[at + 9]
        else:
            at += 2 + max(2, int.from_bytes(frame[at + 2 : at + 4], "big"))
    return None

"""Damaged files made on purpose: each from a number, so that the one that breaks something can be made again."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image

from cxrkit.imaging.phantom import phantom, phantom_dicom, phantom_png
from cxrkit.imaging.quiet import silence
from tests.dicom_encoders import NAMES, write

Random = np.random.Generator
NUMBERS = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 127, 128, 255, 256, 1000, 4095, 32767, 32768, 65535)
TEXTS = ("", "0", "-1", "1e308", "-1e308", "nan", "inf", "1\\2\\3", "MONOCHROME1", "RGB", "YBR_FULL_422",
         "PALETTE COLOR", "INVERSE", "SIGMOID", "LINEAR_EXACT", "A" * 70)  # fmt: skip
TAGS = (
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PlanarConfiguration", "NumberOfFrames", "PhotometricInterpretation", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "PixelSpacing", "ImagerPixelSpacing", "PresentationLUTShape", "SOPClassUID", "PatientAge", "ViewPosition",
    "VOILUTSequence", "ModalityLUTSequence", "RedPaletteColorLookupTableDescriptor", "PixelData",
)  # fmt: skip
LARGEST = 2 << 20


def seeds(folder: Path | None = None) -> list[bytes]:
    """Sound files to damage: the phantom in every encoding that is read, and all files in `folder` up to 2 MB."""
    levels = np.rint(phantom(0, 64).pixels * 255).astype(np.int64)
    window = {"WindowCenter": 120, "WindowWidth": 200}
    files = [write(levels, syntax, 8, window) for syntax in NAMES]
    files += [write(levels * 16, syntax, 12, window) for syntax in NAMES if not syntax.endswith(".50")]
    files += [phantom_png(0, 64), phantom_dicom(0, 64, photometric="MONOCHROME1", attributes={"NumberOfFrames": 1})]
    grey = levels.astype(np.uint8)
    for suffix, options in (
        (".jpg", []),
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        (".webp", []),
        (".tiff", []),
        (".bmp", []),
    ):
        files.append(cv2.imencode(suffix, grey, options)[1].tobytes())
    files.append(cv2.imencode(".png", grey.astype(np.uint16) * 257)[1].tobytes())
    for kind, mode in (("PNG", "P"), ("PNG", "RGBA"), ("TIFF", "L"), ("JPEG", "CMYK"), ("PNG", "1")):
        stream = io.BytesIO()
        Image.fromarray(grey).convert(mode).save(stream, kind)
        files.append(stream.getvalue())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("a", files[0])
        bundle.writestr("b", files[-1])
    files.append(archive.getvalue())
    if folder is not None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= LARGEST)
        files += [path.read_bytes() for path in paths]
    return files


def mutant(number: int, files: Sequence[bytes]) -> bytes:
    """The damaged file of that number."""
    random = np.random.default_rng(number)
    data = files[int(random.integers(len(files)))]
    for _ in range(int(random.integers(1, 4))):
        data = _structural(data, files, random) if random.random() < 0.6 else _blind(data, files, random)
    return data


def _structural(data: bytes, files: Sequence[bytes], random: Random) -> bytes:
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png(data, random)
    if data[:2] == b"\xff\xd8":
        return _jpeg(data, random)
    if data[128:132] == b"DICM":
        return _dicom(data, random)
    return _blind(data, files, random)


def _blind(data: bytes, files: Sequence[bytes], random: Random) -> bytes:
    size = max(1, len(data))
    # half of the time near the front, where the headers are
    at = int(random.integers(size if random.random() < 0.5 else min(size, 1500)))
    length = int(2 ** random.uniform(0, 10))
    kind = random.integers(7)
    if kind == 0:  # one bit
        return data[:at] + bytes([data[at] ^ 1 << int(random.integers(8))]) + data[at + 1 :] if data else data
    if kind == 1:
        return data[:at] + random.bytes(length) + data[at + length :]
    if kind == 2:
        return data[:at]
    if kind == 3:
        return data[:at] + data[at + length :]
    if kind == 4:
        return data[: at + length] + data[at:]
    if kind == 5:  # a number of a header
        form = str(random.choice(["<H", ">H", "<I", ">I"]))
        number = struct.pack(form, int(random.choice(NUMBERS)))
        return data[:at] + number + data[at + len(number) :]
    other = files[int(random.integers(len(files)))]
    return data[:at] + other[min(at, len(other)) :]


def _png(data: bytes, random: Random) -> bytes:
    """Chunks changed, with a sum that is right again, or left out, doubled and exchanged."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], bytearray(data[at + 8 : at + 8 + length])))
        at += 12 + length
    if not chunks:
        return data
    pick = int(random.integers(len(chunks)))
    kind, content = chunks[pick]
    action = random.integers(5)
    if action == 0 and content:
        content[int(random.integers(len(content)))] = int(random.choice(NUMBERS)) % 256
    elif action == 1 and kind == b"IHDR" and len(content) >= 8:
        content[:8] = struct.pack(">II", *(int(n) for n in random.choice((*NUMBERS, 10**5, 2**31 - 1), 2)))
    elif action == 2 and kind == b"IDAT":
        try:
            raw = bytearray(zlib.decompress(bytes(content)))
        except zlib.error:
            raw = bytearray(random.bytes(100))
        raw[int(random.integers(len(raw)))] ^= 0xFF
        chunks[pick] = kind, bytearray(zlib.compress(bytes(raw) * int(random.integers(1, 4))))
    elif action == 3:
        chunks.insert(int(random.integers(len(chunks))), chunks[pick])
    else:
        del chunks[pick]
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return data[:8] + body


def _jpeg(data: bytes, random: Random) -> bytes:
    """One byte within a segment's content changed, or a segment left out or doubled."""
    places, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        places.append((at, at + 2 + length))
        at += 2 + max(2, length)
    places.append((at, min(len(data), at + 14)))  # the scan's header
    start, end = places[int(random.integers(len(places)))]
    action = random.integers(4)
    if action == 0:
        return data[:start] + data[end:]
    if action == 1:
        return data[:end] + data[start:]
    where = min(start + 4 + int(random.integers(max(1, end - start - 4))), len(data) - 1)
    return data[:where] + bytes([int(random.choice(NUMBERS)) % 256]) + data[where + 1 :]


def _dicom(data: bytes, random: Random) -> bytes:
    """Attributes changed, left out or emptied, the transfer syntax exchanged, or the frame damaged."""
    if random.random() < 0.1:
        return _nested(data, random)
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(io.BytesIO(data), force=True)
            _change(ds, random)
            stream = io.BytesIO()
            ds.save_as(stream, enforce_file_format=False)
        except Exception:  # pydicom cannot hold or write what earlier damage left
            return data[: len(data) // 2] + random.bytes(8) + data[len(data) // 2 :]
        return stream.getvalue()


def _change(ds: pydicom.Dataset, random: Random) -> None:
    keyword = str(random.choice(TAGS))
    actions: tuple[Callable[[], None], ...] = (
        lambda: ds.__delattr__(keyword),
        lambda: _set(ds, keyword, random),
        lambda: _set(ds, keyword, random),
        lambda: setattr(ds.file_meta, "TransferSyntaxUID", str(random.choice(list(NAMES)))),
        lambda: _damage_frame(ds, random),
    )
    actions[int(random.integers(len(actions)))]()


def _set(ds: pydicom.Dataset, keyword: str, random: Random) -> None:
    if keyword.endswith("Sequence"):
        item = pydicom.Dataset()
        item.LUTDescriptor = [int(n) for n in random.choice(NUMBERS, 3)]
        item.LUTData = random.bytes(int(random.choice(NUMBERS)))
        setattr(ds, keyword, [item])
    elif keyword == "PixelData":
        ds.PixelData = random.bytes(int(random.choice(NUMBERS)))
    elif pydicom.datadict.dictionary_VR(keyword) in ("US", "SS"):
        setattr(ds, keyword, int(random.choice(NUMBERS)))
    else:
        setattr(ds, keyword, str(random.choice(TEXTS)))


def _damage_frame(ds: pydicom.Dataset, random: Random) -> None:
    raw = bytearray(ds.PixelData)
    for _ in range(int(random.integers(1, 6))):
        raw[int(random.integers(len(raw)))] = int(random.integers(256))
    ds.PixelData = bytes(raw)


def _nested(data: bytes, random: Random) -> bytes:
    """Sequences within sequences put in front of the data set, written by hand: pydicom would take for ever."""
    depth = int(random.choice((3, 30, 300, 3000)))
    kind = b"SQ\0\0" if random.random() < 0.7 else b""
    begin = b"\x08\0\x40\x11" + kind + b"\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    meta = 144 + int.from_bytes(data[140:144], "little")
    return data[:meta] + begin * depth + end * (depth if random.random() < 0.5 else 0) + data[meta:]

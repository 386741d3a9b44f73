"""MedMNIST files (Yang et al., Scientific Data 2023): arrays of small pictures, written out as PNG files.

The arrays are read a picture at a time, since ChestMNIST at 224 px would fill 5.6 GB of memory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.data.layouts.layout import SPLITS, Layout, Progress, make_layout
from cxrkit.data.manifest import IMAGE
from cxrkit.data.table import SPLIT
from cxrkit.errors import ManifestError

SIZES = (28, 64, 128, 224)
DATASETS = {
    "pneumoniamnist": ("Pneumonia",),
    # info.py of MedMNIST names the last but one "pleural": it is NIH's pleural thickening
    "chestmnist": (
        "Atelectasis",
        "Cardiomegaly",
        "Effusion",
        "Infiltration",
        "Mass",
        "Nodule",
        "Pneumonia",
        "Pneumothorax",
        "Consolidation",
        "Edema",
        "Emphysema",
        "Fibrosis",
        "Pleural_Thickening",
        "Hernia",
    ),
}
"""Findings in the order of each file's label columns, which is no other file's order."""

_SMALLEST = 32  # px; smaller pictures are refused as radiographs, so that each pixel is then drawn twice as wide
_MOST = 200_000  # pictures in one part; ChestMNIST has 78,468
_DAMAGE = (ValueError, KeyError, OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def read_medmnist(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    dataset: str | None = None,
    progress: Progress | None = None,
) -> Layout:
    """Write the pictures of PneumoniaMNIST or ChestMNIST out, and list them with labels and splits.

    The files name no patients.

    Parameters
    ----------
    path
        The ``.npz``.
    folder
        The pictures go into a folder in it that is named after data set, size and the first digits of
        the file's sha256, such as ``pneumoniamnist_224_1f0c9a3e/train/00000.png``: another file's
        pictures, which a manifest may be standing on, are never touched. It appears when all are written.
    dataset
        A name in `DATASETS`, where the file's own name does not begin with it.
    progress
        Called with (pictures written, all).

    Raises
    ------
    ManifestError
        It is no such file, is damaged, or the pictures cannot be written.
    """
    name = _dataset(Path(path), dataset)
    findings = DATASETS[name]
    if not Path(path).is_file():
        raise ManifestError("The file does not exist.", "Check its name.")
    with _checked(), zipfile.ZipFile(path) as archive:
        shapes = {split: _shape(archive, f"{split}_images") for split in SPLITS}
        size = _size(shapes)
        labels = {split: _labels(archive, split, (shapes[split][0], len(findings))) for split in SPLITS}
        total, done = sum(shape[0] for shape in shapes.values()), 0
        home = f"{name}_{size}_{_digest(Path(path))[:8]}"
        rows: list[list[str]] = []
        with _whole(Path(folder) / home) as making:
            for split in SPLITS:
                _make(making / split)
                for number, picture in enumerate(_pictures(archive, f"{split}_images", shapes[split])):
                    _write(making / split / f"{number:05d}.png", picture)
                    rows.append([f"{home}/{split}/{number:05d}.png", split, *map(str, labels[split][number])])
                    done += 1
                    if progress is not None:
                        progress(done, total)
    notes = []
    if size < _SMALLEST:
        notes.append(f"Pictures of {size} px are too small to be read as radiographs: each pixel was written 2 x 2.")
    return make_layout(pd.DataFrame(rows, columns=[IMAGE, SPLIT, *findings], dtype=str), findings, folder, notes)


def _dataset(path: Path, dataset: str | None) -> str:
    name = dataset or next((known for known in DATASETS if path.name.casefold().startswith(known)), None)
    if name not in DATASETS:
        raise ManifestError(
            "The name of the file does not tell which MedMNIST data set it is.",
            f"Say so with --dataset: {' or '.join(DATASETS)}.",
        )
    return name


@contextmanager
def _checked() -> Iterator[None]:
    """What zipfile and numpy raise on damaged or hostile files becomes one refusal."""
    try:
        yield
    except _DAMAGE:
        raise ManifestError(
            "The file is not a MedMNIST file, or is damaged.",
            "Fetch it again, and compare its checksum with the published one.",
        ) from None


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of an array; the bytes after it are its values, row by row. Raises ValueError."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, kind = read(stream)
    if fortran or kind.hasobject or kind.itemsize > 8 or kind.kind not in "ui":
        raise ValueError("not an array of integers in C order")
    return tuple(shape), kind


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(f"{name}.npy") as stream:
        shape, kind = _header(stream)
    if kind != np.uint8 or len(shape) != 3 or not 0 < shape[0] <= _MOST:
        raise ValueError("not grey pictures")
    return shape


def _size(shapes: dict[str, tuple[int, ...]]) -> int:
    sizes = {side for shape in shapes.values() for side in shape[1:]}
    if len(sizes) != 1 or (size := sizes.pop()) not in SIZES:
        raise ValueError("not squares of one size")
    return size


def _labels(archive: zipfile.ZipFile, split: str, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    with archive.open(f"{split}_labels.npy") as stream:
        given, kind = _header(stream)
        if given != shape and not (shape[1] == 1 and given == shape[:1]):  # labels of one finding may be a plain list
            raise ValueError("labels of another shape")
        values = np.frombuffer(_exactly(stream, shape[0] * shape[1] * kind.itemsize), kind).reshape(shape)
    if not np.isin(values, (0, 1)).all():
        raise ValueError("labels other than 0 and 1")
    return values.astype(np.int64)


def _pictures(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.uint8]]:
    count, rows, columns = shape
    with archive.open(f"{name}.npy") as stream:
        _header(stream)
        for _ in range(count):
            yield np.frombuffer(_exactly(stream, rows * columns), np.uint8).reshape(rows, columns)
        if stream.read(1):  # reading to the end also checks the archive's own checksum
            raise ValueError("more bytes than the shape says")


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _whole(final: Path) -> Iterator[Path]:
    """A folder to write into that takes its final name when the block ends well, and is deleted when it does not."""
    making, old = (final.with_name(f".{final.name}.{os.getpid()}.{word}") for word in ("making", "old"))
    _make(making)
    try:
        yield making
        try:
            if final.exists():  # of the same file: its pictures make way for the same pictures
                final.rename(old)
            making.rename(final)
        except OSError:
            raise _unwritable() from None
    finally:
        if old.exists() and not final.exists():
            old.rename(final)
        for left in (making, old):
            shutil.rmtree(left, ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise _unwritable() from None


def _write(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    wide = picture.repeat(2, axis=0).repeat(2, axis=1) if len(picture) < _SMALLEST else picture
    done, encoded = cv2.imencode(".png", wide)
    if not done:
        raise RuntimeError("OpenCV could not encode a picture as PNG")
    try:
        path.write_bytes(encoded.tobytes())
    except OSError:
        raise _unwritable() from None


def _unwritable() -> ManifestError:
    return ManifestError(
        "The pictures cannot be written beside the manifest.", "Name an --out in a folder that you may write to."
    )

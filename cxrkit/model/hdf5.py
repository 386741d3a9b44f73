"""HDF5 files of weights as data: numbers of their own, and no more of them than such a file can hold.

A file of this format can point to others: with links, with arrays that are kept in any file of the computer,
and with arrays that are put together from other files. Whoever reads such a file reads those too. And
an array that was never written has whatever size the file claims.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from cxrkit.errors import WeightsCorrupt

_SLACK = 16 * 2**20
_EXPANSION = 16
"""Times its own size that a file may hold in float32, beside the slack; float16 and compression give two or three."""


@contextmanager
def open_weights(path: Path) -> Iterator[h5py.File]:
    """Open a file of weights for reading, after a look at everything in it.

    Raises
    ------
    WeightsCorrupt
        It points to other files, or claims more numbers than it can hold.
    OSError
        It is no HDF5 file.
    """
    with h5py.File(path, "r") as h5:
        if h5.visititems_links(_foreign_link) or h5.visititems(_foreign_array):
            raise WeightsCorrupt(
                f"The weights file {path.name} points to other files, which are not read.",
                "Give a file written by Keras' save_weights or save.",
            )
        held = 0

        def count(_: str, item: h5py.Group | h5py.Dataset) -> None:
            nonlocal held
            held += claimed(item) if isinstance(item, h5py.Dataset) else 0

        h5.visititems(count)
        Room(path).take(held)
        yield h5


class Room:
    """How much may still be read from a file; an array that has many names counts as often as it is read."""

    def __init__(self, path: Path) -> None:
        self._file = path.name
        self._left = _EXPANSION * path.stat().st_size + _SLACK

    def read(self, dataset: h5py.Dataset) -> npt.NDArray[np.float32]:
        """The numbers of an array, in float32."""
        self.take(claimed(dataset))
        return np.asarray(dataset, dtype=np.float32)

    def take(self, size: int) -> None:
        """Count bytes; refuse those that are too many."""
        self._left -= size
        if self._left < 0:
            raise WeightsCorrupt(
                f"The weights file {self._file} claims more numbers than it can hold.",
                "Fetch the file again and compare its size or checksum with the source's.",
            )


def claimed(dataset: h5py.Dataset) -> int:
    """Bytes of an array in memory, as float32 or its own type."""
    return math.prod(dataset.shape or ()) * max(dataset.dtype.itemsize, 4)


def _foreign_link(_: str, link: object) -> bool | None:
    return None if isinstance(link, h5py.HardLink) else True


def _foreign_array(_: str, item: h5py.Group | h5py.Dataset) -> bool | None:
    return True if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual) else None

"""The image files of a folder, found by their path or by their stem."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from cxrkit.data.layouts.layout import rows_text
from cxrkit.errors import ManifestError

_IMAGES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".tif", ".tiff", ".bmp", ".webp")
_JUNK = ("__macosx", "thumbs.db", "desktop.ini")


def image_files(folder: Path) -> Iterator[str]:
    """Paths of the images below a folder, relative to it, sorted within each sub-folder.

    An image is a file with an image's suffix or, as DICOM archives write them, with none or with a
    numeric one. What Macintosh and Windows leave behind (``__MACOSX``, ``.DS_Store``, ``._name``) is
    passed over. Links to folders are followed, each folder once.

    Raises
    ------
    ManifestError
        A folder cannot be opened, or a name is not valid text, so that no table could hold it.
    """
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        place = os.path.realpath(here)
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not is_junk(name))
        for name in sorted(files):
            if not is_junk(name) and _may_be_image(name):
                path = (Path(here) / name).relative_to(folder).as_posix()
                try:
                    path.encode()
                except UnicodeEncodeError:
                    raise ManifestError(
                        "The name of a file or folder is not valid text (UTF-8).", "Rename it, and try again."
                    ) from None
                yield path


def unopenable() -> ManifestError:
    """What to raise for a folder that cannot be listed: to pass it over would lose its images unnoticed."""
    return ManifestError("A folder of the images cannot be opened.", "Check that you may read every folder in it.")


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden or was left by an operating system."""
    return name.startswith(".") or name.casefold() in _JUNK


def stem(name: str) -> str:
    """A file's name in lower case without an image's suffix; ``1.2.840`` has none."""
    base = PurePosixPath(name).name.casefold()
    return next((base.removesuffix(suffix) for suffix in _IMAGES if base.endswith(suffix)), base)


class ImageFiles:
    """The images below a folder, sought by the names that a table gives them.

    Attributes
    ----------
    doubles
        How many names were found in more than one place since the index was made.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ManifestError("The folder of the images does not exist.", "Check its name.")
        self._paths: dict[str, str] = {}
        self._stems: dict[str, list[str]] = {}
        self.doubles = 0
        for path in image_files(folder):
            self._paths[path] = path
            self._stems.setdefault(stem(path), []).append(path)

    def find(self, name: str) -> str | None:
        """The path of an image relative to the folder.

        First the path as named; then a file of the same name elsewhere below the folder; then one of
        the same stem, so that ``0001_000.png`` is found as ``0001_000.dcm``. Of several, those in the
        named sub-folder come first; then the first in order is taken and counted in `doubles`.
        """
        wanted = PurePosixPath(name.replace("\\", "/"))
        if str(wanted) in self._paths:
            return str(wanted)
        found = self._stems.get(stem(wanted.name), [])
        same_folder = [path for path in found if PurePosixPath(path).parent == wanted.parent]
        same_name = [path for path in found if PurePosixPath(path).name == wanted.name]
        best = same_folder or same_name or found
        self.doubles += len(best) > 1
        return best[0] if best else None


def locate(
    files: ImageFiles, names: Sequence[str], rows: Sequence[int], *, where: str, skip_missing: bool
) -> tuple[list[str], npt.NDArray[np.bool_], list[str]]:
    """Find the images of a table.

    Parameters
    ----------
    names, rows
        What the table calls its n images, and the numbers of its rows.
    where
        What the table is called in messages.
    skip_missing
        Leave out rows whose image is not at hand instead of refusing.

    Returns
    -------
    paths, found, notes
        m paths, the mask (n) of the rows that they belong to, and what is to be said about the others.

    Raises
    ------
    ManifestError
        Images are missing, or all of them are.
    """
    doubles = files.doubles
    paths = [files.find(name) if name else None for name in names]
    found = np.array([path is not None for path in paths], dtype=bool)
    notes: list[str] = []
    if files.doubles > doubles:
        notes.append(f"{files.doubles - doubles} images lie in more than one place; the first is taken.")
    missing = [row for row, there in zip(rows, found, strict=True) if not there]
    if missing:
        message = f"{len(missing)} of the {len(names)} images of {where} are not at hand"
        if not skip_missing or not found.any():
            raise ManifestError(
                f"{message}: {rows_text(missing)}.",
                "Check the folder, fetch the rest, or leave them out with --skip-missing."
                if found.any()
                else "Check the name of the folder that holds the images.",
            )
        notes.append(f"{message} and are left out: {rows_text(missing)}.")
    return [path for path in paths if path is not None], found, notes


def _refuse(_: OSError) -> None:
    raise unopenable() from None


def _may_be_image(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.casefold()
    return suffix in _IMAGES or not suffix or suffix[1:].isdigit()

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
_PAPERS = ("readme", "license", "licence")
_JUNK = ("__macosx", "thumbs.db", "desktop.ini")


def image_files(folder: Path) -> Iterator[str]:
    """Paths of the images below a folder, relative to it, sorted within each sub-folder.

    An image is a file with an image's suffix or, as DICOM archives write them, with none or with a
    numeric one. What Macintosh and Windows leave behind (``__MACOSX``, ``.DS_Store``, ``._name``) is
    passed over, and so are ``README`` and ``LICENSE``. Links to folders are followed, each folder once.

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
    strays
        How many were found in another folder, or under another ending, than the name says.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ManifestError("The folder of the images does not exist.", "Check its name.")
        self._home = PurePosixPath(Path(os.path.abspath(folder)).as_posix())  # noqa: PTH100 - links stay
        self._paths: set[str] = set()
        self._ends: dict[tuple[str, ...], list[PurePosixPath]] = {}  # by the last 0, 1, ... folders, and the stem
        self.doubles = 0
        self.strays = 0
        for path in image_files(folder):
            self._paths.add(path)
            file = PurePosixPath(path)
            for end in _ends(file):
                self._ends.setdefault(end, []).append(file)

    def wanted(self, name: str) -> PurePosixPath:
        """A name of a table as a path, relative to the folder where it lies below it."""
        path = PurePosixPath(name.replace("\\", "/"))
        return path.relative_to(self._home) if path.is_relative_to(self._home) else path

    def find(self, name: str) -> str | None:
        """The path of an image relative to the folder.

        First the path as named; then a file of the same name elsewhere below the folder; then one of
        the same stem, so that ``0001_000.png`` is found as ``0001_000.dcm``. Of several, those in the
        named sub-folder come first, then those in a folder whose last parts are the named ones (a table
        may count from higher up); then the first in order is taken and counted in `doubles`.
        """
        wanted = self.wanted(name)
        if str(wanted) in self._paths:
            return str(wanted)
        found = next((self._ends[end] for end in _ends(wanted) if end in self._ends), [])
        if len(found) > 1:
            same_folder = [path for path in found if path.parent == wanted.parent]
            same_name = [path for path in found if path.name == wanted.name]
            found = same_folder or same_name or found
        if not found:
            return None
        self.doubles += len(found) > 1
        self.strays += _strays(wanted, found[0])
        return str(found[0])


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
        Images are missing, or all of them are, or two names lead to one file.
    """
    doubles, strays = files.doubles, files.strays
    paths = [files.find(name) if name else None for name in names]
    _refuse_shared(files, names, paths, rows, where)
    found = np.array([path is not None for path in paths], dtype=bool)
    notes: list[str] = []
    if files.doubles > doubles:
        notes.append(f"{files.doubles - doubles} images lie in more than one place; the first is taken.")
    if files.strays > strays:
        notes.append(
            f"{files.strays - strays} images of {where} were found in another folder, or under another ending, "
            "than the table says."
        )
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


def _refuse_shared(
    files: ImageFiles, names: Sequence[str], paths: Sequence[str | None], rows: Sequence[int], where: str
) -> None:
    """Two names in one table mean two images: that both lead to one file binds a picture to a stranger's labels."""
    called: dict[str, set[PurePosixPath]] = {}
    for name, path in zip(names, paths, strict=True):
        if path is not None:
            called.setdefault(path, set()).add(files.wanted(name))
    shared = [row for row, path in zip(rows, paths, strict=True) if path is not None and len(called[path]) > 1]
    if shared:
        raise ManifestError(
            f"Different image names of {where} lead to the same file: {rows_text(shared)}.",
            "Check the folder of the images: some are missing, or lie in other sub-folders than the table says.",
        )


def _strays(wanted: PurePosixPath, found: PurePosixPath) -> bool:
    """Whether a name that says a folder or an ending was found under another."""
    says_folder, says_ending = wanted.parent != PurePosixPath(), stem(wanted.name) != wanted.name.casefold()
    return (says_folder and found.parent != wanted.parent) or (
        says_ending and found.name.casefold() != wanted.name.casefold()
    )


def _ends(path: PurePosixPath) -> Iterator[tuple[str, ...]]:
    """All its folders and its stem, then without the first folder, and so on to the stem alone."""
    folders = path.parent.parts
    return ((*folders[first:], stem(path.name)) for first in range(len(folders) + 1))


def _refuse(_: OSError) -> None:
    raise unopenable() from None


def _may_be_image(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.casefold()
    bare = not suffix or suffix[1:].isdigit()
    return suffix in _IMAGES or (bare and not name.casefold().startswith(_PAPERS))

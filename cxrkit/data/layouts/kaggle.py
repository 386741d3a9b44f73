"""The Kaggle tree ``chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}`` (Kermany, Zhang, Goldbaum 2018)."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from cxrkit.data.layouts.files import image_files, is_junk, unopenable
from cxrkit.data.layouts.layout import SPLITS, Layout, make_layout, split_name
from cxrkit.data.manifest import IMAGE
from cxrkit.data.table import SPLIT
from cxrkit.errors import ManifestError

FINDING = "Pneumonia"
_CLASSES = {"normal": "0", "pneumonia": "1"}
_DEPTH = 3  # folders are unpacked into folders of their own name
_PERSON = re.compile(r"person(\d+)_(bacteria|virus)(?=[_.]|$)", re.IGNORECASE)
_LATER = re.compile(r"(BACTERIA|VIRUS|NORMAL)-(\d+)(?=[-.]|$)", re.IGNORECASE)  # names of Mendeley Data's version 3
_NORMAL = re.compile(r"((?:NORMAL\d*-)?IM-\d+)(?=[-.]|$)", re.IGNORECASE)


def patient_key(name: str) -> str:
    """Whom a file name belongs to: ``"bacteria_person7"``, ``"IM-0115"``; blank where it does not say.

    Numbers restart with each subtype: ``person1_bacteria`` and ``person1_virus`` are two children.
    """
    if found := _PERSON.match(name):
        return f"{found[2].lower()}_person{found[1]}"
    if found := _LATER.match(name):
        return f"{found[1].lower()}_{found[2]}"
    if found := _NORMAL.match(name):
        return found[1].upper()
    return ""


def read_kaggle(folder: str | os.PathLike[str]) -> Layout:
    """Read the tree, wherever below the folder it begins; the finding is Pneumonia.

    Names of folders may be in any case, and ``valid`` or ``validation`` for ``val``.

    Raises
    ------
    ManifestError
        There is no such tree, more than one, or a split has a folder that is neither class, or has
        images or folders but neither class.
    """
    root = _root(Path(folder))
    rows: list[tuple[str, str, str, str]] = []
    splits, strangers, loose = _splits(root), 0, 0
    _refuse_without_classes(root, splits)
    for split, place in splits:
        loose += sum("/" not in name for name in image_files(place))
        for kind in _folders(place):
            label = _CLASSES.get(kind.name.casefold())
            if label is None:
                raise ManifestError(
                    f"The {split} folder has a class folder other than NORMAL and PNEUMONIA.",
                    "Move it away, or describe the images in a table instead.",
                )
            own, others = _of_class(kind, root)
            strangers += others
            for name in own:
                path = (kind / name).relative_to(root).as_posix()
                rows.append((path, split, patient_key(PurePosixPath(name).name), label))
    rows.sort(key=lambda row: (SPLITS.index(row[1]), row[0]))
    table = pd.DataFrame(rows, columns=[IMAGE, SPLIT, "patient_key", FINDING], dtype=str)
    notes = []
    if loose:
        notes.append(f"{loose} images lie beside the class folders, not in them, and are left out.")
    if strangers:
        notes.append(f"{strangers} images that a class folder reaches by a link into another folder are not its own.")
    unknown = int((table["patient_key"] == "").sum())
    if unknown:
        notes.append(f"The names of {unknown} images do not tell their patient; each counts as a patient of its own.")
    return make_layout(table, (FINDING,), root, notes)


def _of_class(kind: Path, root: Path) -> tuple[list[str], int]:
    """The images of a class folder, and how many others it reaches through links into the rest of the tree.

    A link that leads back up would put pneumonia among the normal. What it stands for is judged by the
    folder, not by the file: an image may itself be a link, wherever it leads.
    """
    tree, home = Path(os.path.realpath(root)), Path(os.path.realpath(kind))
    within: dict[PurePosixPath, bool] = {}
    own, names = [], list(image_files(kind))
    for name in names:
        parent = PurePosixPath(name).parent
        if parent not in within:
            place = Path(os.path.realpath(kind / parent))
            within[parent] = place.is_relative_to(home) or not place.is_relative_to(tree)
        if within[parent]:
            own.append(name)
    return own, len(names) - len(own)


def _refuse_without_classes(root: Path, splits: list[tuple[str, Path]]) -> None:
    """A split whose class folders have other names would be missing from the manifest unnoticed."""
    taken = {place for _, place in splits}
    for place in _folders(root):
        split = split_name(place.name)
        if split is not None and place not in taken and (_folders(place) or any(image_files(place))):
            raise ManifestError(
                f"The {split} folder has images or folders in it, but neither NORMAL nor PNEUMONIA.",
                "Name its class folders so, or move it away.",
            )


def _root(folder: Path) -> Path:
    if not folder.is_dir():
        raise ManifestError("The folder does not exist.", "Check its name.")
    level = [folder]
    for _ in range(_DEPTH):
        trees = [place for place in level if _splits(place)]
        if len(trees) > 1:
            raise ManifestError("The folder holds more than one such tree.", "Name the one that is meant.")
        if trees:
            return trees[0]
        level = [below for place in level for below in _folders(place)]
    raise ManifestError(
        "The folder has no train, val or test folder with NORMAL and PNEUMONIA in it.",
        "Name the folder chest_xray that the archive unpacks to.",
    )


def _splits(place: Path) -> list[tuple[str, Path]]:
    """The split folders directly below a folder: those with a class folder in them."""
    named = [(split_name(below.name), below) for below in _folders(place)]
    return [
        (split, below)
        for split, below in named
        if split is not None and any(kind.name.casefold() in _CLASSES for kind in _folders(below))
    ]


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(below for below in place.iterdir() if below.is_dir() and not is_junk(below.name))
    except OSError:
        raise unopenable() from None

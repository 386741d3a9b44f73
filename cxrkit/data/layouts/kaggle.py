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
        There is no such tree, more than one, or a split has a folder that is neither class.
    """
    root = _root(Path(folder))
    rows: list[tuple[str, str, str, str]] = []
    for split, place in _splits(root):
        for kind in _folders(place):
            label = _CLASSES.get(kind.name.casefold())
            if label is None:
                raise ManifestError(
                    f"The {split} folder has a class folder other than NORMAL and PNEUMONIA.",
                    "Move it away, or describe the images in a table instead.",
                )
            for name in image_files(kind):
                path = (kind / name).relative_to(root).as_posix()
                rows.append((path, split, patient_key(PurePosixPath(name).name), label))
    rows.sort(key=lambda row: (SPLITS.index(row[1]), row[0]))
    table = pd.DataFrame(rows, columns=[IMAGE, SPLIT, "patient_key", FINDING], dtype=str)
    notes = []
    unknown = int((table["patient_key"] == "").sum())
    if unknown:
        notes.append(f"The names of {unknown} images do not tell their patient; each counts as a patient of its own.")
    return make_layout(table, (FINDING,), root, notes)


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

"""One table of all radiographs at hand, with every label that any of their sets states: what a trunk learns from.

A label that a set does not state is blank, so that a network's loss leaves it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrkit.data.leaks import hold_out
from cxrkit.data.manifest import Manifest, patient_keys, read_manifest
from cxrkit.data.table import read_table
from cxrkit.data.teacher import read_teacher, stem
from cxrkit.errors import ManifestError

AUXILIARY = (
    "Any_Finding",
    "Lung_Opacity",
    "Childhood_Pneumonia",
    "Viral_Pneumonia",
    "Tuberculosis",
    "Cardiothoracic_Ratio_45",
    "Cardiothoracic_Ratio_50",
    "Female",
    "AP_View",
    "Age_35",
    "Age_50",
    "Age_65",
)
"""Labels beside the findings: they ask the trunk for anatomy, and more images have them than any finding."""

TEACHER_SHARES = {"Tenth": 0.1, "Third": 1 / 3}
"""Shares of the images that a teacher scores highest, which become positives of an output of their own."""

BEFORE_LABELS = ("image", "split", "dataset", "collection", "patient_id")
"""Columns of the table that come before the labels."""

_RATIOS = {"Cardiothoracic_Ratio_45": 0.45, "Cardiothoracic_Ratio_50": 0.5}
_AGES = {"Age_35": 35, "Age_50": 50, "Age_65": 65}
_PNEUMONIA_OR_NONE = "muhammedtalo/COVID-19"
"""The carrier that chose NIH images with Pneumonia or without finding, so that the source tells the label."""
_SPLITS = ("train", "val", "test")


def teacher_outputs(findings: Sequence[str]) -> tuple[str, ...]:
    """Names of the outputs that learn how a teacher ranks each finding."""
    return tuple(f"{finding}_Teacher_{share}" for finding in findings for share in TEACHER_SHARES)


def pretraining_table(
    data: Path, findings: Sequence[str], *, held_out: float, group_by: Sequence[str], seed: int
) -> pd.DataFrame:
    """The table of all radiographs under a data folder but those kept for external checks.

    Parameters
    ----------
    data
        Folder with ``cxr14``, ``cxr_more``, ``lungmasks``, ``kermany`` and ``chexnet_preds``.
    findings
        The k findings; AUXILIARY and `teacher_outputs` come on top.
    held_out, group_by, seed
        Of the validation part that is cut out of Kermany's training split, as `scripts/train.py` cuts it for
        the same values of ``--hold-out``, ``--group-by`` and the recipe's seed. Of the sets with lung
        masks, which have no split, the same share of patients is held out.

    Returns
    -------
    pandas.DataFrame
        Columns ``image`` (relative to `data`), ``split``, ``dataset``, ``collection``, ``patient_id`` and one column
        of 1, 0 or blank per label. The collection is ``pneumonia`` for those NIH images that were gathered as
        either pneumonia or without finding, ``findings`` for the other ones of ``cxr14``, else the dataset. Rows of the
        splits ``val`` and ``test`` never carry a teacher's ranking, rows of ``test`` no label at all: they are
        there to be compared with.

    Raises
    ------
    ManifestError
        A table is missing or lacks a column; an image or a share cannot be used.
    """
    names = [*findings, *AUXILIARY, *teacher_outputs(findings)]
    parts = [
        _adults(data / "cxr14" / "index.csv", "cxr14/images/", "NIH", findings, collected=True),
        _adults(data / "cxr_more" / "index.csv", "cxr_more/images/", "", findings),
        _adults(data / "cxr14" / "index64.csv", "cxr14/images64/", "NIH64", findings),
        _lung_sets(data, findings, held_out, seed),
        _children(data, held_out, group_by, seed),
    ]
    table = pd.concat(parts, ignore_index=True).reindex(columns=[*BEFORE_LABELS, "nih_name", *names])
    table["collection"] = table["collection"].fillna(table["dataset"])
    better = set(table.loc[table["dataset"] == "NIH", "nih_name"])
    table = table[~((table["dataset"] == "NIH64") & table["nih_name"].isin(better))].reset_index(drop=True)
    _add_teacher(table, data / "chexnet_preds" / "preds_with_labels.csv.gz", findings)
    table.loc[table["split"] == "test", names] = np.nan
    odd = ~table["split"].isin(_SPLITS)
    if odd.any():
        raise ManifestError(f"{int(odd.sum())} rows have no split of train, val and test.", "Check the tables.")
    return table.drop(columns="nih_name")


def _adults(path: Path, folder: str, dataset: str, findings: Sequence[str], *, collected: bool = False) -> pd.DataFrame:
    table, _ = read_table(path)
    made = pd.DataFrame({"image": folder + table["image"], "split": table["split"]})
    made["dataset"] = dataset or table["dataset"]
    made["patient_id"] = np.where(
        table["patient_id"].str.startswith(tuple("0123456789")), "NIH_" + table["patient_id"], table["patient_id"]
    )
    made["nih_name"] = (table["nih_name"] if "nih_name" in table else table["image"]).where(
        made["dataset"].isin(["NIH", "NIH64"]), ""
    )
    if collected:
        of_pneumonia = table["source"] == _PNEUMONIA_OR_NONE
        made["collection"] = np.where(of_pneumonia, "pneumonia", "findings")
    for finding in findings:
        made[finding] = _numbers(table[finding])
    made["Any_Finding"] = 1 - _numbers(table["no_finding"])
    if "rsna_target" in table:
        made["Lung_Opacity"] = _numbers(table["rsna_target"])
    if "ctr" in table:
        ratio = _numbers(table["ctr"]).fillna(_numbers(table["ctr_mask"]))
        for name, least in _RATIOS.items():
            made[name] = (ratio >= least).astype(float).where(ratio.notna())
    _add_person(made, table)
    if "view_position" in table:
        made["AP_View"] = _either(table["view_position"], "AP", "PA")
    return made


def _lung_sets(data: Path, findings: Sequence[str], held_out: float, seed: int) -> pd.DataFrame:
    table, _ = read_table(data / "lungmasks" / "index.csv")
    stated, _ = read_table(data / "cxr_more" / "lungmasks_labels.csv")
    stated.index = pd.Index(stated["image"].str.rsplit("/", n=1).str[-1])
    stated = stated.reindex(table["image"].str.rsplit("/", n=1).str[-1]).fillna("").reset_index(drop=True)
    table = table.reset_index(drop=True)
    made = pd.DataFrame({"image": "lungmasks/" + table["image"], "dataset": table["dataset"]})
    made["patient_id"] = table["dataset"] + "_" + table["patient_id"]
    made["Tuberculosis"] = _numbers(table["tb"])
    for finding in findings:
        made[finding] = _numbers(stated[finding])
    made["Any_Finding"] = 1 - _numbers(stated["no_finding"])
    _add_person(made, stated)
    patients = np.unique(made["patient_id"])
    drawn = np.random.default_rng(seed).permutation(patients)[: round(held_out * len(patients))]
    made["split"] = np.where(made["patient_id"].isin(drawn), "val", "train")
    return made


def _children(data: Path, held_out: float, group_by: Sequence[str], seed: int) -> pd.DataFrame:
    manifest = read_manifest(data / "kermany" / "index.csv", ("Pneumonia",), label_map={"label": "Pneumonia"})
    split = manifest.table["split"].to_numpy(dtype=np.str_)
    part = np.full(len(manifest), "", dtype="U5")
    training = np.flatnonzero(split == "train")
    part[training] = "train"
    part[training[hold_out(manifest.subset(training), held_out, group_by, seed)[1]]] = "val"
    part[split == "test"] = "test"
    made = pd.DataFrame({"image": "kermany/" + manifest.table["image"], "split": part, "dataset": "Kermany"})
    made["patient_id"] = "Kermany_" + pd.Series(patient_keys(manifest.table))
    made["Childhood_Pneumonia"] = _labels(manifest)
    made["Viral_Pneumonia"] = _either(manifest.table["subtype"], "virus", "bacteria")
    kept: pd.DataFrame = made[part != ""]  # without the 16 images of the publisher's own val, which nothing here uses
    return kept


def _add_teacher(table: pd.DataFrame, path: Path, findings: Sequence[str]) -> None:
    scores = read_teacher(path, findings)
    names = table["nih_name"].map(stem, na_action="ignore")
    taught = ((table["split"] == "train") & names.isin(scores.index)).to_numpy()
    of = scores.reindex(pd.Index(names[taught]))
    for finding in findings:
        probability = of[finding].to_numpy()
        for share, largest in TEACHER_SHARES.items():
            cut = np.quantile(probability, 1 - largest)
            table.loc[taught, f"{finding}_Teacher_{share}"] = (probability > cut).astype(float)


def _add_person(made: pd.DataFrame, table: pd.DataFrame) -> None:
    made["Female"] = _either(table["sex"], "F", "M")
    age = _numbers(table["age"])
    for name, least in _AGES.items():
        made[name] = (age >= least).astype(float).where(age.notna())


def _numbers(cells: pd.Series) -> pd.Series:
    return pd.to_numeric(cells, errors="coerce")


def _either(cells: pd.Series, one: str, zero: str) -> pd.Series:
    texts = cells.astype(str)
    return (texts == one).astype(float).where(texts.isin([one, zero]))


def _labels(manifest: Manifest) -> npt.NDArray[np.float32]:
    return manifest.labels[:, 0]

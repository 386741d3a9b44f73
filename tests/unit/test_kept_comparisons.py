"""Paired comparisons that are kept beside a card: what they say, and what is refused."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrkit.errors import ManifestError, OperatingPointMismatch
from cxrkit.evaluation.schema import Evaluation
from cxrkit.preset import Preset
from cxrkit.serving.judged_comparison import recorded_comparisons
from cxrkit.serving.judged_table import splits_of, table_of_kept
from cxrkit.serving.kept_comparisons import COMPARISONS, keep_comparison, kept_comparisons

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "weights"
SPLIT = "val (cut out of train)"


@pytest.fixture
def preset(tmp_path: Path) -> Preset:
    """A copy of a shipped preset with its rows, without comparisons."""
    folder = tmp_path / "pneumonia"
    Preset.load(SHIPPED / "pneumonia").save(folder)
    for name in ("evaluation.json", "scores.json", "scores_test.csv", "scores_validation.csv"):
        shutil.copy(SHIPPED / "pneumonia" / name, folder / name)
    return Preset.load(folder)


@pytest.fixture
def ours(preset: Preset, tmp_path: Path) -> Path:
    """Its validation rows as a run would write them, two images to a patient."""
    rows = pd.read_csv(Path(preset.folder) / "scores_validation.csv")
    rows.insert(0, "image", [f"{n}.png" for n in range(len(rows))])
    rows.insert(1, "patient_id", [f"P{n // 2}" for n in range(len(rows))])
    path = tmp_path / "ours.csv"
    rows.to_csv(path, index=False)
    return path


@pytest.fixture
def theirs(preset: Preset, ours: Path, tmp_path: Path) -> Path:
    """A run of another model over the same images: the same scores in noise, in another order."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    rows = pd.read_csv(ours)
    random = np.random.default_rng(3)
    rows["prob_Pneumonia"] = np.clip(rows["prob_Pneumonia"] + random.normal(0, 0.4, len(rows)), 0, 1)
    rows.sample(frac=1, random_state=1).to_csv(folder / "predictions.csv", index=False)
    return write_record(folder, preset)


def write_record(folder: Path, of: Preset, **changed: object) -> Path:
    """evaluation.json of the other run; the rest of its content does not count here."""
    record = json.loads((SHIPPED / "chestxray14" / "evaluation.json").read_text())
    source = json.loads((Path(of.folder) / "scores.json").read_text())["splits"][1]
    record |= {"source": {"name": source["source_name"], "sha256": source["source_sha256"]}, "split": "val", **changed}
    (folder / "evaluation.json").write_text(json.dumps(record))
    return folder


def test_what_is_kept_is_the_paired_difference(preset: Preset, ours: Path, theirs: Path) -> None:
    found = keep_comparison(preset, ours, theirs, split=SPLIT)
    pair = found.comparison.findings["Pneumonia"]
    assert (found.other, found.split, found.comparison.rows) == ("chestxray14", SPLIT, 626)
    assert pair.ours.value == pytest.approx(0.994, abs=1e-3)
    assert pair.difference.value == pytest.approx(pair.ours.value - pair.theirs.value)
    assert pair.difference.method.endswith("patient bootstrap replicates"), "two images of a patient are no two cases"
    assert kept_comparisons(preset) == (found,)
    text = (Path(preset.folder) / COMPARISONS).read_text()
    assert ".png" not in text
    assert "P1" not in text
    again = keep_comparison(preset, ours, theirs, split=SPLIT)
    assert kept_comparisons(preset) == (again,), "kept once, not twice"


def test_rows_of_the_page_find_what_is_kept_of_them(preset: Preset, ours: Path, theirs: Path) -> None:
    found = keep_comparison(preset, ours, theirs, split=SPLIT)
    tables = {table.role: table for table in (table_of_kept(preset, kept) for kept in splits_of(preset))}
    assert recorded_comparisons(tables["validation"]) == {"chestxray14": found.comparison}
    assert recorded_comparisons(tables["evaluation"]) == {}


def test_a_comparison_of_the_recorded_run_is_found(preset: Preset, ours: Path, theirs: Path) -> None:
    found = keep_comparison(preset, ours, theirs, split=SPLIT).comparison
    record = Evaluation.load(preset.folder)
    (Path(preset.folder) / "evaluation.json").write_text(record.model_copy(update={"comparison": found}).to_json())
    tables = {table.role: table for table in (table_of_kept(preset, kept) for kept in splits_of(preset))}
    assert recorded_comparisons(tables["evaluation"]) == {"predictions.csv": found}


def test_other_rows_are_refused(preset: Preset, ours: Path, theirs: Path) -> None:
    rows = pd.read_csv(ours)
    rows.loc[5, "prob_Pneumonia"] = 0.5
    rows.to_csv(ours, index=False)
    with pytest.raises(ManifestError, match="not the validation scores"):
        keep_comparison(preset, ours, theirs, split=SPLIT)


def test_a_split_without_kept_rows_is_refused(preset: Preset, ours: Path, theirs: Path) -> None:
    with pytest.raises(ManifestError, match="keeps no rows of split 'other'"):
        keep_comparison(preset, ours, theirs, split="other")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"preset": None}, "does not say which model"),
        ({"source": {"name": "other.csv", "sha256": "00"}}, "another table of labels"),
        ({"weights_sha256": "own"}, "of the same weights"),
    ],
)
def test_another_run_than_one_to_compare_with_is_refused(
    preset: Preset, ours: Path, theirs: Path, changed: dict[str, object], said: str
) -> None:
    if changed.get("weights_sha256"):
        changed = {"weights_sha256": preset.weights_sha256}
    write_record(theirs, preset, **changed)
    with pytest.raises(ManifestError, match=said):
        keep_comparison(preset, ours, theirs, split=SPLIT)
    assert kept_comparisons(preset) == ()


def test_a_file_of_other_weights_or_of_nonsense_is_refused(preset: Preset) -> None:
    path = Path(preset.folder) / COMPARISONS
    path.write_text('{"weights_sha256": "00", "comparisons": []}')
    with pytest.raises(OperatingPointMismatch, match="other weights"):
        kept_comparisons(preset)
    path.write_text('{"comparisons": 3}')
    with pytest.raises(ManifestError, match="malformed"):
        kept_comparisons(preset)


@pytest.mark.parametrize(("name", "other"), [("pneumonia", "chestxray14"), ("chestxray14", "pneumonia")])
def test_what_ships_is_of_the_shipped_weights_and_rows(name: str, other: str) -> None:
    """Its AUROC must be that of the rows that ship, and the other model the one that ships."""
    shipped = Preset.load(SHIPPED / name)
    (found,) = kept_comparisons(shipped)
    assert (found.other, found.other_sha256) == (other, Preset.load(SHIPPED / other).weights_sha256)
    kept = next(one for one in splits_of(shipped) if one.split == found.split)
    table = table_of_kept(shipped, kept)
    assert table.role == "validation", "no test split is read for a comparison"
    labels, p = table.cells("Pneumonia")
    ranks = pd.Series(p).rank().to_numpy()
    positives = int(labels.sum())
    u = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    pair = found.comparison.findings["Pneumonia"]
    assert found.comparison.rows == kept.images
    assert pair.ours.value == pytest.approx(u / positives / (len(p) - positives), abs=2e-4)


def test_the_script_keeps_a_comparison(preset: Preset, ours: Path, theirs: Path, capsys) -> None:
    main = runpy.run_path(str(REPOSITORY / "scripts" / "keep_scores.py"))["main"]
    command = [preset.folder, "--predictions", str(ours), "--split", SPLIT, "--against", str(theirs)]
    assert main(command) == 0
    assert "compared with chestxray14 on 626 radiographs" in capsys.readouterr().out
    assert main([*command[:-1], str(theirs / "no")]) == 2
    with pytest.raises(SystemExit):
        main([*command, "--manifest", str(ours)])

"""Write the tables of README.md and docs/results.md anew from what scripts/evaluate.py found.

  write_results.py
  write_results.py --external out/external --backbones out/backbones/table.json
  write_results.py --check

The tables of the shipped presets come from their cards and evaluations in weights/. --external names a folder
with an evaluation per dataset (out/external/<dataset>/evaluation.json), --backbones what compare_backbones.py wrote;
without these options their tables stay as they are. A table stands between the lines <!-- table NAME --> and
<!-- end NAME -->; the words around it are people's. --check writes nothing, and exits with 1 where a table is stale.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cxrkit.errors import CxrError
from cxrkit.evaluation.metrics import auroc
from cxrkit.evaluation.schema import Evaluation, Measure
from cxrkit.preset import Preset
from cxrkit.preset_folders import list_presets

README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results.md"
NONE = "-"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("|" + "|".join(f" {cell} " if cell != "---" else cell for cell in line) + "|" for line in lines)


def between(measure: Measure | None, signs: int = 3) -> str:
    """``0.976 (0.964 to 0.985)``, or a dash where it is undefined."""
    if measure is None:
        return NONE
    if measure.low is None or measure.high is None:
        return f"{measure.value:.{signs}f}"
    return f"{measure.value:.{signs}f} ({measure.low:.{signs}f} to {measure.high:.{signs}f})"


def by_patient(measure: Measure | None) -> Measure | None:
    """A rate with the interval of resampled patients, where patients have several images."""
    if measure is None or measure.clustered is None:
        return measure
    return measure.model_copy(update={"low": measure.clustered.low, "high": measure.clustered.high})


def on_validation(preset: Preset, finding: str) -> tuple[float | None, int]:
    """AUROC on the validation scores that a card keeps, and how many are positive."""
    scores = preset.validation_scores.get(finding)
    if scores is None:
        return None, 0
    labels = [1] * len(scores.positives) + [0] * len(scores.negatives)
    estimate = auroc(labels, [*scores.positives, *scores.negatives])
    return (None if estimate is None else float(estimate.value)), len(scores.positives)


def shipped(presets: Sequence[Preset]) -> str:
    """How good the shipped presets are, in a row or two each."""
    rows = []
    for preset in presets:
        evaluation = Evaluation.load(preset.folder)
        several = len(preset.findings) > 1
        area = evaluation.macro.auroc if several else evaluation.findings[preset.findings[0]].auroc
        measure = f"mean AUROC of {len(preset.findings)}" if several else "AUROC"
        measures = [(measure, area)]
        if not several:
            point = evaluation.findings[preset.findings[0]].operating_points["youden"]
            measures.append(("balanced accuracy, Youden's point", point.balanced_accuracy))
        for name, value in measures:
            count = f"{value.n} ({value.positives}{' labels' if several else ''})"
            interval = f"{value.low:.3f} to {value.high:.3f}"
            rows.append((f"`{preset.name}`", name, f"{value.value:.3f}", interval, count))
    return table(("preset", "measure", "value", "95 % interval", "test images (positive)"), rows)


def findings(preset: Preset) -> str:
    """Every finding of a preset: AUROC on validation and test, and what Youden's point does on test."""
    evaluation = Evaluation.load(preset.folder)
    rows = []
    for finding, entry in evaluation.findings.items():
        value, positives = on_validation(preset, finding)
        point = entry.operating_points.get("youden")
        marks = "" if point is None or point.supported else " (unsupported)"
        rows.append(
            (
                finding,
                NONE if value is None else f"{value:.3f} ({positives})",
                f"{between(entry.auroc)}",
                str(entry.positives),
                NONE if point is None else f"{between(point.sensitivity, 2)}{marks}",
                NONE if point is None else between(point.specificity, 2),
            )
        )
    head = ("finding", "validation AUROC (positives)", "test AUROC", "positive", "sensitivity (Youden)", "specificity")
    return table(head, rows)


def points(preset: Preset) -> str:
    """The operating points of a preset with one finding, on the test split."""
    entry = Evaluation.load(preset.folder).findings[preset.findings[0]]
    rows = [
        (rule, f"{at.threshold:.3f}", between(at.sensitivity), between(at.specificity), between(at.balanced_accuracy))
        for rule, at in entry.operating_points.items()
    ]
    return table(("point", "threshold", "sensitivity", "specificity", "balanced accuracy"), rows)


def external(folder: Path) -> str:
    """A preset on radiographs from elsewhere, one row per dataset."""
    rows = []
    for place in sorted(path.parent for path in folder.glob("*/evaluation.json")):
        evaluation = Evaluation.load(place)
        (entry,) = evaluation.findings.values()
        point = entry.operating_points["youden"]
        counts = f"{entry.n} ({entry.positives})"
        counted = evaluation.patients is not None and entry.n == evaluation.images  # those without a label do not count
        patients = str(evaluation.patients) if counted else NONE
        rates = (between(entry.auroc), between(by_patient(point.sensitivity)), between(by_patient(point.specificity)))
        rows.append((place.name, counts, patients, *rates))
    if not rows:
        raise CxrError("The folder holds no evaluation.", "Run scripts/evaluate.py with --out FOLDER/<dataset> first.")
    return table(("dataset", "images (positive)", "patients", "AUROC", "sensitivity", "specificity"), rows)


def backbones(file: Path) -> str:
    """All networks at equal budget, the best first."""
    rows = []
    for each in sorted(json.loads(file.read_text()), key=lambda one: -one["auroc"]):
        interval = f"{each['auroc']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
        size = f"{each['parameters'] / 1e6:.1f} M"
        rows.append((f"`{each['backbone']}`", interval, size, f"{each['milliseconds']:.0f}"))
    return table(("backbone", "test AUROC (95 % interval)", "parameters", "ms per image"), rows)


def renewed(text: str, tables: dict[str, str]) -> str:
    """A document with these of its tables exchanged."""
    for name, content in tables.items():
        pattern = re.compile(rf"(<!-- table {re.escape(name)} -->\n).*?(<!-- end {re.escape(name)} -->)", re.DOTALL)
        text = pattern.sub(lambda match, new=content: f"{match[1]}\n{new}\n\n{match[2]}", text)
    return text


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--external", type=Path, metavar="FOLDER", help="evaluations of radiographs from elsewhere, one per dataset")
    add("--backbones", type=Path, metavar="FILE.json", help="the table of scripts/compare_backbones.py")
    add("--check", action="store_true", help="write nothing; exit with 1 where a table is stale")
    options = parser.parse_args(arguments)
    try:
        presets = list_presets(ROOT / "weights")
        tables = {"shipped": shipped(presets)}
        for preset in presets:
            several = len(preset.findings) > 1
            tables[preset.name] = findings(preset) if several else points(preset)
        if options.external is not None:
            tables["external"] = external(options.external)
        if options.backbones is not None:
            tables["backbones"] = backbones(options.backbones)
    except CxrError as error:
        return error.tell()
    stale = []
    for document in (README, RESULTS):
        before = document.read_text()
        after = renewed(before, tables)
        if after != before:
            stale.append(document.name)
            if not options.check:
                document.write_text(after)
    print(("Stale: " if options.check else "Written: ") + (", ".join(stale) or "nothing"))
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

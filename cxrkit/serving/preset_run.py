"""The whole evaluation of a preset: score, judge, locate, examine the attention, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cxrkit.data.boxes import Boxes
from cxrkit.data.manifest import Manifest, read_manifest
from cxrkit.errors import ManifestError
from cxrkit.evaluation.schema import EVALUATION, Evaluation, Source
from cxrkit.imaging.degradation import describe
from cxrkit.imaging.survey import readable
from cxrkit.model.runtimes import Precision
from cxrkit.preset import CARD, Preset
from cxrkit.serving.attention import examine_attention
from cxrkit.serving.bulk import score_manifest
from cxrkit.serving.gallery import choose, render
from cxrkit.serving.html_report import REPORT, write_report
from cxrkit.serving.judging import (
    ALL_ROWS,
    NOTHING_ELSE,
    PREDICTIONS,
    UNWRITABLE,
    Options,
    Progress,
    evaluate_table,
    make_folder,
    read_rival,
    step,
    write_evaluation,
    write_predictions,
)
from cxrkit.serving.localising import localise_preset
from cxrkit.serving.recording import check_recordable, record_evaluation

RESULTS = (PREDICTIONS, EVALUATION, REPORT)


@dataclass(frozen=True)
class Table:
    """Which rows of which table to judge; see `cxrkit.data.manifest.read_manifest` for what each means.

    `allow_missing` takes a table without any label too: its radiographs are scored, and their maps
    examined. `skip_unreadable` leaves out images that cannot be read instead of refusing the table.
    `degradation` makes every image worse before it is scored; see `cxrkit.imaging.degradation.degrade`.
    """

    path: Path
    images: Path | None = None
    split: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    label_map: Mapping[str, str] = field(default_factory=dict)
    allow_missing: bool = False
    skip_unreadable: bool = False
    degradation: Mapping[str, float] = field(default_factory=dict)

    def rows(self, findings: Sequence[str]) -> Manifest:
        """The rows to judge."""
        return self._read(findings, self.split, self.only)

    def every_row(self, findings: Sequence[str]) -> Manifest:
        """The rows of all splits."""
        return self._read(findings, None, {})

    def _read(self, findings: Sequence[str], split: str | None, only: Mapping[str, str]) -> Manifest:
        return read_manifest(
            self.path,
            findings,
            images=self.images,
            split=split,
            only=only,
            label_map=self.label_map,
            allow_unlabelled=self.allow_missing,
        )


@dataclass(frozen=True, eq=False)
class Maps:
    """What to do with the Grad-CAM maps.

    Attributes
    ----------
    boxes
        Tables of boxes to hold the maps against, for radiographs of all splits: they are reported by
        split, those trained on apart.
    attention
        Radiographs to examine the attention on; 0 for none.
    """

    boxes: Sequence[Boxes] = ()
    attention: int = 0

    def __post_init__(self) -> None:
        if len({boxes.source for boxes in self.boxes}) < len(self.boxes):
            raise ManifestError("Two tables of boxes have one name.", "Give each file a name of its own.")


NO_MAPS = Maps()


def judge_preset(
    preset: Preset,
    table: Table,
    out: str | os.PathLike[str],
    *,
    options: Options = NOTHING_ELSE,
    maps: Maps = NO_MAPS,
    report: bool = True,
    record: bool = False,
    replace: bool = False,
    precision: Precision = "float32",
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score a table with a preset and judge the scores at the preset's operating points.

    Writes ``predictions.csv``, ``evaluation.json`` and ``report.html`` into the folder `out`, which is
    made first, so that an hour of scoring is not lost to a name that cannot be written.

    Parameters
    ----------
    preset, table
        The model, and the labelled radiographs.
    out
        Folder, made if need be.
    options, maps
        What else to judge.
    report
        Whether to write the report and its galleries.
    record, replace
        Whether to store the metrics in the preset's card, and whether those of another table may be
        replaced there; see `cxrkit.serving.recording`.
    precision
        In which the network computes.
    progress
        Called with (what is being done, how much of it is done, of how much).
    tell
        Called with a line per image that was left out.

    Raises
    ------
    CxrError
        Of the table, the weights or an image, or `ManifestError` where `out` cannot be written or would
        lose a table that was read.
    """
    refuse_overwriting(out, [table.path, options.against])
    if table.degradation and (record or maps.boxes or maps.attention):
        raise ManifestError(
            "Degraded images are scored, but neither recorded in a card nor are their maps examined.",
            "Leave either the degradation or these out.",
        )
    manifest = table.rows(preset.findings)
    source, split = Source(name=manifest.source, sha256=manifest.sha256), table.split or ALL_ROWS
    against = read_rival(options, manifest.table, preset.findings)
    if record:
        _refuse_a_part(table, manifest)
        check_recordable(preset, split, source, len(manifest), manifest.counts(), replace=replace)
    manifest, unreadable = readable(manifest, skip=table.skip_unreadable, progress=step(progress, "checking"))
    for one in unreadable:
        if tell is not None:
            tell(f"left out, {one}")
    if record and unreadable:
        raise ManifestError(
            f"{len(unreadable)} images of the split cannot be read, and a card holds metrics of whole splits alone.",
            "Mend these images, or do not record the evaluation.",
        )
    every_row = table.every_row(preset.findings) if maps.boxes else manifest
    for boxes in maps.boxes:
        if not any(boxes.join(every_row)):
            raise ManifestError(
                f"None of the boxes of {boxes.source} belongs to an image of the table.",
                "Name images in both tables alike, or give the column nih_name.",
            )
    make_folder(out)
    from cxrkit.model.manager import XRayModelManager  # loads keras: only once the table is known to be good

    manager = XRayModelManager(preset, precision=precision)
    scores = score_manifest(manager, manifest, degradation=table.degradation, progress=step(progress, "scoring"))
    write_predictions(scores, out)
    evaluation = evaluate_table(
        preset, scores, source, split=split, threshold=options.threshold, against=against, progress=progress
    )
    if table.degradation:
        note = f"Every image was degraded before it was scored: {describe(table.degradation)}."
        evaluation = evaluation.model_copy(update={"notes": (note, *evaluation.notes)})
    if precision != "float32":
        note = f"The network computed in {precision}, which readings do only where it is asked for."
        evaluation = evaluation.model_copy(update={"notes": (note, *evaluation.notes)})
    if maps.boxes:
        named = {boxes.source: boxes for boxes in maps.boxes}
        located = localise_preset(manager, every_row, named, progress=step(progress, "locating"))
        evaluation = evaluation.model_copy(update={"localisation": located})
    if maps.attention:
        seen = examine_attention(
            manager, manifest, sample=maps.attention, progress=step(progress, "examining the attention")
        )
        evaluation = evaluation.model_copy(update={"attention": seen})
    write_evaluation(evaluation, out)
    if report:
        picks = {} if table.degradation else choose(scores, evaluation)  # a gallery shows the files as they are
        galleries = render(manager, manifest, picks, progress=step(progress, "drawing"))
        write_report(evaluation, out, gallery=galleries, preset=preset)
    if record:
        record_evaluation(preset, evaluation, replace=replace)
    return evaluation


def _refuse_a_part(table: Table, manifest: Manifest) -> None:
    """Refuse to record rows picked from a split, and findings that the table does not know."""
    if table.only:
        raise ManifestError("A card holds metrics of whole splits alone.", "Do not choose rows by other columns.")
    unknown = [count.finding for count in manifest.counts() if not count.total]
    if table.allow_missing and unknown:
        raise ManifestError(
            f"The table has no label of {', '.join(unknown)}, and a card holds metrics of all its findings.",
            "Add the labels, or do not record the evaluation.",
        )


def refuse_overwriting(out: str | os.PathLike[str], inputs: Iterable[Path | None], *, kept: Path | None = None) -> None:
    """Refuse a folder for results in which a file that is read would be written over.

    Parameters
    ----------
    out
        The folder; it need not exist.
    inputs
        Files that are read; None stands for one that was not given.
    kept
        A table of predictions, which `write_judged` leaves as it is.

    Raises
    ------
    ManifestError
        The results would replace one of the files, or the evaluation that belongs to a model's card.
    """
    folder = Path(out)
    try:
        own = kept is not None and _same(folder / PREDICTIONS, kept)
        written = [folder / name for name in RESULTS if not (own and name == PREDICTIONS)]
        lost = next((one.name for one in written for path in (*inputs, kept) if path and _same(one, path)), None)
        model = (folder / CARD).is_file()
    except OSError:
        raise ManifestError(*UNWRITABLE) from None
    if lost is not None:
        raise ManifestError(
            f"One of the files to read is the {lost} in the folder for the results, which would be written over.",
            "Name another folder for the results.",
        )
    if model:
        raise ManifestError(
            "The folder for the results holds a model, and its recorded evaluation would be written over.",
            "Name another folder for the results; --record stores an evaluation with the model.",
        )


def _same(one: Path, other: Path) -> bool:
    """Whether two names are of one file, by whatever links."""
    return one.exists() and other.exists() and one.samefile(other)


def write_judged(
    evaluation: Evaluation, table: pd.DataFrame, out: str | os.PathLike[str], *, source: Path, report: bool
) -> None:
    """Write what `cxrkit.serving.judging.judge_predictions` found into `out`.

    The rows go into ``predictions.csv`` as they were judged, unless that is `source`, the table that they
    come from. Raises `ManifestError` as `refuse_overwriting` does.
    """
    refuse_overwriting(out, [], kept=source)
    write_evaluation(evaluation, out)
    if not _same(Path(out) / PREDICTIONS, source):
        write_predictions(table, out)
    if report:
        write_report(evaluation, out)

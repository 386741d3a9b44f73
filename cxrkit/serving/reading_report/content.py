"""What stands on the page, in words: the same for the PDF file and for the HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import cxrkit
from cxrkit.card import MINIMUM_POSITIVES, OperatingPoint
from cxrkit.charts import overlay
from cxrkit.charts.style import percent
from cxrkit.findings import finding_text
from cxrkit.imaging.quality import NAMES
from cxrkit.preset import Preset
from cxrkit.quality import QualityReport
from cxrkit.radiograph import Radiograph
from cxrkit.reading import PERCENTILES, Reading, in_doubt
from cxrkit.serving.reading_report.figures import PICTURE_SIDE, Figure, figure, map_figure

MOST_MAPS = 4


class Judged(Protocol):
    """One finding against the operating point that the reader chose; `cxrkit.dashboard.ranking.Standing` is one."""

    @property
    def finding(self) -> str:
        """Its name in the preset."""
        ...

    @property
    def threshold(self) -> float | None:
        """On the calibrated probability, or None without an operating point."""
        ...

    @property
    def point(self) -> OperatingPoint | None:
        """What the threshold gave on the split that it was fitted on, where that is known."""
        ...

    @property
    def supported(self) -> bool:
        """Whether the threshold can be relied on."""
        ...

    @property
    def past(self) -> bool:
        """Probability at or above the threshold."""
        ...

    @property
    def positive(self) -> bool:
        """Past a threshold that can be relied on."""
        ...


@dataclass(frozen=True)
class Line:
    """One finding, in words; `strong` where it is past a threshold that can be relied on."""

    finding: str
    probability: str
    interval: str
    threshold: str
    verdict: str
    rates: str
    fitted: str
    strong: bool
    supported: bool


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page, in the order of the page. No identity: neither a name nor what a file said of one."""

    title: str
    disclaimer: str
    notice: str
    facts: tuple[tuple[str, str], ...]
    impression: str
    impression_language: str
    radiograph: Figure
    maps: tuple[Figure, ...]
    maps_note: str
    rule: str
    lines: tuple[Line, ...]
    has_intervals: bool
    footnotes: tuple[str, ...]
    quality: tuple[str, ...]
    notes: tuple[str, ...]
    origin: tuple[tuple[str, str], ...]


def compose(
    radiograph: Radiograph,
    reading: Reading,
    preset: Preset,
    judged: Sequence[Judged],
    *,
    rule: str,
    made: date,
    copy: overlay.DisplayCopy | None = None,
    look: overlay.Look | None = None,
    captions: Sequence[str] = (),
    impression: str = "",
    impression_language: str = "en",
) -> Report:
    """Put a reading into the words of a report.

    Parameters
    ----------
    radiograph
        As it was read, that is with the corrections of the reading.
    reading
        Of this radiograph. One that is refused has no report, unless the reader asked for it all the same.
    judged
        Every finding against the operating point, in the order in which they are listed.
    rule
        Name and meaning of the operating point, such as "Youden: balances both errors".
    made
        The date on the report.
    copy
        The picture that is shown, with whatever is blanked in it; made of `radiograph` by default.
    look
        How maps are laid over it.
    captions
        Further sentences on the picture, such as that boxes are blanked.
    impression, impression_language
        A paragraph on the numbers in plain language, empty for none; and the code of its language.

    Raises
    ------
    ValueError
        The reading is refused, or is not of this radiograph, or its findings are others than those of `judged`.
    """
    if reading.quality.refused:
        raise ValueError("a refused reading has no report")
    if reading.radiograph_sha256 != radiograph.sha256:
        raise ValueError("the reading is of another radiograph")
    if {at.finding for at in judged} != set(reading.prediction):
        raise ValueError("findings and operating points do not match")
    shown = copy or overlay.display_copy(radiograph)
    chosen, why = _chosen(reading, judged)
    unsupported = any(not at.supported and at.threshold is not None for at in judged)
    intervals = any(score.interval is not None for score in reading.prediction.scores.values())
    return Report(
        title="Reading of one chest radiograph",
        disclaimer=reading.disclaimer,
        notice=reading.notice,
        facts=_facts(radiograph),
        impression=impression,
        impression_language=impression_language,
        radiograph=figure(overlay.small(shown, PICTURE_SIDE), "Radiograph", " ".join(captions)),
        maps=tuple(
            map_figure(shown, reading.explanations[at.finding], reading, look or overlay.Look()) for at in chosen
        ),
        maps_note=why,
        rule=rule,
        lines=tuple(_line(at, reading) for at in judged),
        has_intervals=intervals,
        footnotes=_footnotes(preset, reading, intervals=intervals, unsupported=unsupported),
        quality=quality_sentences(reading.quality),
        notes=(*reading.warnings, *reading.notes),
        origin=(
            ("Model", f"{preset.title} ({preset.name}, version {preset.version})"),
            ("Weights sha256", reading.weights_sha256),
            ("Image sha256", f"{reading.radiograph_sha256[:16]} ..."),
            ("Made", f"{made.isoformat()} with cxrkit {cxrkit.__version__}"),
        ),
    )


def quality_sentences(quality: QualityReport) -> tuple[str, ...]:
    """What was found of the picture, what was done to it, and what the reader decided."""
    said = []
    if quality.overridden:
        said.append("SHOWN AT THE READER'S REQUEST, IN SPITE OF A REFUSAL: do not rely on it.")
    if quality.correction:
        said.append("Put into place before it was read: " + _steps(quality.correction) + ".")
    if quality.proposed:
        said.append(
            "Read as it lies, although it looks to the model as if it needed: " + _steps(quality.proposed) + "."
        )
    said += [issue.message for issue in quality.issues if issue.code not in ("inverted", "rotated")]
    if quality.distance is not None:
        inside = "inside" if quality.distance <= 1 else "outside"
        said.append(
            f"Distance from the model's training radiographs: {quality.distance:.2f} of the limit ({inside} of it)."
        )
    else:
        said.append("This model has no gate: whether the picture is a frontal chest radiograph was not checked.")
    if not quality.issues and not quality.correction and not quality.proposed:
        said.insert(0, "Nothing was found against the picture.")
    return tuple(said)


def _steps(corrections: Sequence[str]) -> str:
    return " and ".join(NAMES[step].lower() for step in corrections)  # type: ignore[index]


def _chosen(reading: Reading, judged: Sequence[Judged]) -> tuple[list[Judged], str]:
    """The findings whose maps are shown, and the sentences that say which they are."""
    with_map = [at for at in judged if reading.explanations[at.finding].has_positive_evidence]
    if not with_map:
        return [], "Nothing in this radiograph raised a score: there is no map to show."
    rows, columns = reading.explanations[with_map[0].finding].map.shape
    how = f"Grad-CAM, {rows} x {columns}: where the model looked, not the outline of a lesion."
    positive = [at for at in with_map if at.positive]
    if not positive:
        which = "No finding with a map is past a threshold that can be relied on: the map of the first one listed."
        return with_map[:1], f"{which} {how}"
    if len(positive) > MOST_MAPS:
        which = f"Maps of the first {MOST_MAPS} of {len(positive)} findings past their threshold."
    else:
        which = "Maps of the findings past their threshold."
    return positive[:MOST_MAPS], f"{which} {how}"


def _line(at: Judged, reading: Reading) -> Line:
    score = reading.prediction.score(at.finding)
    doubt = in_doubt(score.interval, at.threshold)
    verdict = "no operating point" if at.threshold is None else "past" if at.past else "below"
    verdict += ", in doubt" if doubt else ""
    point = at.point
    return Line(
        finding=finding_text(at.finding).label,
        probability=percent(score.probability),
        interval="" if score.interval is None else f"{percent(score.interval.low)} to {percent(score.interval.high)}",
        threshold="–" if at.threshold is None else percent(at.threshold),
        verdict=verdict if at.supported or at.threshold is None else f"{verdict} *",
        rates="not known" if point is None else f"{percent(point.sensitivity)} / {percent(point.specificity)}",
        fitted="–" if point is None else f"{point.split}, {point.n:,} ({point.positives:,})",
        strong=at.positive,
        supported=at.supported,
    )


def _footnotes(preset: Preset, reading: Reading, *, intervals: bool, unsupported: bool) -> tuple[str, ...]:
    said = []
    if preset.reference_prevalence is not None:
        said.append(
            f"Probabilities are calibrated, and stated at the prevalence of {preset.reference_prevalence.source}."
        )
    else:
        splits = sorted({f"{c.split} (n = {c.n:,})" for c in preset.calibration.values()})
        said.append(
            f"Probabilities are stated at the prevalence of the set they were calibrated on: {', '.join(splits)}."
        )
    if intervals and reading.dropout is not None:
        low, high = PERCENTILES
        said.append(
            f"Interval: {low}th to {high}th percentile of {reading.dropout.draws} draws with dropout in the head (seed "
            f"{reading.dropout.seed}); in doubt: it reaches across the threshold."
        )
    if unsupported:
        said.append(f"* Fewer than {MINIMUM_POSITIVES} cases to fit the threshold on: do not rely on it.")
    return tuple(said)


def _facts(radiograph: Radiograph) -> tuple[tuple[str, str], ...]:
    kind = {"phantom": "synthetic phantom, not a patient"}.get(radiograph.source_format, radiograph.source_format)
    facts = [("File", ", ".join(filter(None, (kind, radiograph.modality))))]
    facts += [("Size", f"{radiograph.width} x {radiograph.height} pixels")]
    facts += [("View", radiograph.view or "not stated")]
    facts += [("Age band, sex", f"{radiograph.age_band or 'not stated'}, {radiograph.sex or 'not stated'}")]
    return tuple(facts)

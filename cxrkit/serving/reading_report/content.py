"""What stands on the page, in words: the same for the PDF file and for the HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import cxrkit
from cxrkit.card import MINIMUM_POSITIVES, OperatingPoint
from cxrkit.charts import overlay
from cxrkit.preset import Preset
from cxrkit.quality import QualityReport
from cxrkit.radiograph import Radiograph
from cxrkit.reading import PERCENTILES, Interval, Reading, in_doubt
from cxrkit.serving.reading_report.figures import PICTURE_SIDE, Figure, figure, map_figure
from cxrkit.serving.reading_report.words import Headings, Words

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

    language: str
    title: str
    disclaimer: str
    notice: str
    facts: tuple[tuple[str, str], ...]
    impression: str
    radiograph: Figure
    maps: tuple[Figure, ...]
    maps_note: str
    headings: Headings
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
    language: str = "en",
) -> Report:
    """Put a reading into the words of a report.

    What a file, a preset's card or the reader said stands as it was said, whatever the language.

    Parameters
    ----------
    radiograph
        As it was read, that is with the corrections of the reading.
    reading
        Of this radiograph. One that is refused has no report, unless the reader asked for it all the same.
    judged
        Every finding against the operating point, in the order in which they are listed.
    rule
        Name and meaning of the operating point in that language, such as "Youden: balances both errors".
    made
        The date on the report.
    copy
        The picture that is shown, with whatever is blanked in it; made of `radiograph` by default.
    look
        How maps are laid over it.
    captions
        Further sentences on the picture, such as that boxes are blanked.
    impression
        A paragraph on the numbers in plain language, empty for none.
    language
        Of the impression and of the report's own words: a key of `cxrkit.impression.LANGUAGES`.

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
    words = Words.of(language)
    t = words.t
    shown = copy or overlay.display_copy(radiograph)
    chosen, why = _chosen(words, reading, judged)
    unsupported = any(not at.supported and at.threshold is not None for at in judged)
    intervals = any(score.interval is not None for score in reading.prediction.scores.values())
    return Report(
        language=language,
        title=t.gettext("Reading of one chest radiograph"),
        disclaimer=t.gettext(reading.disclaimer),
        notice=reading.notice,
        facts=_facts(words, radiograph),
        impression=impression,
        radiograph=figure(overlay.small(shown, PICTURE_SIDE), t.gettext("Radiograph"), " ".join(captions)),
        maps=tuple(
            map_figure(words, shown, reading.explanations[at.finding], reading, look or overlay.Look()) for at in chosen
        ),
        maps_note=why,
        headings=words.headings(rule),
        lines=tuple(_line(words, at, reading) for at in judged),
        has_intervals=intervals,
        footnotes=_footnotes(words, preset, reading, intervals=intervals, unsupported=unsupported),
        quality=_quality(words, reading.quality),
        notes=(*reading.warnings, *reading.notes),
        origin=_origin(words, reading, preset, made),
    )


def _origin(words: Words, reading: Reading, preset: Preset, made: date) -> tuple[tuple[str, str], ...]:
    t = words.t
    model = t.gettext("{title} ({name}, version {version})")
    return (
        (t.gettext("Model"), model.format(title=preset.title, name=preset.name, version=preset.version)),
        (t.gettext("Weights sha256"), reading.weights_sha256),
        (t.gettext("Image sha256"), f"{reading.radiograph_sha256[:16]} ..."),
        (t.gettext("Made"), t.gettext("{day} with cxrkit {version}").format(day=made, version=cxrkit.__version__)),
    )


def _quality(words: Words, quality: QualityReport) -> tuple[str, ...]:
    """What was found of the picture, what was done to it, and what the reader decided."""
    t = words.t
    said = []
    if quality.overridden:
        said.append(t.gettext("SHOWN AT THE READER'S REQUEST, IN SPITE OF A REFUSAL: do not rely on it."))
    if quality.correction:
        steps = words.listed([words.correction(step) for step in quality.correction])
        said.append(t.gettext("Put into place before it was read: {steps}.").format(steps=steps))
    if quality.proposed:
        steps = words.listed([words.correction(step) for step in quality.proposed])
        sentence = t.gettext("Read as it lies, although it looks to the model as if it had to be {steps}.")
        said.append(sentence.format(steps=steps))
    said += [t.gettext(issue.message) for issue in quality.issues if issue.code not in ("inverted", "rotated")]
    if quality.distance is None:
        said.append(
            t.gettext("This model has no gate: whether the picture is a frontal chest radiograph was not checked.")
        )
    elif quality.distance <= 1:
        sentence = t.gettext("Distance from the model's training radiographs: {distance} of the limit (inside of it).")
        said.append(sentence.format(distance=words.decimal(quality.distance, 2)))
    else:
        sentence = t.gettext("Distance from the model's training radiographs: {distance} of the limit (outside of it).")
        said.append(sentence.format(distance=words.decimal(quality.distance, 2)))
    if not quality.issues and not quality.correction and not quality.proposed:
        said.insert(0, t.gettext("Nothing was found against the picture."))
    return tuple(said)


def _chosen(words: Words, reading: Reading, judged: Sequence[Judged]) -> tuple[list[Judged], str]:
    """The findings whose maps are shown, and the sentences that say which they are."""
    t = words.t
    with_map = [at for at in judged if reading.explanations[at.finding].has_positive_evidence]
    if not with_map:
        return [], t.gettext("Nothing in this radiograph raised a score: there is no map to show.")
    rows, columns = reading.explanations[with_map[0].finding].map.shape
    how = t.gettext("Grad-CAM, {rows} x {columns}: where the model looked, not the outline of a lesion.").format(
        rows=rows, columns=columns
    )
    positive = [at for at in with_map if at.positive]
    if not positive:
        which = t.gettext(
            "No finding with a map is past a threshold that can be relied on: the map of the first one listed."
        )
        return with_map[:1], f"{which} {how}"
    if len(positive) > MOST_MAPS:
        which = t.gettext("Maps of the first {n} of {all} findings past their threshold.").format(
            n=MOST_MAPS, all=len(positive)
        )
    else:
        which = t.gettext("Maps of the findings past their threshold.")
    return positive[:MOST_MAPS], f"{which} {how}"


def _line(words: Words, at: Judged, reading: Reading) -> Line:
    t, score, point = words.t, reading.prediction.score(at.finding), at.point
    if at.threshold is None:
        verdict = t.gettext("no operating point")
    else:
        verdict = t.gettext("past") if at.past else t.gettext("below")
    if in_doubt(score.interval, at.threshold):
        verdict = t.gettext("{verdict}, in doubt").format(verdict=verdict)
    rates = t.gettext("not known")
    if point is not None:
        rates = f"{words.share(point.sensitivity)} / {words.share(point.specificity)}"
    return Line(
        finding=words.label(at.finding),
        probability=words.share(score.probability),
        interval="" if score.interval is None else _between(words, score.interval),
        threshold="–" if at.threshold is None else words.share(at.threshold),
        verdict=verdict if at.supported or at.threshold is None else f"{verdict} *",
        rates=rates,
        fitted="–" if point is None else f"{point.split}, {words.count(point.n)} ({words.count(point.positives)})",
        strong=at.positive,
        supported=at.supported,
    )


def _between(words: Words, interval: Interval) -> str:
    return words.t.gettext("{low} to {high}").format(low=words.share(interval.low), high=words.share(interval.high))


def _footnotes(
    words: Words, preset: Preset, reading: Reading, *, intervals: bool, unsupported: bool
) -> tuple[str, ...]:
    t, said = words.t, []
    if preset.reference_prevalence is not None:
        sentence = t.gettext("Probabilities are calibrated, and stated at the prevalence of {source}.")
        said.append(sentence.format(source=preset.reference_prevalence.source))
    else:
        splits = sorted({f"{c.split} (n = {words.count(c.n)})" for c in preset.calibration.values()})
        sentence = t.gettext("Probabilities are stated at the prevalence of the set they were calibrated on: {sets}.")
        said.append(sentence.format(sets=", ".join(splits)))
    if intervals and reading.dropout is not None:
        low, high = PERCENTILES
        sentence = t.gettext(
            "Interval: {low}th to {high}th percentile of {draws} draws with dropout in the head (seed {seed}); in "
            "doubt: it reaches across the threshold."
        )
        said.append(sentence.format(low=low, high=high, draws=reading.dropout.draws, seed=reading.dropout.seed))
    if unsupported:
        sentence = t.gettext("* Fewer than {n} cases to fit the threshold on: do not rely on it.")
        said.append(sentence.format(n=MINIMUM_POSITIVES))
    return tuple(said)


def _facts(words: Words, radiograph: Radiograph) -> tuple[tuple[str, str], ...]:
    t = words.t
    unknown, kind = t.gettext("not stated"), radiograph.source_format
    if kind == "phantom":
        kind = t.gettext("synthetic phantom, not a patient")
    size = t.gettext("{width} x {height} pixels").format(width=radiograph.width, height=radiograph.height)
    return (
        (t.gettext("File"), ", ".join(filter(None, (kind, radiograph.modality)))),
        (t.gettext("Size"), size),
        (t.gettext("View"), radiograph.view or unknown),
        (t.gettext("Age band, sex"), f"{radiograph.age_band or unknown}, {radiograph.sex or unknown}"),
    )

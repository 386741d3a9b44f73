"""What a card says of doubt: how often readings abstained on validation, and whether that told the wrong ones."""

from __future__ import annotations

from cxrkit.card import DoubtMeasure
from cxrkit.dashboard.blocks import paragraph, table
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.ranking import RULES
from cxrkit.evaluation.metrics import proportion
from cxrkit.findings import finding_text
from cxrkit.preset import Preset

HEAD = (
    "Finding",
    "Operating point",
    "In doubt",
    "Wrong among these",
    "Wrong among the others",
    "Wrong among as many nearest to the threshold",
)


def doubt_html(preset: Preset) -> str:
    """The dropout from which intervals come, and a row per finding and operating point."""
    doubt = preset.doubt
    if doubt is None:
        return paragraph("No interval is fitted for these weights: unless their head has dropout, no reading abstains.")
    how = "the head's own dropout" if doubt.rate is None else f"{100 * doubt.rate:.3g} % of the features dropped"
    text = (
        f"A probability has an interval, the 5th to 95th percentile of {doubt.draws} draws with {how} "
        f"(seed {doubt.seed}). A reading is in doubt, and abstains, where the interval reaches across the threshold."
    )
    measured = (
        f"Counted on split {doubt.split}, on which the thresholds were fitted, too. In brackets: 95 % interval "
        "(Wilson). Where the last column holds as many as the fourth, doubt tells no more than the distance from the "
        "threshold."
    )
    rows = [_row(measure) for measure in doubt.measures]
    return paragraph(text) + (paragraph(measured) + table(HEAD, rows) if rows else paragraph("It was not measured."))


def _row(measure: DoubtMeasure) -> list[str]:
    others = measure.n - measure.in_doubt
    return [
        finding_text(measure.finding).label,
        RULES[measure.rule][0],
        _share(measure.in_doubt, measure.n),
        _share(measure.wrong_in_doubt, measure.in_doubt),
        _share(measure.wrong_otherwise, others),
        f"{measure.wrong_nearest:,} of {measure.in_doubt:,}",
    ]


def _share(part: int, whole: int) -> str:
    found = proportion(part, whole)
    if found is None or found.low is None or found.high is None:
        return "none"
    return f"{part:,} of {whole:,}, {percent(found.value)} ({percent(found.low)} to {percent(found.high)})"

"""How a reading is put together from what was computed: scores, explanations, the quality report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrkit.imaging.preprocessing import covered_box
from cxrkit.imaging.quality import check_picture
from cxrkit.model.dropout import percentiles
from cxrkit.model.gate import Gate, Verdict
from cxrkit.model.lungs import EDGE_LIMIT, Mask, edge_share, outside_shares, share_inside
from cxrkit.model.runtimes import Precision
from cxrkit.preset import Preset
from cxrkit.quality import QualityIssue, QualityReport, ordered
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Explanation, FindingScore, Interval, Prediction, Reading

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ReadingWriter:
    """Writes down what a preset's network gave.

    Attributes
    ----------
    preset
        The card: findings, calibration, population.
    gate
        Judges whether the picture is one to read, where the preset has one.
    precision
        In which the network computes.
    """

    preset: Preset
    gate: Gate | None
    precision: Precision

    def verdicts(self, described: Floats, lungs: Sequence[Mask | None]) -> Sequence[Verdict | None]:
        """What the gate says of n pictures, from their (n, D) descriptors and their lungs; None without a gate."""
        return [None] * len(lungs) if self.gate is None else self.gate.verdicts(described, lungs)

    def scored(
        self, prediction: Prediction, verdict: Verdict | None, radiograph: Radiograph, lungs: Mask | None
    ) -> Reading:
        """A reading without maps, from what was predicted and what `verdicts` gave."""
        return Reading(
            prediction=prediction,
            explanations={},
            quality=self.quality(radiograph, verdict, lungs),
            notes=radiograph.notes,
            warnings=self.preset.population.mismatches(radiograph.age_band, radiograph.view),
            preset=self.preset.name,
            weights_sha256=self.preset.weights_sha256,
            radiograph_sha256=radiograph.sha256,
            notice=self.preset.notice,
            precision=self.precision,
        )

    def explanations(self, maps: Floats, radiograph: Radiograph, lungs: Mask | None) -> dict[str, Explanation]:
        """Explanations of all findings from their (C, H, W) maps; with lungs, where their evidence lies."""
        maps.setflags(write=False)
        height, width = radiograph.height, radiograph.width
        box = covered_box(height, width, self.preset.geometry, self.preset.border)
        inside = None if lungs is None else share_inside(lungs, box, height, width, maps.shape[1:])
        limits = {} if self.preset.quality_gate is None else self.preset.quality_gate.evidence_limits
        layer = self.preset.feature_layer
        return {
            finding: Explanation(
                finding,
                "grad-cam",
                layer,
                map_,
                box,
                peak,
                outside,
                limits.get(finding),
            )
            for finding, map_, peak, outside in zip(
                self.preset.findings, maps, maps.max(axis=(1, 2)).tolist(), outside_shares(maps, inside), strict=True
            )
        }

    def quality(self, radiograph: Radiograph, verdict: Verdict | None, lungs: Mask | None) -> QualityReport:
        """The report on one picture as it lies."""
        issues = list(check_picture(radiograph))
        if lungs is not None and not lungs.any():
            # of 600 training and validation radiographs of four sets, lungs were found in every one
            issues.append(QualityIssue("no-lungs", "warn" if self.gate is None else "refuse"))
        elif lungs is not None and edge_share(lungs) > EDGE_LIMIT:
            issues.append(QualityIssue("cropped", "warn"))
        if verdict is None:
            return QualityReport(ordered(issues))
        if verdict.proposed:
            issues += [QualityIssue("inverted" if s == "invert" else "rotated", "warn") for s in verdict.proposed]
        else:
            issues += verdict.issues()
        return QualityReport(ordered(issues), proposed=verdict.proposed, distance=verdict.distance)

    def prediction(self, logits: Floats, draws: Floats | None = None) -> Prediction:
        """Scores of (C,) logits; with (draws, C) logits, their intervals. A percentile of logits is one of
        probabilities, too, since calibration rises."""
        ends = None if draws is None else percentiles(draws).T.tolist()
        scores = {}
        for place, (finding, value) in enumerate(zip(self.preset.findings, logits.tolist(), strict=True)):
            probability = self.preset.calibration[finding].probability
            interval = None if ends is None else Interval(*map(probability, ends[place]))
            scores[finding] = FindingScore(probability(value), value, interval)
        return Prediction(scores)

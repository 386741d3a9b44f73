"""How much of a head to drop so that its intervals are neither empty nor vacuous; and what the doubt is worth.

A head that was trained without dropout does not say how much of it may be missing. The rate is fixed by what the
validation split leaves open anyway: at each supported Youden's point, the standard error of the calibration line, in
log-odds. The rate is that at which the draws of a typical validation radiograph spread as far. The number of cases
decides how wide an interval is on the whole; dropout decides for which radiographs it is wider. Nothing is chosen by
errors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cxrkit.card import Doubt, DoubtMeasure, Rule
from cxrkit.data.manifest import Manifest
from cxrkit.errors import RadiographError, TrainingError
from cxrkit.evaluation.calibration import apply_calibration
from cxrkit.evaluation.calibration_line import error_at
from cxrkit.evaluation.doubt import count_doubt
from cxrkit.imaging.loading import load_radiograph
from cxrkit.model.dropout import DRAWS, SEED, DropoutDraws
from cxrkit.model.head import Head, Linear
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from cxrkit.reading import PERCENTILES
from cxrkit.training.gate_fitting import split_source
from cxrkit.training.sources import Source

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Tell = Callable[[str], None]
RULES: tuple[Rule, ...] = ("youden", "screening", "rule-in")


@dataclasses.dataclass(frozen=True, eq=False)
class Validation:
    """Validation rows as the head sees them.

    Attributes
    ----------
    averages
        n x K global averages.
    labels
        n x C, NaN where unknown.
    patients
        n keys.
    """

    averages: Floats
    labels: Doubles
    patients: npt.NDArray[np.str_]


def fit_doubt(folder: Path, sources: Sequence[Source], *, seed: int, command: str, tell: Tell) -> Preset:
    """Fit and measure the dropout of the preset in a folder, and write its card anew; nothing else of it changes.

    Parameters
    ----------
    sources
        The tables of the training, with the options that cut its validation part.
    seed
        Of that cut; the masks have their own, `cxrkit.model.dropout.SEED`.

    Raises
    ------
    TrainingError
        The rows are not those that the operating points were fitted on, or no operating point is supported.
    ManifestError
        A table cannot be read.
    """
    preset = Preset.load(folder)
    manager = XRayModelManager(dataclasses.replace(preset, quality_gate=None, doubt=None))
    rows = _read(manager, sources, seed, tell)
    _check_rows(preset, rows)
    head = manager.head
    doubt = Doubt(
        rate=None if head.dropout else fitted_rate(preset, head, rows),
        draws=DRAWS,
        seed=SEED,
        weights_sha256=preset.weights_sha256,
        split=preset.operating_points[0].split,
        command=command,
    )
    if doubt.rate is not None:
        spreads = np.sqrt(_squares(head, rows))
        varies = float(np.mean(spreads.std(axis=0) / spreads.mean(axis=0)))
        tell(f"rate {doubt.rate:g}; the spread of the draws varies by {varies:.0%} from one radiograph to the next")
    draws = DropoutDraws.of(head, doubt)
    assert draws is not None  # it has a rate, or dropout of its own
    doubt = dataclasses.replace(doubt, measures=measure(preset, draws, rows))
    for each in doubt.measures:
        tell(f"{each.finding} {each.rule}: {each.in_doubt} of {each.n} in doubt, {each.wrong_in_doubt} of them wrong")
    fitted = dataclasses.replace(preset, doubt=doubt)
    fitted.save(folder)
    return fitted


def fitted_rate(preset: Preset, head: Head, rows: Validation) -> float:
    """The rate at which draws spread as far as the calibration line's standard error at Youden's points.

    With ``q = rate / (1 - rate)`` the variance of a calibrated logit over the masks is exactly
    ``q * slope ** 2 * sum_k (x_k * W_kc) ** 2`` for averages x and kernel W. Its median over the rows is set equal to
    the squared standard error, and q is averaged over the findings whose points are supported.

    Raises
    ------
    TrainingError
        The head has more than one dense step, or no finding has a supported point.
    """
    if len(head.dense) != 1:
        raise TrainingError(
            "A rate can only be fitted for a head of one dense layer.", "Train the other head with dropout."
        )
    logits = head.behind_average(rows.averages)
    probabilities = apply_calibration(logits, preset.calibration, preset.findings)
    squares = _squares(head, rows)
    odds = []
    for k, finding in enumerate(preset.findings):
        point = preset.operating_point(finding, "youden")
        if point is None or not point.supported:
            continue
        error = error_at(rows.labels[:, k], probabilities[:, k], point.threshold, rows.patients)
        if error is not None:
            odds.append(error**2 / (preset.calibration[finding].slope ** 2 * float(np.median(squares[:, k]))))
    if not odds:
        raise TrainingError(
            "No finding has enough validation cases to tell how wide an interval should be.",
            "Fit on a larger validation split, or train with dropout in the head.",
        )
    mean = float(np.mean(odds))
    return round(mean / (1 + mean), 3)


def _squares(head: Head, rows: Validation) -> Doubles:
    """n x C: the variance of the logits over the masks of one dense step, divided by ``rate / (1 - rate)``."""
    (last,) = head.dense
    assert isinstance(last, Linear)
    return np.asarray(rows.averages.astype(np.float64) ** 2 @ last.kernel.astype(np.float64) ** 2)


def measure(preset: Preset, draws: DropoutDraws, rows: Validation) -> tuple[DoubtMeasure, ...]:
    """Doubt and errors at every supported operating point."""
    probabilities = apply_calibration(draws.head.behind_average(rows.averages), preset.calibration, preset.findings)
    ends = [np.percentile(draws.logits(x), PERCENTILES, axis=0) for x in rows.averages]
    low, high = (
        apply_calibration(np.stack(end), preset.calibration, preset.findings) for end in zip(*ends, strict=True)
    )
    found = []
    for k, finding in enumerate(preset.findings):
        for rule in RULES:
            point = preset.operating_point(finding, rule)
            if point is not None and point.supported:
                counts = count_doubt(rows.labels[:, k], probabilities[:, k], low[:, k], high[:, k], point.threshold)
                found.append(DoubtMeasure(finding, rule, **dataclasses.asdict(counts)))
    return tuple(found)


def _read(manager: XRayModelManager, sources: Sequence[Source], seed: int, tell: Tell) -> Validation:
    """The validation rows of all tables; what cannot be read is refused, as by the training."""
    parts = [part for source in sources if (part := split_source(source, manager.preset, seed)[1]) is not None]
    if not parts:
        raise TrainingError(
            "There are no validation rows.", "Give tables with a split val, or cut one out with --hold-out 0.2."
        )
    tell(f"computing the features of {sum(map(len, parts))} validation radiographs")
    averages = [_averages(manager, part, row) for part in parts for row in range(len(part))]
    return Validation(
        np.concatenate(averages),
        np.concatenate([part.labels for part in parts]).astype(np.float64),
        np.concatenate([part.patients() for part in parts]),
    )


def _averages(manager: XRayModelManager, part: Manifest, row: int) -> Floats:
    try:
        radiograph = load_radiograph(part.images[row])
    except RadiographError as error:
        message = f"The image in row {part.rows[row]} of the table cannot be read. {error.message}"
        raise TrainingError(message, error.remedy) from error
    return manager.head.averages(manager.runtime.features(manager.preprocess(radiograph)))


def _check_rows(preset: Preset, rows: Validation) -> None:
    """Refuse rows other than those of the operating points: what was fitted on them must not be measured on others."""
    counts = np.stack([(~np.isnan(rows.labels)).sum(axis=0), np.nansum(rows.labels, axis=0)]).astype(int).T.tolist()
    for finding, (n, positives) in zip(preset.findings, counts, strict=True):
        point = preset.operating_point(finding, "youden")
        if point is not None and (n, positives) != (point.n, point.positives):
            raise TrainingError(
                f"The validation rows have {n} labels of {finding}, {positives} of them positive, but its operating "
                f"points were fitted on {point.n} and {point.positives}.",
                "Give the tables of the training with the options that it was given, and its seed.",
            )
    if not preset.operating_points:
        raise TrainingError("The preset has no operating points.", "Calibrate it on a validation split first.")

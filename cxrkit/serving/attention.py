"""Whether a preset's maps depend on its weights, and how much of their evidence lies where it should not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from cxrkit.data.manifest import IMAGE, Manifest
from cxrkit.evaluation.bootstrap import REPLICATES, percentile_interval
from cxrkit.evaluation.localisation import ALL, bootstrap_means
from cxrkit.evaluation.maps import SIDE, enlarge, reach
from cxrkit.evaluation.measures import Stamp
from cxrkit.evaluation.predictions import patient_keys
from cxrkit.evaluation.schema import Attention, EvidenceShare, Measure, RandomisedStage
from cxrkit.evaluation.similarity import border_band, evidence_share, map_similarity
from cxrkit.serving.bulk import read_row
from cxrkit.serving.judging import ALL_ROWS
from cxrkit.serving.localising import fractions, splits_of

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

MASK = "mask"
BORDER = "border band"
OUTSIDE = "outside the lungs"

Mask = npt.NDArray[np.bool_]


@dataclass(eq=False)
class _Values:
    """Values of one measure, and the patients they belong to."""

    values: list[tuple[float, ...]] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)

    def add(self, patient: str, *values: float) -> None:
        self.values.append(values)
        self.patients.append(patient)

    def means(self, stamp: Stamp, seed: int) -> list[Measure]:
        """Mean of each value with the interval of resampled patients."""
        table = np.array(self.values)
        drawn = bootstrap_means(table, self.patients, replicates=stamp.replicates, seed=seed)
        return [
            stamp.measure(column.mean(), percentile_interval(samples), len(table), len(table))
            for column, samples in zip(table.T, drawn.T, strict=True)
        ]


def examine_attention(
    manager: XRayModelManager,
    manifest: Manifest,
    *,
    sample: int = 20,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Attention:
    """Examine the maps of a seeded sample of radiographs.

    Parameters
    ----------
    manager
        The model; its weights stay as they are.
    manifest
        Radiographs. A column ``mask`` may name, as the column ``image`` does, a picture of the same view
        that is bright over the lungs; rows where it is blank count for the other measures alone.
    sample
        Number of radiographs, at most.
    seed
        Of the sample, of the weights that are drawn anew, and of the bootstrap.
    progress
        Called with (images done, n) while they are read.

    Returns
    -------
    Attention
        ``randomisation``: mean SSIM (`cxrkit.evaluation.similarity.map_similarity`) of the maps with those
        of the trained weights after each stage of `cxrkit.model.randomisation.cascaded_maps`, over the
        image-finding pairs with positive evidence. Its first stage ``none`` has no weight drawn anew and
        must be 1. ``evidence``: per region and finding (and ``all`` of several) the mean share of the positive evidence
        in the region, beside the region's share of the area that the map covers. Empty where no map has
        positive evidence.

    Raises
    ------
    ManifestError
        An image or a mask cannot be read; names its row.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(manifest))[:sample]).tolist()
    patients, unit = patient_keys(manifest.table)
    splits = {splits_of(manifest)[row] for row in rows}
    split = splits.pop() if len(splits) == 1 else ALL_ROWS
    stamp = Stamp(split, manager.preset.weights_sha256, unit, REPLICATES)
    shares: dict[tuple[str, str], _Values] = {}
    tensors, trained = [], []
    for done, row in enumerate(rows, start=1):
        radiograph = read_row(manifest.images[row], manifest.rows[row])
        tensor = manager.preprocess(radiograph)
        explanations = manager.explanations(radiograph)
        tensors.append(tensor)
        trained.append(np.stack([explanations[finding].map for finding in manager.findings]))
        regions = {BORDER: border_band(SIDE)}
        lungs = _lungs(manifest, row)
        if lungs is not None:
            regions[OUTSIDE] = ~lungs
        for finding in manager.findings:
            covered = fractions(explanations[finding].box, radiograph)
            values, seen = enlarge(explanations[finding].map, covered), reach(covered)
            for region, inside in regions.items():
                share = evidence_share(values, inside)
                if share is not None:
                    area = float(inside[seen].mean())
                    for name in (finding,) if len(manager.findings) == 1 else (ALL, finding):
                        shares.setdefault((region, name), _Values()).add(str(patients[row]), share, area)
        if progress is not None:
            progress(done, len(rows))
    drawn = [str(patients[row]) for row in rows]
    stages = _randomised(manager, np.concatenate(tensors), np.stack(trained), drawn, stamp, seed)
    evidence = []
    for (region, name), values_ in sorted(shares.items(), key=lambda item: _order(item[0], manager.findings)):
        share_, area_ = values_.means(stamp, seed)
        evidence.append(EvidenceShare(region=region, finding=name, share=share_, area=area_))
    return Attention(randomisation=stages, evidence=tuple(evidence))


def _randomised(
    manager: XRayModelManager,
    tensors: npt.NDArray[np.float32],
    trained: npt.NDArray[np.float32],
    patients: Sequence[str],
    stamp: Stamp,
    seed: int,
) -> tuple[RandomisedStage, ...]:
    from cxrkit.model.randomisation import cascaded_maps  # loads keras

    evident = trained.any(axis=(-2, -1))
    if not evident.any():
        return ()
    stages = []
    for stage, maps in cascaded_maps(manager, tensors, seed=seed):
        found = _Values()
        for image, value in zip(
            np.nonzero(evident)[0].tolist(), map_similarity(trained[evident], maps[evident]), strict=True
        ):
            found.add(patients[image], float(value))
        stages.append(RandomisedStage(stage=stage, ssim=found.means(stamp, seed)[0]))
    return tuple(stages)


def _lungs(manifest: Manifest, row: int) -> Mask | None:
    """Mask of the lungs on the evaluation grid (SIDE x SIDE), or None where the row names none."""
    name = manifest.table[MASK].iloc[row] if MASK in manifest.table.columns else ""
    if not name:
        return None
    image = PurePath(manifest.table[IMAGE].iloc[row])
    path = manifest.images[row]
    home = path.parent if image.is_absolute() else path.parents[len(image.parts) - 1]
    pixels = read_row(home / name, manifest.rows[row], "mask").pixels
    bright = (pixels > 0.5).astype(np.float32)
    return np.asarray(cv2.resize(bright, (SIDE, SIDE), interpolation=cv2.INTER_AREA) >= 0.5, dtype=np.bool_)


def _order(key: tuple[str, str], findings: Sequence[str]) -> tuple[bool, int]:
    region, name = key
    return region != BORDER, -1 if name == ALL else findings.index(name)

"""The kinds of weights that can be imported, with what their publishers state: facts, each with its source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cxrkit.preset import Geometry, Intensity

_NAN = math.nan
FROM_ELSEWHERE = "Weights from elsewhere: trained by others, taken over as published. Its card says what was measured."
NOT_CALIBRATED = (
    "Taken over as they are: no calibration, no operating points and no evaluation of cxrkit belong to them.",
    "Probabilities are those of the network, stated at no known prevalence.",
)
CALIBRATED = (
    "Taken over as they are; calibration and operating points were fitted on {n:,} radiographs of the importer's own, "
    "and no evaluation belongs to them."
)
UNCALIBRATED = "Not calibrated, for want of labels; their probabilities stand at no known prevalence: {findings}."


@dataclass(frozen=True)
class Kind:
    """One kind of weights.

    Attributes
    ----------
    name
        What the command line calls it.
    form
        ``"keras"``: a file of Keras or a SavedModel; ``"torch"``: a checkpoint of PyTorch holding a
        DenseNet-121 in torchvision's layout.
    title
        Of the preset.
    findings
        In the order of the outputs; an empty name is an output that its publisher did not train. None
        where the user must say.
    geometry, intensity
        How its publisher prepares radiographs; None where the user must say.
    channels
        Of the network's input, or None where both 1 and 3 are taken.
    thresholds
        On the probability, in the order of `findings`, as published; NaN for none.
    thresholds_source
        Who states them, and where.
    population, summary, data, intended_use, limits, label_noise
        Words of the card.
    licence
        Of the weights, as their publisher states it.
    """

    name: str
    form: Literal["keras", "torch"]
    title: str
    findings: tuple[str, ...] | None
    geometry: Geometry | None
    intensity: Intensity | None
    population: str
    summary: str
    data: tuple[str, ...]
    licence: str
    limits: tuple[str, ...] = ()
    label_noise: tuple[str, ...] = ()
    channels: int | None = None
    thresholds: tuple[float, ...] = ()
    thresholds_source: str = ""
    intended_use: str = (
        "Research and teaching on frontal chest radiographs, with weights that others trained and published."
    )

    @property
    def all_limits(self) -> tuple[str, ...]:
        """Limits of the card: its own, and those of all weights from elsewhere."""
        return (*NOT_CALIBRATED, *self.limits)


_NIH_LABELS = ("Labels of NIH ChestX-ray14 were taken from reports by text mining, not by readers of the images.",)
_NOT_STATED = "The publisher of these weights does not state ages and views."
_XRV_LABELS = (
    *("Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema", "Fibrosis", "Effusion"),
    *("Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass", "Hernia"),
)
_XRV_MORE = ("Lung_Lesion", "Fracture", "Lung_Opacity", "Enlarged_Cardiomediastinum")
_XRV_LICENCE = "Apache-2.0 (mlmed/torchxrayvision); cite Cohen et al., arXiv 2111.00595."
_XRV_LIMITS = (
    "The published thresholds are those at which the package rescales its output to 0.5; their sensitivity and "
    "specificity are not stated with them.",
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="s4",
            form="keras",
            title="Course notebook (Keras 2)",
            findings=(
                *("Cardiomegaly", "Emphysema", "Effusion", "Hernia", "Infiltration", "Mass", "Nodule", "Atelectasis"),
                *("Pneumothorax", "Pleural_Thickening", "Pneumonia", "Fibrosis", "Edema", "Consolidation"),
            ),
            geometry="squash",
            intensity="sample-standard",
            population=f"Not stated with the files; the course that uses them works on NIH ChestX-ray14. {_NOT_STATED}",
            summary="Imported: DenseNet-121 from ImageNet weights, global average, 14 sigmoid outputs (Keras 2)",
            data=("Not stated with the files; probably NIH ChestX-ray14, on which the course that uses them works.",),
            licence="None is stated with the files: ask whoever gave them to you.",
            limits=("Images and patients of the training are not known: a test image may have been among them.",),
            label_noise=_NIH_LABELS,
        ),
        Kind(
            name="chexnet",
            form="torch",
            title="CheXNet replication",
            findings=(
                *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia"),
                *("Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
            ),
            geometry="crop",
            intensity="imagenet",
            channels=3,
            population=f"NIH ChestX-ray14. {_NOT_STATED}",
            summary=(
                "Imported: DenseNet-121 from ImageNet weights, SGD with momentum, images mirrored at random, "
                "224 px (jrzech/reproduce-chexnet)"
            ),
            data=("NIH ChestX-ray14, the training part of the repository's own split (not the official one of NIH).",),
            licence="BSD-3-Clause, (c) 2018 John Zech (jrzech/reproduce-chexnet).",
            limits=(
                "Its publisher states a mean AUROC of 0.838 on 22,433 images of its own split, most of which are not "
                "in the official test list of NIH; that number was not measured here.",
                "Trained on images mirrored at random: it was not taught left from right.",
            ),
            label_noise=_NIH_LABELS,
        ),
        Kind(
            name="torchvision",
            form="torch",
            title="Imported from PyTorch",
            findings=None,
            geometry="crop",
            intensity="imagenet",
            population=f"Not stated. {_NOT_STATED}",
            summary="Imported: DenseNet-121 in torchvision's layout",
            data=("Not stated.",),
            licence="Not known to cxrkit: ask whoever gave the weights to you.",
            limits=("Training data are not known: a test image may have been among them.",),
        ),
        Kind(
            name="txrv-all",
            form="torch",
            title="TorchXRayVision, all sets",
            findings=(*_XRV_LABELS, *_XRV_MORE),
            geometry="crop",
            intensity="xrv",
            channels=1,
            thresholds=(
                *(0.07422872, 0.038290843, 0.09814756, 0.0098118475, 0.023601074, 0.0022490358, 0.010060724),
                *(0.103246614, 0.056810737, 0.026791653, 0.050318155, 0.023985857, 0.01939503, 0.042889766),
                *(0.053369623, 0.035975814, 0.20204692, 0.05015312),
            ),
            thresholds_source="TorchXRayVision 1.5.7, op_threshs of densenet121-res224-all",
            population=f"Seven public sets, as the name of the weights lists them. {_NOT_STATED}",
            summary="Imported: TorchXRayVision densenet121-res224-all, 224 px, one channel (arXiv 2002.02497)",
            data=("NIH, PadChest, CheXpert, MIMIC-CXR, NIH relabelled by Google, OpenI and RSNA, as its name lists.",),
            licence=_XRV_LICENCE,
            limits=(
                *_XRV_LIMITS,
                "Trained on most public sets: few public test images are certain not to have been among them.",
                "Labels of several sets were taken from reports by different programs, and do not mean quite the same.",
            ),
            label_noise=_NIH_LABELS,
        ),
        Kind(
            name="txrv-nih",
            form="torch",
            title="TorchXRayVision, NIH",
            findings=(*_XRV_LABELS, "", "", "", ""),
            geometry="crop",
            intensity="xrv",
            channels=1,
            thresholds=(
                *(0.039117552, 0.0034529066, 0.11396341, 0.0057298196, 0.00045666535, 0.0018880932, 0.012037827),
                *(0.038744126, 0.0037213727, 0.014730946, 0.016149804, 0.054241467, 0.037198864, 0.0004403434),
                *(_NAN, _NAN, _NAN, _NAN),
            ),
            thresholds_source="TorchXRayVision 1.5.7, op_threshs of densenet121-res224-nih",
            population=f"NIH ChestX-ray14. {_NOT_STATED}",
            summary="Imported: TorchXRayVision densenet121-res224-nih, 224 px, one channel (arXiv 2002.02497)",
            data=("NIH ChestX-ray14; the split is not stated with the weights.",),
            licence=_XRV_LICENCE,
            limits=(*_XRV_LIMITS, "The split is not known: a test image of NIH may have been trained on."),
            label_noise=_NIH_LABELS,
        ),
        Kind(
            name="txrv",
            form="torch",
            title="TorchXRayVision",
            findings=None,
            geometry="crop",
            intensity="xrv",
            channels=1,
            population=f"Not stated. {_NOT_STATED}",
            summary="Imported: DenseNet-121 of TorchXRayVision, 224 px, one channel",
            data=("Not stated.",),
            licence=_XRV_LICENCE,
            limits=("Training data are not known: a test image may have been among them.",),
        ),
        Kind(
            name="keras",
            form="keras",
            title="Imported from Keras",
            findings=None,
            geometry=None,
            intensity=None,
            population=f"Not stated. {_NOT_STATED}",
            summary="Imported: network of Keras",
            data=("Not stated.",),
            licence="Not known to cxrkit: ask whoever gave the weights to you.",
            limits=("Training data are not known: a test image may have been among them.",),
        ),
    )
}
"""Name -> kind."""

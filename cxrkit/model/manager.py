"""`XRayModelManager`: one preset, loaded and verified, ready to read radiographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import get_args

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.errors import PresetInvalid, TrainConfigError
from cxrkit.imaging.preprocessing import covered_box, to_tensor
from cxrkit.model.checkpoints import load_fine_tuned, load_imagenet
from cxrkit.model.gradcam import grad_cam
from cxrkit.model.head import Head
from cxrkit.model.losses import Loss, weighted_bce
from cxrkit.model.network import build_network, split_network
from cxrkit.model.runtimes import RuntimeName, open_runtime
from cxrkit.preset import WEIGHTS, Preset, find_preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Explanation, FindingScore, Prediction, Reading
from cxrkit.train_config import TrainConfig

Floats = npt.NDArray[np.float32]


class XRayModelManager:
    """Load a preset and read radiographs with it.

    Weights are loaded in two steps: optionally ImageNet's into the backbone, then the preset's own,
    which are complete and replace every one. Their sha256 is checked against the card before; there
    is no way to read with weights that were not verified. Safe to share between threads.

    Parameters
    ----------
    preset
        Name in `folder`, path of a preset folder, or a `Preset`.
    runtime
        ``"tensorflow"``, ``"keras"`` (any backend), or ``"auto"`` for the faster one that can run.
    folder
        Where presets are sought by name.
    imagenet
        Backbone weights for the first step: a local file, ``"download"``, or None to go straight to
        the second. See `cxrkit.model.checkpoints.load_imagenet`.

    Raises
    ------
    PresetNotFound, PresetInvalid, WeightsMissing, WeightsCorrupt, WeightsMismatch
    """

    def __init__(
        self,
        preset: str | os.PathLike[str] | Preset = "chestxray14",
        *,
        runtime: RuntimeName = "auto",
        folder: str | os.PathLike[str] = WEIGHTS,
        imagenet: str | os.PathLike[str] | None = None,
    ) -> None:
        if runtime not in get_args(RuntimeName):
            known = ", ".join(get_args(RuntimeName))
            raise PresetInvalid(f"There is no runtime named {runtime!r}.", f"Choose one of {known}.")
        self.preset = find_preset(preset, folder)
        self.model: keras.Model = build_network(
            self.preset.backbone,
            len(self.preset.findings),
            input_size=self.preset.input_size,
            head=self.preset.head,
        )
        if imagenet is not None:
            load_imagenet(self.model, self.preset.backbone, None if imagenet == "download" else imagenet)
        load_fine_tuned(self.model, self.preset)
        trunk, head = split_network(self.model, self.preset.feature_layer)
        self.runtime = open_runtime(runtime, trunk)
        self._head = Head.of(head)

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the network's outputs."""
        return self.preset.findings

    def preprocess(self, radiograph: Radiograph) -> Floats:
        """Network input: float32 of shape (1, S, S, 3)."""
        return to_tensor(radiograph, self.preset)

    def get_gradcam_layer(self) -> str:
        """Name of the layer whose feature maps are explained."""
        return self.preset.feature_layer

    def get_weighted_loss(self, config: TrainConfig | None = None) -> Loss:
        """Weighted binary cross-entropy on logits with the weights of this preset.

        Raises
        ------
        TrainConfigError
            The configuration lacks this preset, or lists other findings or another order.
        """
        weights = (config or TrainConfig.load()).class_weights(self.preset.name)
        if tuple(weights) != self.findings:
            raise TrainConfigError(
                f"The training configuration lists other findings for {self.preset.name!r}, or another order.",
                "Regenerate it with: python scripts/calculate_loss.py.",
            )
        return weighted_bce([w for w, _ in weights.values()], [w for _, w in weights.values()])

    # -- reading -------------------------------------------------------------------------------

    def predict(self, radiograph: Radiograph) -> Prediction:
        """Calibrated probabilities of all findings."""
        return self._prediction(self._head.logits(self.runtime.features(self.preprocess(radiograph)))[0])

    def predict_many(self, radiographs: Iterable[Radiograph], batch_size: int = 16) -> Iterator[Prediction]:
        """Predictions in the order of the radiographs, computed in batches; holds one batch in memory."""
        if batch_size < 1:
            raise ValueError("batch_size must be at least 1")
        tensors = (self.preprocess(r) for r in radiographs)
        while batch := list(islice(tensors, batch_size)):
            for logits in self._head.logits(self.runtime.features(np.concatenate(batch))):
                yield self._prediction(logits)

    def explain(self, radiograph: Radiograph, finding: str) -> Explanation:
        """Grad-CAM of one finding; raises `FindingUnknown`."""
        self.preset.require(finding)
        return self.read(radiograph).explanations[finding]

    def read(self, radiograph: Radiograph) -> Reading:
        """Everything in one pass: probabilities and the Grad-CAM maps of all findings."""
        return self.read_tensor(self.preprocess(radiograph), radiograph)

    def read_tensor(self, tensor: Floats, radiograph: Radiograph) -> Reading:
        """`read` for a radiograph that was preprocessed already into `tensor` (1, S, S, 3)."""
        features = self.runtime.features(tensor)
        logits = self._head.logits(features)[0]
        maps = grad_cam(features[0], self._head.alpha(features[0]))
        maps.setflags(write=False)
        box = covered_box(radiograph.height, radiograph.width, self.preset.geometry, self.preset.border)
        explanations = {
            finding: Explanation(finding, "grad-cam", self.preset.feature_layer, map_, box, float(map_.max()))
            for finding, map_ in zip(self.findings, maps, strict=True)
        }
        return Reading(
            prediction=self._prediction(logits),
            explanations=explanations,
            quality=radiograph.notes,
            warnings=self.preset.population.mismatches(radiograph.age_band, radiograph.view),
            preset=self.preset.name,
            weights_sha256=self.preset.weights_sha256,
            radiograph_sha256=radiograph.sha256,
            notice=self.preset.notice,
        )

    def _prediction(self, logits: Floats) -> Prediction:
        scores = {}
        for finding, value in zip(self.findings, logits.tolist(), strict=True):
            scores[finding] = FindingScore(self.preset.calibration[finding].probability(value), value)
        return Prediction(scores)

"""`XRayModelManager`: one preset, loaded and verified, ready to read radiographs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cxrkit.errors import TrainConfigError
from cxrkit.imaging.preprocessing import to_tensor, to_tensors
from cxrkit.imaging.quality import corrected
from cxrkit.model.compiled import Blueprint, compiled_form
from cxrkit.model.dropout import DropoutDraws
from cxrkit.model.first_layer import first_planes
from cxrkit.model.gate import Gate, descriptor
from cxrkit.model.gradcam import grad_cam
from cxrkit.model.int8_ranges import load_ranges
from cxrkit.model.lungs import Mask, lung_tensor, shipped_finder
from cxrkit.model.runtimes import Precision, Runtime, RuntimeName, chosen
from cxrkit.model.writing import ReadingWriter
from cxrkit.preset import Preset
from cxrkit.preset_folders import WEIGHTS, find_preset
from cxrkit.quality import QualityIssue, ordered
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Explanation, Prediction, Reading
from cxrkit.train_config import TrainConfig

if TYPE_CHECKING:
    import keras

    from cxrkit.model.head import Head
    from cxrkit.model.losses import Loss

Floats = npt.NDArray[np.float32]
_FEATURE_REFUSALS = ("not-frontal-chest", "screenshot")


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
        ``"openvino"``, ``"tensorflow"``, ``"keras"`` (any backend), or ``"auto"`` for the fastest one that can
        run, which is OpenVINO where it is installed; ``manager.runtime.name`` says which one it is. With OpenVINO
        no network library is loaded, except once to compile the weights (`cxrkit.model.compiled`).
    folder
        Where presets are sought by name.
    imagenet
        Backbone weights for the first step: a local file, ``"download"``, or None to go straight to
        the second. See `cxrkit.model.checkpoints.load_imagenet`.
    precision
        In which OpenVINO computes the trunk: ``"float32"``, ``"bfloat16"`` or ``"int8"``, for which the ranges of the
        preset's layers must have been measured (`cxrkit.model.int8_ranges`). The head is always float32.
    bulk
        Whether many radiographs are read at once, by several threads: OpenVINO then reads more of them in the same
        time, but each takes longer. The other runtimes do not differ.

    Raises
    ------
    PresetNotFound, PresetInvalid, WeightsMissing, WeightsCorrupt, WeightsMismatch
    ExtraMissing, StorageUnusable
        The runtime is not installed, or the compiled form of the weights can neither be found nor be kept.
    """

    def __init__(
        self,
        preset: str | os.PathLike[str] | Preset = "chestxray14",
        *,
        runtime: RuntimeName = "auto",
        folder: str | os.PathLike[str] = WEIGHTS,
        imagenet: str | os.PathLike[str] | None = None,
        precision: Precision = "float32",
        bulk: bool = False,
    ) -> None:
        name = chosen(runtime, precision)
        self.preset = find_preset(preset, folder)
        self._imagenet = imagenet
        if imagenet is not None:
            self.model  # noqa: B018 - loaded now, so that a wrong file is refused now
        self.runtime: Runtime
        self.head: Head
        if name == "openvino":
            from cxrkit.model.openvino_runtime import OpenVinoRuntime

            ranges = load_ranges(self.preset) if precision == "int8" else None
            form = compiled_form(Blueprint.of(self.preset))
            assert form.head is not None
            self.runtime, self.head = OpenVinoRuntime(form.trunk, precision, bulk=bulk, ranges=ranges), form.head
            self._planes: Floats | None = form.kernels
        else:
            from cxrkit.model.keras_head import head_of
            from cxrkit.model.keras_runtimes import open_runtime
            from cxrkit.model.network import split_network

            trunk, head = split_network(self.model, self.preset.feature_layer)
            self.runtime, self.head = open_runtime(name, trunk), head_of(head)
            self._planes = first_planes(self.model)
        self._dropout = DropoutDraws.of(self.head, self.preset.doubt)
        self.gate = Gate.load(self.preset)
        self.lungs = shipped_finder(runtime=name, bulk=bulk)

    @cached_property
    def model(self) -> keras.Model:
        """The whole network, image to logits, with the preset's weights; built when it is first asked for."""
        from cxrkit.model.checkpoints import load_fine_tuned, load_imagenet
        from cxrkit.model.network import build_network

        preset, imagenet = self.preset, self._imagenet
        network = build_network(preset.backbone, len(preset.findings), input_size=preset.input_size, head=preset.head)
        if imagenet is not None:
            load_imagenet(network, preset.backbone, None if imagenet == "download" else imagenet)
        load_fine_tuned(network, preset)
        return network

    @property
    def first_planes(self) -> Floats | None:
        """(h, w, C) kernels of the first convolution, summed over the input channels; None where there is none."""
        return self._planes

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the network's outputs."""
        return self.preset.findings

    def preprocess(self, radiograph: Radiograph) -> Floats:
        """Network input: float32 of shape (1, S, S, 3)."""
        return to_tensor(radiograph, self.preset)

    def preprocess_many(self, radiographs: Sequence[Radiograph]) -> Floats:
        """Network input of n radiographs: float32 of shape (n, S, S, 3)."""
        return to_tensors(radiographs, self.preset)

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
        from cxrkit.model.losses import weighted_bce

        weights = (config or TrainConfig.load()).class_weights(self.preset.name)
        if tuple(weights) != self.findings:
            raise TrainConfigError(
                f"The training configuration lists other findings for {self.preset.name!r}, or another order.",
                "Regenerate it with: python scripts/calculate_loss.py.",
            )
        return weighted_bce([w for w, _ in weights.values()], [w for _, w in weights.values()])

    # -- reading -------------------------------------------------------------------------------

    def predict(self, radiograph: Radiograph) -> Prediction:
        """Calibrated probabilities of all findings of a radiograph as it lies, whatever it shows: see `read`."""
        return self._writer.prediction(self.head.logits(self.runtime.features(self.preprocess(radiograph)))[0])

    def predict_many(self, radiographs: Iterable[Radiograph], batch_size: int = 16) -> Iterator[Prediction]:
        """Predictions in the order of the radiographs, computed in batches; holds one batch in memory."""
        if batch_size < 1:
            raise ValueError("batch_size must be at least 1")
        remaining = iter(radiographs)
        while batch := list(islice(remaining, batch_size)):
            for logits in self.head.logits(self.runtime.features(self.preprocess_many(batch))):
                yield self._writer.prediction(logits)

    def explain(self, radiograph: Radiograph, finding: str) -> Explanation:
        """Grad-CAM of one finding of a radiograph as it lies; raises `FindingUnknown`."""
        self.preset.require(finding)
        return self.explanations(radiograph)[finding]

    def explanations(self, radiograph: Radiograph) -> dict[str, Explanation]:
        """Grad-CAM of all findings of a radiograph as it lies, without lungs and quality report."""
        features = self.runtime.features(self.preprocess(radiograph))[0]
        return self._writer.explanations(grad_cam(features, self.head.alpha(features)), radiograph, None)

    def read(self, radiograph: Radiograph, *, correct: bool = True) -> Reading:
        """Everything in one pass: probabilities, the Grad-CAM maps of all findings, and the quality report.

        Parameters
        ----------
        radiograph
            A radiograph, or what may be none: `Reading.quality` says so.
        correct
            Whether a picture that was turned or inverted is put into place and read again. What was done stands in
            ``reading.quality.correction``, and boxes and lungs are those of
            ``cxrkit.imaging.quality.corrected(radiograph, reading.quality.correction)``.
        """
        reading = self.read_tensor(self.preprocess(radiograph), radiograph)
        proposed = reading.quality.proposed
        if not proposed:
            return reading
        upright = corrected(radiograph, proposed)
        again = self.read_tensor(self.preprocess(upright), upright)
        if again.quality.proposed or any(issue.code in _FEATURE_REFUSALS for issue in again.quality.issues):
            kept = [issue for issue in reading.quality.issues if issue.code not in ("inverted", "rotated")]
            if (reading.quality.distance or 0) > 1:
                # what is no chest in any position was only taken for one that lies wrongly
                kept.insert(0, QualityIssue("not-frontal-chest", "refuse"))
            quality = replace(reading.quality, issues=ordered(kept), proposed=())
            return replace(reading, quality=quality)
        if not correct:
            return reading
        done = [QualityIssue("inverted" if step == "invert" else "rotated", "correct") for step in proposed]
        quality = replace(again.quality, issues=ordered([*done, *again.quality.issues]), correction=proposed)
        return replace(again, quality=quality)

    def read_tensor(self, tensor: Floats, radiograph: Radiograph) -> Reading:
        """`read` for a radiograph that was preprocessed already into `tensor` (1, S, S, 3), as it lies."""
        if self.lungs is None or self.runtime.streams > 1:  # several are at work already
            return self.read_features(self.runtime.features(tensor), radiograph)
        finish = self.lungs.begin(lung_tensor(radiograph))  # fills the gaps that a trunk leaves on several cores
        try:
            features = self.runtime.features(tensor)
        finally:
            lungs = finish()
        return self._read(features, radiograph, lungs)

    def read_features(self, features: Floats, radiograph: Radiograph) -> Reading:
        """`read` for a radiograph whose (1, H, W, K) feature maps are known, as it lies."""
        lungs = None if self.lungs is None else self.lungs.masks([lung_tensor(radiograph)])[0]
        return self._read(features, radiograph, lungs)

    def _read(self, features: Floats, radiograph: Radiograph, lungs: Mask | None) -> Reading:
        trace = self.head.trace(features[0])
        draws = None if self._dropout is None else self._dropout.logits(trace.averages[0])
        prediction = self._writer.prediction(self.head.behind_average(trace.averages)[0], draws)
        maps = grad_cam(features[0], self.head.weights_of(trace))
        (verdict,) = self._writer.verdicts(descriptor(trace.pooled), [lungs])
        return replace(
            self._writer.scored(prediction, verdict, radiograph, lungs),
            explanations=self._writer.explanations(maps, radiograph, lungs),
            lungs=lungs,
            dropout=None if self._dropout is None else self._dropout.record,
        )

    def score_features(self, features: Floats, radiographs: Sequence[Radiograph]) -> list[Reading]:
        """Readings of n radiographs from their (n, H, W, K) feature maps, as they lie, without maps and intervals.

        For many files, of which nobody looks at a map. Probabilities and quality report are those of `read_features`.
        """
        pooled = self.head.before_average(features)
        averages = np.asarray(pooled.mean(axis=(1, 2), dtype=np.float32))
        lungs = (
            [None] * len(radiographs)
            if self.lungs is None
            else self.lungs.masks([lung_tensor(radiograph) for radiograph in radiographs])
        )
        # each by itself: a product of several rows is not rounded like that of one
        logits = [self.head.behind_average(row)[0] for row in averages[:, None]]
        predictions, verdicts = map(self._writer.prediction, logits), self._writer.verdicts(descriptor(pooled), lungs)
        return [*map(self._writer.scored, predictions, verdicts, radiographs, lungs)]

    @property
    def _writer(self) -> ReadingWriter:
        return ReadingWriter(self.preset, self.gate, self.runtime.precision)

    def describe(self, features: Floats) -> Floats:
        """(n, H, W, K) feature maps -> (n, D) descriptors, which the quality gate looks at."""
        return descriptor(self.head.before_average(features))

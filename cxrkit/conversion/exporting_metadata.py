"""What an exported network carries along, so that whoever runs it need not have cxrkit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import cxrkit
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER

KEY = "cxrkit"
"""Under which LiteRT and OpenVINO keep it."""

LAYOUT = 1
"""Of the record; another number has other keys."""

_GEOMETRY = {
    "squash": "Scale both axes to the square, whatever the proportions.",
    "pad": "Add black borders until the picture is square, then scale it.",
    "crop": "Take the central square, then scale it.",
}
_INTENSITY = {
    "sample-standard": "Per image: subtract its mean, divide by its standard deviation (at least 1e-6).",
    "unit": "Leave the grey levels at 0..1.",
    "symmetric": "2 x - 1, so that grey levels lie in -1..1.",
    "imagenet": "Per channel (red, green, blue): subtract 0.485, 0.456, 0.406, divide by 0.229, 0.224, 0.225.",
    "caffe": "255 x, less 103.939, 116.779, 123.68 in the channels blue, green, red.",
    "xrv": "1024 (2 x - 1), so that grey levels lie in -1024..1024.",
}


def metadata(preset: Preset, head_file: str) -> dict[str, Any]:
    """The record of a preset, as plain types.

    Parameters
    ----------
    preset
        Its card.
    head_file
        Name of the file of the head's arrays, which lies beside the network.
    """
    prevalence = preset.reference_prevalence
    return {
        "layout": LAYOUT,
        "disclaimer": DISCLAIMER,
        "notice": preset.notice,
        "intended_use": preset.intended_use,
        "limits": list(preset.limits),
        "preset": preset.name,
        "title": preset.title,
        "version": preset.version,
        "weights_sha256": preset.weights_sha256,
        "made_by": f"cxrkit {cxrkit.__version__}",
        "findings": list(preset.findings),
        "preprocessing": {
            "input_size": preset.input_size,
            "geometry": preset.geometry,
            "intensity": preset.intensity,
            "border": preset.border,
            "steps": [
                "One channel of grey levels as a viewer displays them (of DICOM: after modality and VOI transforms, "
                "MONOCHROME1 inverted), scaled to 0..1; air is dark.",
                f"Cut off {preset.border:g} of the height at top and bottom, and of the width at either side.",
                _GEOMETRY[preset.geometry] + f" The side is {preset.input_size} pixels; shrinking averages over areas "
                "(OpenCV's INTER_AREA), enlarging is linear.",
                _INTENSITY[preset.intensity],
                "Repeat the plane in three channels, unless they were made apart.",
            ],
        },
        "input": {"image": "(n, S, S, 3) float32"},
        "outputs": {
            "logits": "(n, findings) float32, in the order of the findings; no probabilities yet",
            "feature_maps": f"(n, H, W, K) float32 of the layer {preset.feature_layer}",
        },
        "calibration": {finding: asdict(preset.calibration[finding]) for finding in preset.findings},
        "calibration_rule": "probability = 1 / (1 + exp(-(slope * logit + intercept)))",
        "reference_prevalence": None if prevalence is None else asdict(prevalence),
        "operating_points": [{**asdict(point), "supported": point.supported} for point in preset.operating_points],
        "operating_point_rule": "positive where probability >= threshold; one that is not supported was fitted on too "
        "few cases to be relied on",
        "published_thresholds": [asdict(published) for published in preset.published_thresholds],
        "population": asdict(preset.population),
        "grad_cam_rule": "map of finding c = max(0, sum over k of alpha[k, c] * feature_maps[..., k]), where alpha is "
        "the mean over all positions of the gradient of logit c by feature map k",
        "head_file": head_file,
        "head_file_holds": "arrays of all that follows the feature maps, from which alpha is computed; NumPy reads "
        "them, and cxrkit.model.head_file.head_from(arrays).alpha(feature_maps[0]) computes it",
        "not_included": "the quality gate, the lungs and the intervals by dropout: a picture that cxrkit would refuse "
        "gets numbers, too",
    }


def as_texts(record: Mapping[str, Any]) -> dict[str, str]:
    """The record for formats that keep texts alone: what is no text becomes JSON."""
    return {key: value if isinstance(value, str) else as_json(value) for key, value in record.items()}


def as_json(value: Any) -> str:
    """JSON of plain types on one line."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)

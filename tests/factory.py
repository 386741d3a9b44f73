"""Small presets for tests: real networks with random but fixed weights, complete cards, verified files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cxrkit.card import Calibration, LabelCount, OperatingPoint, Population, TrainingRecord
from cxrkit.preset import Preset
from cxrkit.preset_folders import file_sha256

FOURTEEN = [
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
]


def randomise(network: Any, seed: int) -> None:
    """Give all normalisation random statistics: untrained, it is the identity, which would hide mistakes."""
    import keras

    random = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            channels = layer.gamma.shape[0]
            layer.set_weights(
                [
                    random.uniform(0.6, 1.4, channels),
                    random.normal(0, 0.2, channels),
                    random.normal(0, 0.2, channels),
                    random.uniform(0.5, 1.5, channels),
                ]
            )


def make_preset(
    folder: Path,
    name: str = "tiny",
    findings: tuple[str, ...] = ("Effusion", "Mass", "Pneumonia"),
    *,
    backbone: str = "cnn",
    head: str = "gap-dense",
    input_size: int = 64,
    geometry: str = "squash",
    seed: int = 0,
    positives: int = 60,
) -> Preset:
    """Write a preset folder ``folder/name`` and load it."""
    import keras

    from cxrkit.model.backbones import backbone_row
    from cxrkit.model.checkpoints import save_weights
    from cxrkit.model.network import build_network

    keras.utils.set_random_seed(seed)
    network = build_network(backbone, len(findings), input_size=input_size, head=head)
    randomise(network, seed)
    target = folder / name
    target.mkdir(parents=True)
    save_weights(network, target / "model.weights.h5", findings)
    sha256 = file_sha256(target / "model.weights.h5")
    preset = Preset(
        name=name,
        title=f"Test preset {name}",
        version="0",
        backbone=backbone,
        feature_layer=backbone_row(backbone).feature_layer,
        head=head,
        findings=findings,
        input_size=input_size,
        geometry=geometry,  # type: ignore[arg-type]
        intensity="sample-standard",
        weights_file="model.weights.h5",
        weights_sha256=sha256,
        calibration={f: Calibration(1.0, 0.0, "platt", "val", 200, positives, positives / 200) for f in findings},
        label_counts=tuple(LabelCount(f, 30 + i, 100) for i, f in enumerate(findings)),
        operating_points=tuple(
            OperatingPoint(f, rule, threshold, 0.8, 0.7, "val", 200, positives, sha256)  # type: ignore[arg-type]
            for f in findings
            for rule, threshold in (("youden", 0.5), ("screening", 0.3), ("rule-in", 0.7))
        ),
        population=Population("Adults of a test", ("18-44", "45-64", "65-89"), ("PA", "AP")),
        training=TrainingRecord("none: random weights", ("nothing",), 100, 100, 20, 0, "none"),
        intended_use="Tests alone.",
        limits=("Random weights: the numbers mean nothing.",),
        notice="Demonstration weights: random.",
    )
    preset.save(target)
    return Preset.load(target)

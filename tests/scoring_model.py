"""A model for tests of scoring: what it says follows from the pixels alone, and it is there at once."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from cxrkit.quality import QualityIssue, QualityReport
from cxrkit.reading import FindingScore, Prediction, Reading

FINDINGS = ("Effusion", "Mass")


def preset(weights: str = "a" * 64, slope: float = 1.0) -> SimpleNamespace:
    """What scoring looks at of a card."""
    card = dict(input_size=8, geometry="squash", intensity="unit", border=0.0, quality_gate=None, doubt=None)
    more = dict(calibration={"Effusion": slope}, notice="Made up.", name="made-up", folder="")
    return SimpleNamespace(findings=FINDINGS, weights_sha256=weights, **card, **more)


class PixelModel:
    """Its logits are the mean and the corner of the picture; pictures that are nearly black are refused.

    Parameters
    ----------
    seconds
        How long the network takes for a batch.
    """

    streams = 1
    precision = "float32"

    def __init__(self, seconds: float = 0.0) -> None:
        self.preset, self.runtime, self.seconds = preset(), self, seconds
        self.batches: list[int] = []
        self._turn = threading.Lock()

    def preprocess_many(self, radiographs):
        return np.array([[image.pixels.mean(), image.pixels[0, 0]] for image in radiographs], np.float32)

    def features(self, tensor):
        with self._turn:
            self.batches.append(len(tensor))
            time.sleep(self.seconds)
            return tensor

    def score_features(self, features, radiographs):
        return [self.scored(*each) for each in zip(features, radiographs, strict=True)]

    def scored(self, features, radiograph, proposed=("invert",)):
        mean, corner = map(float, features)
        issues = (QualityIssue("under-exposed", "refuse"),) if mean < 0.1 else ()
        quality = QualityReport(issues, proposed=proposed if corner > 0.99 else ())
        scores = {"Effusion": FindingScore(mean, mean - 1), "Mass": FindingScore(corner, corner - 1)}
        sums = (self.preset.name, self.preset.weights_sha256, radiograph.sha256)
        return Reading(Prediction(scores), {}, quality, radiograph.notes, (), *sums)

    def read(self, radiograph, *, correct=True):
        reading = self.scored(self.preprocess_many([radiograph])[0], radiograph, ())
        return reading if not correct else _turned(reading)


class InAWorker:
    """Loads a `PixelModel` in a worker of a cluster, which leaves the number of its process in a folder."""

    def __init__(self, folder, seconds=0.0):
        self.folder, self.seconds = str(folder), seconds

    def __call__(self, preset, runtime, precision):
        (Path(self.folder) / f"{os.getpid()}").touch()
        return PixelModel(self.seconds)

    def __eq__(self, other):
        return self.folder == other.folder

    def __hash__(self):
        return hash(self.folder)


def _turned(reading):
    quality = QualityReport((QualityIssue("inverted", "correct"),), correction=("invert",))
    return dataclasses.replace(reading, quality=quality)

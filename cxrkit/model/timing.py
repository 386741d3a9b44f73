"""Timing the ways to read one radiograph, side by side in one run."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.model.manager import XRayModelManager
from cxrkit.radiograph import Radiograph

Floats = npt.NDArray[np.float32]


def tape_grad_cam(network: keras.Model, layer: str) -> Callable[[Floats], Floats]:
    """Grad-CAM the usual way, as a yardstick and as an oracle for tests.

    Returns
    -------
    Callable
        (1, S, S, 3) -> (C, H, W) maps before the rectification by ``max(map, 0)``, with one gradient
        tape over the whole network per finding.
    """
    import tensorflow as tf

    both = keras.Model(network.input, [network.get_layer(layer).output, network.output])

    def maps(tensor: Floats) -> Floats:
        found = []
        for finding in range(network.output.shape[-1]):
            with tf.GradientTape() as tape:
                features, logits = both(tensor, training=False)
                score = logits[0, finding]
            alpha = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2))
            weighted = tf.reduce_sum(alpha[:, None, None, :] * features, axis=-1)
            found.append(np.asarray(weighted)[0])
        return np.stack(found)

    return maps


def compare(manager: XRayModelManager, radiograph: Radiograph, rounds: int = 15) -> dict[str, Any]:
    """Time the bare trunk, a whole reading, ``model.predict`` and tape Grad-CAM in turn.

    The ways alternate within each round, so that a machine that slows down slows all of them; the
    ratios are medians of the rounds' ratios to the bare trunk. Tensor in, result out.

    Returns
    -------
    dict
        Machine, versions, median milliseconds and ratios.
    """
    tensor = manager.preprocess(radiograph)
    tape = tape_grad_cam(manager.model, manager.get_gradcam_layer())
    ways: dict[str, Callable[[], Any]] = {
        "bare_trunk": lambda: manager.runtime.features(tensor),
        "reading_with_all_maps": lambda: manager.read_tensor(tensor, radiograph),
        "model_predict": lambda: manager.model.predict(tensor, verbose=0),
    }
    for way in ways.values():  # trace and warm up
        way()
        way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(_seconds(way))
    tape(tensor)
    slow = [_seconds(lambda: tape(tensor)) for _ in range(3)]
    trunk = times["bare_trunk"]
    medians = {name: statistics.median(values) * 1e3 for name, values in times.items()}
    medians["tape_grad_cam_all_findings"] = statistics.median(slow) * 1e3
    ratios = {
        f"{name}_to_trunk": statistics.median(a / b for a, b in zip(values, trunk, strict=True))
        for name, values in times.items()
        if name != "bare_trunk"
    }
    ratios["tape_and_predict_to_reading"] = (
        medians["tape_grad_cam_all_findings"] + medians["model_predict"]
    ) / medians["reading_with_all_maps"]
    return {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("tensorflow", "keras", "numpy")}},
        "preset": manager.preset.name,
        "findings": len(manager.findings),
        "input_size": manager.preset.input_size,
        "rounds": rounds,
        "median_ms": {name: round(value, 2) for name, value in medians.items()},
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
    }


def _seconds(way: Callable[[], Any]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began

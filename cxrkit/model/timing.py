"""Timing the ways to read one radiograph, side by side in one run."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.errors import ScoringError
from cxrkit.imaging.quality import check_picture
from cxrkit.model.int8_ranges import find_ranges
from cxrkit.model.lungs import lung_tensor
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.openvino_runtime import can_compute
from cxrkit.model.runtimes import Precision
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


OFTEN = 8


def compare(preset: str, radiograph: Radiograph, rounds: int = 15) -> dict[str, Any]:
    """Time a whole reading against its bare trunk, and against TensorFlow's ways to do a part of it, in turn.

    The ways alternate within each round, so that a machine that slows down slows all of them; reading and bare trunk,
    whose ratio lies closest to its bound, do so `OFTEN` times in each. Ratios are those of the fastest tenth of turns:
    what else the machine does only ever adds, and the fastest turn of all is a single lucky one.

    Tensor in, result out: what follows from the pixels alone (the tensor, checks
    of the picture) is there before, and ``preparing`` says what it takes of a new radiograph. ``tensorflow_trunk`` is
    the trunk as one traced function, ``keras_predict`` is ``model.predict`` of the same network; tape Grad-CAM is what
    draws one map per finding elsewhere, once per finding.

    Returns
    -------
    dict
        Machine, versions, median milliseconds and ratios.
    """
    manager, beside = XRayModelManager(preset), XRayModelManager(preset, runtime="tensorflow")
    tensor = manager.preprocess(radiograph)
    tape = tape_grad_cam(beside.model, beside.get_gradcam_layer())
    ways: dict[str, Callable[[], Any]] = {
        "bare_trunk": lambda: manager.runtime.features(tensor),
        "reading_with_all_maps": lambda: manager.read_tensor(tensor, radiograph),
    }
    often = (OFTEN - 1) * [*ways]
    ways |= {
        "preparing": lambda: _prepare(manager, radiograph),
        "tensorflow_trunk": lambda: beside.runtime.features(tensor),
        "keras_predict": lambda: beside.model.predict(tensor, verbose=0),
    }
    ways |= {f"{precision}_trunk": partial(coarse.runtime.features, tensor) for precision, coarse in _coarser(manager)}
    for way in ways.values():  # trace and warm up
        way()
        way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in [*often, *ways]:
            times[name].append(_seconds(ways[name]))
    tape(tensor)
    slow = [_seconds(lambda: tape(tensor)) for _ in range(3)]
    medians = {name: statistics.median(values) * 1e3 for name, values in times.items()}
    medians["tape_grad_cam_all_findings"] = statistics.median(slow) * 1e3

    def ratio(a: str, b: str) -> float:
        return _fast(times[a]) / _fast(times[b])

    ratios = {
        "reading_with_all_maps_to_trunk": ratio("reading_with_all_maps", "bare_trunk"),
        "tensorflow_trunk_to_trunk": ratio("tensorflow_trunk", "bare_trunk"),
        "keras_predict_to_reading": ratio("keras_predict", "reading_with_all_maps"),
        "tape_and_predict_to_reading": (_fast(slow) + _fast(times["keras_predict"]))
        / _fast(times["reading_with_all_maps"]),
    }
    ratios |= {f"{way}_to_trunk": ratio(way, "bare_trunk") for way in ("bfloat16_trunk", "int8_trunk") if way in times}
    if "bfloat16_trunk" in times:
        ratios["keras_predict_to_bfloat16_trunk"] = ratio("keras_predict", "bfloat16_trunk")
    return {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("tensorflow", "keras", "openvino", "numpy")},
        },
        "preset": manager.preset.name,
        "runtime": manager.runtime.name,
        "precision": manager.runtime.precision,
        "findings": len(manager.findings),
        "input_size": manager.preset.input_size,
        "rounds": rounds,
        "median_ms": {name: round(value, 2) for name, value in medians.items()},
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
    }


def _fast(seconds: Sequence[float]) -> float:
    """Mean of the fastest tenth, at least one."""
    return statistics.fmean(sorted(seconds)[: max(1, len(seconds) // 10)])


def _coarser(manager: XRayModelManager) -> Iterator[tuple[Precision, XRayModelManager]]:
    """The same preset in the coarser precisions that it and this processor can be computed in."""
    if manager.runtime.name == "openvino":
        if can_compute("bfloat16"):
            yield "bfloat16", XRayModelManager(manager.preset, precision="bfloat16")
        if can_compute("int8") and find_ranges(manager.preset) is not None:
            yield "int8", XRayModelManager(manager.preset, precision="int8")


_LAUNCH = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(json.dumps([time.perf_counter() - began, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]))
"""


def start_cold(command: Sequence[str], rounds: int = 7) -> dict[str, float]:
    """Run a command in a process of its own, again and again: fewest seconds and the largest resident memory in MB.

    A light process starts it, for the system counts to a process what its parent held when it was started.

    Raises
    ------
    ScoringError
        It ended with an error.
    """
    seconds, resident = [], []
    for _ in range(rounds):
        done = subprocess.run([sys.executable, "-c", _LAUNCH, *command], capture_output=True, check=True)
        lasted, most, status = json.loads(done.stdout)
        if status:
            raise ScoringError("The command that was timed ended with an error.", "Run it by itself to see which.")
        seconds.append(lasted)
        resident.append(most)
    return {"cold_reading_s": round(min(seconds), 2), "cold_reading_mb": round(max(resident))}


def _prepare(manager: XRayModelManager, radiograph: Radiograph) -> None:
    """All that a reading needs of the pixels, of a radiograph of which nothing is known yet."""
    new = dataclasses.replace(radiograph, source_format="PNG")  # in the phantom no text would be looked for
    manager.preprocess(new)
    lung_tensor(new)
    check_picture(new)


def _seconds(way: Callable[[], Any]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began

"""A head as a set of named arrays, as it is kept beside the compiled form of its trunk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.model.head import Affine, Head, Linear, MaxPool, Rectifier

Arrays = dict[str, npt.NDArray[Any]]
STEPS = "steps"


def head_arrays(head: Head) -> Arrays:
    """Everything of a head; ``steps`` holds its order as JSON text, the other arrays are float32."""
    arrays: Arrays = {}
    order = {"spatial": _described(head.spatial, "spatial", arrays), "dense": _described(head.dense, "dense", arrays)}
    arrays[STEPS] = np.array(json.dumps({**order, "dropout": head.dropout}))
    return arrays


def head_from(arrays: Mapping[str, npt.NDArray[Any]]) -> Head:
    """The head of which `head_arrays` made these arrays."""
    order = json.loads(str(arrays[STEPS]))
    spatial, dense = (tuple(_step(step, arrays) for step in order[part]) for part in ("spatial", "dense"))
    return Head(spatial, dense, tuple(order["dropout"]))


def _described(steps: Sequence[Any], part: str, arrays: Arrays) -> list[dict[str, Any]]:
    described = []
    for place, step in enumerate(steps):
        if isinstance(step, Rectifier):
            entry: dict[str, Any] = {"kind": "rectifier", "ceiling": None if np.isinf(step.ceiling) else step.ceiling}
        elif isinstance(step, MaxPool):
            entry = {"kind": "max_pool", "window": step.window, "strides": step.strides}
        else:
            names = ("scale", "offset") if isinstance(step, Affine) else ("kernel", "bias")
            entry = {"kind": type(step).__name__.lower()}
            for name in names:
                entry[name] = f"{part}_{place}_{name}"
                arrays[entry[name]] = getattr(step, name)
        described.append(entry)
    return described


def _step(entry: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    kind = entry["kind"]
    if kind == "rectifier":
        return Rectifier(np.inf if entry["ceiling"] is None else float(entry["ceiling"]))
    if kind == "max_pool":
        return MaxPool(tuple(entry["window"]), tuple(entry["strides"]))
    if kind == "affine":
        return Affine(arrays[entry["scale"]], arrays[entry["offset"]])
    return Linear(arrays[entry["kernel"]], arrays[entry["bias"]])

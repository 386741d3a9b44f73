"""A trunk in int8: its graph marked for OpenVINO to round, and the measuring of the ranges that this takes.

`quantise` puts a FakeQuantize operation before both inputs of a convolution, which OpenVINO takes as the order to
compute it with integers of eight bits: 256 levels between the range's ends for activations, 255 levels around zero for
each output channel of a kernel (docs.openvino.ai, "Low precision IR"). Everything else stays in float32.

A processor without VNNI adds two products in 16 bits. Behind a ReLU few values are near the upper end, where two of
them times two of the largest weights overflow. Where inputs are signed, zero itself lies far up; there kernels are
given half of their levels, with which nothing can overflow (255 * 64 * 2 < 2 ** 15).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Model, Type, opset13, properties

from cxrkit.errors import PresetInvalid
from cxrkit.model.compiled import HeldTrunk
from cxrkit.model.int8_ranges import Int8Ranges, LayerRange
from cxrkit.model.openvino_core import core, read_trunk

Floats = npt.NDArray[np.float32]
STEPS = 255
"""Between the 256 levels of an activation."""


def convolutions(model: Any) -> dict[str, list[Any]]:
    """The convolutions that are computed in int8, by their kernel; several that share one are under it together.

    The first one, which sees pixels, is left out: on training radiographs its rounding moved logits half as much again
    as that of all others, for a tenth of the time (docs/decisions/0031-openvino.md). So are convolutions by group.
    """
    found: dict[str, list[Any]] = {}
    for node in [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"][1:]:
        if node.input_value(1).get_node().get_type_name() == "Constant":
            found.setdefault(_name(_kernel(node)), []).append(node)
    return found


def quantise(model: Any, ranges: Int8Ranges) -> int:
    """Mark the convolutions of a float32 trunk to be computed in int8; returns how many.

    Raises
    ------
    PresetInvalid
        The ranges are not those of this trunk's layers.
    """
    layers, known = convolutions(model), ranges.by_kernel()
    if not layers or set(layers) != set(known):
        raise PresetInvalid(
            "The ranges for int8 do not belong to the layers of this network.",
            "Measure them again with scripts/quantize.py, or leave the precision at float32.",
        )
    marked = 0
    inputs: dict[tuple[Any, ...], Any] = {}  # what two convolutions take is rounded once
    for name, nodes in layers.items():
        low, high = _grid(known[name])
        if not high > low:  # it never saw anything but zero
            continue
        for node in nodes:
            source, kernel = node.input_value(0), _kernel(node)
            widest = np.abs(kernel).reshape(len(kernel), -1).max(axis=1).reshape(-1, 1, 1, 1)
            widest = np.where(widest > 0, widest, np.float32(1)) * (1 if low == 0 else np.float32(127 / 64))
            key = (source.get_node().get_friendly_name(), source.get_index(), low, high)
            if key not in inputs:
                inputs[key] = _rounded(source, np.float32(low), np.float32(high), STEPS + 1).output(0)
            node.input(0).replace_source_output(inputs[key])
            node.input(1).replace_source_output(_rounded(node.input_value(1), -widest, widest, STEPS).output(0))
            marked += 1
    model.validate_nodes_and_infer_types()
    return marked


def computed_in_int8(compiled: Any) -> int:
    """How many convolutions of a compiled model really are computed in int8, as OpenVINO says."""
    facts = (node.get_rt_info() for node in compiled.get_runtime_model().get_ops())
    return sum(
        fact["layerType"].astype(str) == "Convolution" and fact["runtimePrecision"].astype(str) in ("u8", "i8")
        for fact in facts
    )


class RangeWatcher:
    """Looks at what goes into the convolutions of a float32 trunk.

    Parameters
    ----------
    trunk
        The graph: its file, or what was held of it.
    """

    def __init__(self, trunk: Path | HeldTrunk) -> None:
        model = read_trunk(trunk)
        layers = convolutions(model)
        if not layers:
            raise PresetInvalid(
                "This network has no layer that could be computed in int8.", "Leave the precision at float32."
            )
        self._names = [name for name, nodes in layers.items() for _ in nodes]
        sources = [node.input_value(0) for nodes in layers.values() for node in nodes]
        axes = opset13.constant(np.arange(4))
        ends = [opset13.result(reduce(s, axes)) for s in sources for reduce in (opset13.reduce_min, opset13.reduce_max)]
        exactly = {properties.hint.inference_precision(): Type.f32}
        self._compiled = core().compile_model(Model(ends, model.get_parameters(), "ranges"), "CPU", exactly)
        self._ends: dict[str, tuple[float, float]] = {}

    def look(self, tensor: Floats) -> None:
        """Widen the ranges by what (n, S, S, 3) float32 images give."""
        values = [float(value) for value in self._compiled(tensor).values()]
        for name, low, high in zip(self._names, values[::2], values[1::2], strict=True):
            before = self._ends.get(name, (0.0, 0.0))
            self._ends[name] = min(before[0], low), max(before[1], high)

    def layers(self) -> tuple[LayerRange, ...]:
        """The ranges of all images so far, to six digits."""
        return tuple(LayerRange(name, *(float(f"{end:.6g}") for end in ends)) for name, ends in self._ends.items())


def _grid(layer: LayerRange) -> tuple[float, float]:
    """Ends of a range, moved by less than a step so that zero, with which is padded, is one of the levels."""
    step = (layer.high - layer.low) / STEPS
    below = round(-layer.low / step) if step else 0
    return -below * step, (STEPS - below) * step


def _rounded(source: Any, low: Any, high: Any, levels: int) -> Any:
    ends = [opset13.constant(np.asarray(end, np.float32)) for end in (low, high)]
    return opset13.fake_quantize(source, *ends, *ends, levels)


def _kernel(node: Any) -> Floats:
    return np.asarray(node.input_value(1).get_node().data, np.float32)


def _name(kernel: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(kernel).tobytes()).hexdigest()[:16]

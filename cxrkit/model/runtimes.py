"""Running a trunk: a tensor in, feature maps out, safe to share between threads; and which library does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from cxrkit.errors import ExtraMissing, PresetInvalid

if TYPE_CHECKING:
    from cxrkit.preset import Preset

Floats = npt.NDArray[np.float32]
RuntimeName = Literal["auto", "openvino", "tensorflow", "keras"]
Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
SPELT: dict[RuntimeName, str] = {"openvino": "OpenVINO", "tensorflow": "TensorFlow", "keras": "Keras"}


class Runtime(Protocol):
    """Computes the feature maps of a trunk."""

    name: str
    precision: Precision
    streams: int
    """Calls that run side by side; further ones wait."""

    def features(self, tensor: Floats) -> Floats:
        """(n, S, S, 3) -> (n, H, W, K)."""
        ...

    def begin(self, tensor: Floats) -> Callable[[], Floats]:
        """`features`, perhaps computed while the caller goes on; what is returned gives them and must be called."""
        ...


def chosen(name: RuntimeName, precision: Precision = "float32") -> RuntimeName:
    """What runs under a name: ``"auto"`` is OpenVINO where it is installed, else TensorFlow, else Keras.

    Raises
    ------
    PresetInvalid
        There is no such runtime or precision, or the runtime has but float32.
    ExtraMissing
        Its package is not installed.
    """
    for given, known, what in ((name, RuntimeName, "runtime"), (precision, Precision, "precision")):
        if given not in get_args(known):
            raise PresetInvalid(f"There is no {what} named {given!r}.", f"Choose one of {', '.join(get_args(known))}.")
    if name == "auto":
        # a form is built by TensorFlow, so that without it only one that was built before could be read with
        installed = find_spec("openvino") is not None and find_spec("tensorflow") is not None
        name = "openvino" if installed else _keras_runtime()
    if name == "openvino" and find_spec("openvino") is None:
        raise ExtraMissing("The runtime OpenVINO is not installed.", "Install it with: pip install openvino.")
    if precision != "float32" and name != "openvino":
        raise PresetInvalid(f"The runtime {name!r} computes in float32 only.", "Choose the runtime openvino.")
    return name


def require(precision: Precision, presets: Iterable[Preset], runtime: RuntimeName = "auto") -> None:
    """Refuse a precision that cannot be had on this computer, before a long run or a server begins.

    Raises
    ------
    PresetInvalid
        The runtime or the processor cannot compute in it, or a preset lacks the ranges that int8 needs.
    ExtraMissing
        The runtime is not installed.
    """
    if precision == "float32":
        return
    chosen(runtime, precision)
    from cxrkit.model.int8_ranges import load_ranges
    from cxrkit.model.openvino_runtime import can_compute, cannot

    if not can_compute(precision):
        raise cannot(precision)
    if precision == "int8":
        for preset in presets:
            load_ranges(preset)


def said(precision: Precision) -> str:
    """A sentence for whoever reads the numbers; empty for float32, which presets are measured in."""
    return "" if precision == "float32" else f"The network computed in {precision}; its card was measured in float32."


def _keras_runtime() -> RuntimeName:
    import keras

    return "tensorflow" if keras.backend.backend() == "tensorflow" else "keras"

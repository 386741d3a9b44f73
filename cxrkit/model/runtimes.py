"""Running a trunk: a tensor in, feature maps out, safe to share between threads; and which library does it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from cxrkit.errors import ExtraMissing, PresetInvalid

Floats = npt.NDArray[np.float32]
RuntimeName = Literal["auto", "openvino", "tensorflow", "keras"]
Precision = Literal["float32", "bfloat16", "int8"]
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


def _keras_runtime() -> RuntimeName:
    import keras

    return "tensorflow" if keras.backend.backend() == "tensorflow" else "keras"

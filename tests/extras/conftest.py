"""Tests that need PyTorch, JAX, Dask, ONNX or Gradio, and some that take long; the plain `pytest` leaves them out
(testpaths in pyproject.toml).

Asked for by name they must run: where a package is missing the run is refused, not skipped.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

_NEEDED = {
    "torch": "requirements-torch-dev.txt",
    "torchvision": "requirements-torch-dev.txt",
    "torchxrayvision": "requirements-torch-dev.txt",
    "jax": "requirements-jax.txt",
    "distributed": "requirements-cluster.txt",
    "onnx": "requirements-export.txt",
    "onnxruntime": "requirements-export.txt",
    "tf2onnx": "requirements-export.txt",
}
_ALONE = {"gradio": "requirements-gradio.txt"}  # installed without what it depends on


def pytest_configure() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        files = " ".join(f"-r {name}" for name in sorted({_NEEDED[name] for name in missing}))
        raise pytest.UsageError(
            f"tests/extras needs {', '.join(missing)}, which this environment lacks. Run: pip install {files}"
        )
    if any(find_spec(name) is None for name in _ALONE):
        raise pytest.UsageError(
            f"tests/extras needs {', '.join(_ALONE)}, which this environment lacks. "
            f"Run: pip install --no-deps -r {' -r '.join(_ALONE.values())}"
        )
    _prepare_torch()


def _prepare_torch() -> None:
    """One thread per worker; and the operations of torchvision's compiled part, where it was built for another torch.

    The networks, which are all that the tests use, need none of them; but torchvision refuses to load
    while they are unknown.
    """
    import torch

    torch.set_num_threads(1)  # the tests run on several workers, whose waiting threads would hold up each other
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(declared)


_KEPT: list[object] = []  # a library's operations vanish with it

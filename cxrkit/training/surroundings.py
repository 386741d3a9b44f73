"""What a run ran on: the code's commit, the versions of libraries, the machine; nothing that names a person."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import keras

import cxrkit

_BACKENDS = {"tensorflow": "tensorflow", "torch": "torch", "jax": "jax"}
_GIT_SECONDS = 20


def code(root: Path | None = None) -> dict[str, Any]:
    """Commit of the git checkout that cxrkit runs from, and whether files differed from it."""
    home = (root or Path(cxrkit.__file__).resolve().parent.parent).resolve()
    top = _git(home, "rev-parse", "--show-toplevel")
    commit = _git(home, "rev-parse", "HEAD")
    # installed into a folder of somebody else's repository, that one's commit would say nothing
    if top is None or commit is None or Path(top).resolve() != home:
        return {"commit": "not a git checkout", "dirty": None}
    status = _git(home, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Of Python, cxrkit, Keras with its backend, NumPy and OpenCV."""
    backend = keras.backend.backend()
    found = {"python": platform.python_version(), "cxrkit": cxrkit.__version__, "keras": keras.__version__}
    found["backend"] = backend
    for name, package in ((backend, _BACKENDS.get(backend, backend)), ("numpy", "numpy"), ("opencv", "opencv")):
        found[name] = _version(package)
    return found


def _version(package: str) -> str:
    names = ("opencv-python-headless", "opencv-python", "opencv-contrib-python") if package == "opencv" else (package,)
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GiB, accelerators as the backend names them."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory(),
        "accelerators": accelerators(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def imitates_bfloat16(description: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether bfloat16 would be computed by a processor that is known to have no instructions for it (AVX-512 or AMX).

    Imitated, a step costs many times one in float32. False where the processor cannot be asked.
    """
    if accelerators() or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        text = description.read_text(encoding="utf-8")
    except OSError:
        return False
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return bool(flags) and not any(flag.startswith(("avx512", "amx_bf16")) for flag in flags)


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def accelerators() -> list[str]:
    """Names of the devices besides processors that the backend would train on."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = [d for kind in ("GPU", "TPU") for d in tf.config.list_physical_devices(kind)]
        return [str(tf.config.experimental.get_device_details(d).get("device_name", d.device_type)) for d in devices]
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    return []

"""The form in which a network is read with: its trunk for OpenVINO and its head as arrays, built once and kept.

Building takes TensorFlow and some seconds; reading with the form takes neither. Forms lie in ``$CXRKIT_CACHE``, else
in the user's own cache folder, under the sha256 of the weights that they were made of and of everything else that
shapes them. The weights are verified against their card before a form is sought, and a form against the sums that it
was written with, so that nothing is read with what was not verified. Where the cache cannot be written to, a process
builds its own and holds it in memory (`cxrkit.model.unkept`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

import cxrkit.errors
from cxrkit.errors import CxrError, StorageUnusable, WeightsCorrupt
from cxrkit.lung_card import LungCard
from cxrkit.model.head import Head
from cxrkit.model.head_file import head_from
from cxrkit.model.unkept import held
from cxrkit.preset import Preset
from cxrkit.preset_folders import file_sha256, verified_weights

VERSION = 2
"""Of what a form holds; another number is another folder."""

TRUNK, BINARY, ARRAYS, RECORD = "trunk.xml", "trunk.bin", "arrays.npz", "form.json"
KERNELS = "first_kernels"
BUILD_SECONDS = 600.0
_HERE = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Blueprint:
    """All that a form is made of.

    Attributes
    ----------
    kind
        ``"preset"`` or ``"lungs"``.
    weights, weights_sha256
        The verified file.
    backbone, head, feature_layer, input_size, findings
        As in a card; empty for the lungs.
    """

    kind: str
    weights: str
    weights_sha256: str
    backbone: str = ""
    head: str = ""
    feature_layer: str = ""
    input_size: int = 0
    findings: tuple[str, ...] = ()

    @classmethod
    def of(cls, preset: Preset, *, to_build: bool = True) -> Blueprint:
        """That of a preset, whose weights are verified; raises `WeightsMissing` or `WeightsCorrupt`.

        One that is not `to_build` tells where the form lies without a look at the weights, and nothing can be built
        of it.
        """
        return cls(
            "preset",
            str(verified_weights(preset)) if to_build else "",
            preset.weights_sha256,
            preset.backbone,
            preset.head,
            preset.feature_layer,
            preset.input_size,
            tuple(preset.findings),
        )

    @classmethod
    def of_lungs(cls, card: LungCard, folder: Path, *, to_build: bool = True) -> Blueprint:
        """That of the lung network whose card lies in a folder; as `of`."""
        return cls("lungs", str(card.verified_weights(folder)) if to_build else "", card.weights_sha256)

    @property
    def key(self) -> str:
        """Of everything but where the weights lie."""
        shape = {name: value for name, value in asdict(self).items() if name != "weights"}
        return hashlib.sha256(json.dumps([VERSION, shape], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class HeldTrunk:
    """A trunk that lies in no file: its description and its weights, as OpenVINO writes them."""

    description: bytes
    weights: bytes


@dataclass(frozen=True, eq=False)
class CompiledForm:
    """A verified form.

    Attributes
    ----------
    trunk
        Path of the trunk's description, beside which its weights lie; or both, where they could not be kept.
    head
        None for a network that is read with as a whole.
    kernels
        (h, w, C) kernels of the first plain convolution, summed over its inputs, or None.
    """

    trunk: Path | HeldTrunk
    head: Head | None
    kernels: npt.NDArray[np.float32] | None


def cache_folder() -> Path:
    """``$CXRKIT_CACHE``, else the folder that the system has for what can be made again."""
    return Path(os.environ.get("CXRKIT_CACHE") or platformdirs.user_cache_dir("cxrkit", appauthor=False))


def form_folder(blueprint: Blueprint) -> Path:
    """Where the form of a blueprint lies, or would lie."""
    return cache_folder() / "openvino" / blueprint.weights_sha256 / blueprint.key


def compiled_form(blueprint: Blueprint, *, to_keep: bool = False) -> CompiledForm:
    """The form of a network, built first where there is none that is sound.

    A process that has TensorFlow loaded builds it itself; another one leaves that to a child, so that TensorFlow
    never stays in the memory of a server. Where the cache cannot be written to, it is built in the system's temporary
    folder and held in memory for as long as the process lasts, which is logged; a form `to_keep` is refused instead.

    Raises
    ------
    StorageUnusable
        There is no such form, and none can be written: not into the temporary folder either, unless it is `to_keep`.
    WeightsMismatch, PresetInvalid
        The weights are not those of such a network.
    """
    folder = form_folder(blueprint)
    with contextlib.suppress(WeightsCorrupt, OSError):  # damaged, or none there
        return load_form(folder)
    build = _build_here if _tensorflow_is_loaded() else _build_in_child
    if to_keep or can_be_written(folder.parent):
        write_form(folder, build, blueprint)
        return load_form(folder)

    def build_and_hold(place: Path) -> CompiledForm:
        write_form(place, build, blueprint)
        form = load_form(place)
        return replace(form, trunk=HeldTrunk((place / TRUNK).read_bytes(), (place / BINARY).read_bytes()))

    return held(blueprint.key, build_and_hold)


def can_be_kept(blueprint: Blueprint) -> bool:
    """Whether the form of a network lies in the cache, or could."""
    folder = form_folder(blueprint)
    return (folder / RECORD).is_file() or can_be_written(folder.parent)


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made first.

    It is tried: permissions do not tell of a file system that is read-only, and an administrator is asked for none.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="trying-", dir=folder):
            return True
    except OSError:
        return False


def load_form(folder: Path) -> CompiledForm:
    """The form in a folder.

    Raises
    ------
    OSError
        There is none.
    WeightsCorrupt
        A file is missing or is not what was written.
    """
    raw = (folder / RECORD).read_bytes()
    try:
        sums = dict(json.loads(raw)["sha256"])
    except (ValueError, KeyError, TypeError):
        sums = {}
    for name in (TRUNK, BINARY, ARRAYS):
        path = folder / name
        if not path.is_file() or file_sha256(path) != sums.get(name):
            raise WeightsCorrupt(
                "The compiled form of the weights in the cache is damaged.", "Delete it; it is built again."
            )
    with np.load(io.BytesIO((folder / ARRAYS).read_bytes()), allow_pickle=False) as arrays:
        kept = dict(arrays)
    return CompiledForm(folder / TRUNK, head_from(kept) if "steps" in kept else None, kept.get(KERNELS))


def write_form(folder: Path, build: Callable[[Blueprint, Path], None], blueprint: Blueprint) -> None:
    """Have `build` write `TRUNK`, `BINARY` and `ARRAYS`, and put them in place in one step.

    Of two processes that do so at once the second's form replaces the first's, which is the same.

    Raises
    ------
    StorageUnusable
        The cache cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    except OSError:
        raise StorageUnusable(
            "The compiled form of the weights is not in the cache, and the cache cannot be written to.",
            "Let CXRKIT_CACHE name a folder that can be written to, or one that scripts/export.py --cache has filled.",
        ) from None
    try:
        build(blueprint, temporary)
        sums = {name: file_sha256(temporary / name) for name in (TRUNK, BINARY, ARRAYS)}
        (temporary / RECORD).write_text(json.dumps({"version": VERSION, "sha256": sums}, indent=2) + "\n")
        # a temporary folder is its maker's alone, but a cache may be read by others, as in an image
        temporary.chmod(folder.parent.stat().st_mode & 0o777)
        if folder.exists():  # a damaged one, or another process was quicker
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _tensorflow_is_loaded() -> bool:
    keras: Any = sys.modules.get("keras")
    return keras is not None and "tensorflow" in sys.modules and bool(keras.backend.backend() == "tensorflow")


def _build_here(blueprint: Blueprint, folder: Path) -> None:
    from cxrkit.model.building import build

    build(blueprint, folder)


def _build_in_child(blueprint: Blueprint, folder: Path) -> None:
    """As `_build_here`, in a process of its own, whose errors come back as what they are."""
    parts = [str(_HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(parts), "KERAS_BACKEND": "tensorflow"}
    try:
        done = subprocess.run(
            (sys.executable, "-P", "-m", "cxrkit.model.building", str(folder)),
            input=json.dumps(asdict(blueprint)).encode(),
            capture_output=True,
            env=environment,
            timeout=BUILD_SECONDS,
            check=False,
        )
        told = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    except (subprocess.TimeoutExpired, ValueError):
        told = {}
    if told.get("built"):
        return
    kind: type[CxrError] = getattr(cxrkit.errors, told.get("error", ""), StorageUnusable)
    raise kind(
        told.get("message", "The network could not be compiled for OpenVINO."),
        told.get("remedy", "Choose the runtime tensorflow, and report this with the versions that are installed."),
    )

"""From a preset to files of other runtimes, each compared with the preset before it is kept; all of them or none."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cxrkit.errors import ExportRefused, ExtraMissing, StorageUnusable
from cxrkit.imaging.phantom import phantom
from cxrkit.lung_card import LUNGS, load_card
from cxrkit.model.compiled import Blueprint, cache_folder, compiled_form
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph

if TYPE_CHECKING:  # loads Keras
    from cxrkit.conversion.exporting_forms import Form
    from cxrkit.model.manager import XRayModelManager

FORM_NAMES = ("onnx", "openvino", "savedmodel", "litert")
HEAD = ".head.npz"
"""Behind a preset's name: the arrays of what follows the feature maps."""

PHANTOMS = 8
TOLERANCE = 1e-5
"""Largest difference of two probabilities."""

MAPS_TOLERANCE = 1e-4
"""Largest difference of two values of feature maps, as a share of the largest value."""

Floats = npt.NDArray[np.float32]
Tell = Callable[[str], None]
_UNWRITABLE = ("The folder cannot be written to, or the disk is full.", "Name another folder with --out.")


@dataclass(frozen=True)
class Exported:
    """One form that was written.

    Attributes
    ----------
    form, path
        Which, and the file (or the folder of a SavedModel) that its library is given.
    size
        Bytes of all of its files.
    probability_difference
        Largest difference of a calibrated probability from the preset's, on `images` phantoms.
    maps_difference
        Largest difference of the feature maps, as a share of their largest value.
    """

    form: str
    path: Path
    size: int
    probability_difference: float
    maps_difference: float
    images: int = PHANTOMS


@dataclass(frozen=True, eq=False)
class _Expected:
    """What the preset itself computes: images, probabilities (n, C), and feature maps."""

    images: Floats
    probabilities: npt.NDArray[np.float64]
    maps: Floats


def export(
    preset: Preset,
    forms: Sequence[str],
    out: Path,
    *,
    replace: bool = False,
    tell: Tell = lambda line: None,
) -> tuple[Exported, ...]:
    """Write a preset's whole network, image to logits and feature maps, in one or several formats.

    Parameters
    ----------
    preset
        With its weights.
    forms
        Names of `FORM_NAMES`.
    out
        Folder for the files, made if need be; they are named after the preset.
    replace
        Whether files of that name may give way.
    tell
        Takes lines of text.

    Raises
    ------
    ExportRefused
        There is no such form, a file is there already, or a form gives other numbers than the preset. Nothing is then
        written.
    ExtraMissing
        A form needs a package that is not installed, or Keras runs on another backend than TensorFlow.
    StorageUnusable
        The folder cannot be written to.
    WeightsMissing, WeightsCorrupt, WeightsMismatch, PresetInvalid
        As for `cxrkit.model.manager.XRayModelManager`.
    """
    from cxrkit.conversion.exporting_forms import FORMS, Traced
    from cxrkit.conversion.exporting_metadata import metadata
    from cxrkit.model.head_file import head_arrays
    from cxrkit.model.manager import XRayModelManager

    chosen = _chosen(forms, FORMS)
    names = [preset.name + HEAD, *(preset.name + ending for form in chosen.values() for ending in form.files)]
    if not replace and any((out / name).exists() for name in names):
        raise ExportRefused("An export of this preset is there already.", "Give another --out, or --replace.")
    manager = XRayModelManager(preset, runtime="tensorflow")
    expected = _expected(manager)
    traced = Traced.of(manager.model, preset.feature_layer)
    record = metadata(preset, names[0])
    with _making(out) as making:
        np.savez(making / names[0], allow_pickle=False, **head_arrays(manager.head))
        done = []
        for name, form in chosen.items():
            tell(f"writing {name}")
            path = making / (preset.name + form.files[0])
            try:
                form.write(traced, record, path)
                outputs = form.run(path, expected.images)
            except (ValueError, RuntimeError, TypeError) as error:  # of another's library, which lacks an operation
                raise ExportRefused(f"The network cannot be had as {name}: its library refuses it.", _REPORT) from error
            apart, maps_apart = _differences(name, outputs, expected, preset)
            size = sum(_size(making / (preset.name + ending)) for ending in form.files)
            done.append(Exported(name, out / path.name, size, apart, maps_apart))
            tell(
                f"{path.name}: {size / 1e6:.1f} MB; on {PHANTOMS} phantoms probabilities differ by at most "
                f"{apart:.1e}, feature maps by at most {maps_apart:.1e} of their largest value"
            )
        _put(making, out, names)
    return tuple(done)


def fill_cache(presets: Iterable[Preset], tell: Tell = lambda line: None) -> Path:
    """Have the compiled form of presets and of the lung network in the cache; returns the cache's folder.

    Raises
    ------
    StorageUnusable
        A form is missing, and the cache cannot be written to.
    WeightsMissing, WeightsCorrupt, WeightsMismatch, PresetInvalid, ExtraMissing
        As for `cxrkit.model.manager.XRayModelManager`.
    """
    for preset in presets:
        compiled_form(Blueprint.of(preset), to_keep=True)
        tell(f"{preset.name} is in the cache")
    lungs = load_card(LUNGS)
    if lungs is not None:
        compiled_form(Blueprint.of_lungs(lungs, LUNGS), to_keep=True)
        tell("the lung network is in the cache")
    return cache_folder()


def _chosen(names: Sequence[str], forms: dict[str, Form]) -> dict[str, Form]:
    import keras

    unknown = [name for name in names if name not in forms]
    if unknown or not names:
        raise ExportRefused(
            f"There is no form named {unknown[0]!r}." if unknown else "No form was named.",
            f"Choose of {', '.join(forms)}.",
        )
    chosen = {name: forms[name] for name in names}
    for name, form in chosen.items():
        missing = [package for package in form.packages if find_spec(package) is None]
        if missing:
            raise ExtraMissing(
                f"The form {name} needs {', '.join(missing)}.", "Run: pip install -r requirements-export.txt."
            )
    if keras.backend.backend() != "tensorflow":
        raise ExtraMissing("Networks are exported through TensorFlow.", "Set KERAS_BACKEND=tensorflow.")
    return chosen


def _expected(manager: XRayModelManager) -> _Expected:
    radiographs = _phantoms()
    images = np.concatenate([manager.preprocess(radiograph) for radiograph in radiographs])
    read = [[prediction[finding] for finding in manager.findings] for prediction in manager.predict_many(radiographs)]
    return _Expected(images, np.array(read), manager.runtime.features(images))


@cache
def _phantoms() -> tuple[Radiograph, ...]:
    return tuple(phantom(seed, 512) for seed in range(PHANTOMS))


def _differences(name: str, outputs: tuple[Floats, Floats], expected: _Expected, preset: Preset) -> tuple[float, float]:
    """Largest differences of probabilities and of feature maps.

    Raises
    ------
    ExportRefused
        They are too large, or something is not finite.
    """
    logits, maps = outputs
    if logits.shape != expected.probabilities.shape or maps.shape != expected.maps.shape:
        raise ExportRefused(f"The network as {name} gives outputs of other shapes than the preset.", _REPORT)
    calibrations = [preset.calibration[finding] for finding in preset.findings]
    probabilities = [
        [calibration.probability(value) for calibration, value in zip(calibrations, row, strict=True)]
        for row in logits.tolist()
    ]
    apart = float(np.abs(np.array(probabilities) - expected.probabilities).max())
    maps_apart = float(np.abs(maps - expected.maps).max() / np.abs(expected.maps).max())
    if not (apart < TOLERANCE and maps_apart < MAPS_TOLERANCE):  # what is not a number is refused, too
        raise ExportRefused(
            f"The network as {name} gives other numbers than the preset: probabilities differ by up to {apart:.1e}, "
            f"feature maps by up to {maps_apart:.1e} of their largest value.",
            _REPORT,
        )
    return apart, maps_apart


_REPORT = "Nothing was written. Report it with the versions of the packages that are installed."


@contextlib.contextmanager
def _making(out: Path) -> Iterator[Path]:
    """A folder within `out` that is gone afterwards, and so is `out` if it was made here and is empty."""
    fresh = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="exporting-", dir=out))
    except OSError:
        raise StorageUnusable(*_UNWRITABLE) from None
    try:
        yield making
    except OSError:
        raise StorageUnusable(*_UNWRITABLE) from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
        if fresh:
            with contextlib.suppress(OSError):
                out.rmdir()


def _put(making: Path, out: Path, names: Iterable[str]) -> None:
    """Move what was written into place; what stands there gives way."""
    for name in names:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        (making / name).replace(out / name)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())

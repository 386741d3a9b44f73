"""From a file of weights from elsewhere to a preset folder, after a parity check; whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxrkit.conversion.imported_card import WEIGHTS_FILE, Rule, imported_card
from cxrkit.conversion.kinds import CALIBRATED, KINDS, NOT_CALIBRATED, UNCALIBRATED, Kind
from cxrkit.conversion.parity import Parity, compare, inputs
from cxrkit.conversion.sources import Source, open_keras, open_torch
from cxrkit.data.manifest import Manifest, read_manifest
from cxrkit.errors import ImportRefused
from cxrkit.preset import CARD, Geometry, Intensity, Preset

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What the user says about the weights, where the kind and the file do not.

    Attributes
    ----------
    findings
        In the order of the outputs.
    backbone, head
        Of a file of Keras, where the names and shapes of its layers are not enough.
    geometry, intensity, input_size
        Of the radiographs' preparation.
    first
        Backbone weights that are loaded before the whole model (S4's ``densenet.hdf5``): they are checked,
        and then replaced by the model's own.
    title
        Of the preset.
    """

    findings: tuple[str, ...] | None = None
    backbone: str | None = None
    head: str | None = None
    geometry: Geometry | None = None
    intensity: Intensity | None = None
    input_size: int = 224
    first: Path | None = None
    title: str = ""


@dataclass(frozen=True)
class ValidationPart:
    """The user's own labelled radiographs, to calibrate on; see `cxrkit.data.manifest.read_manifest`."""

    manifest: Path
    images: Path | None = None
    split: str | None = "val"
    label_map: Mapping[str, str] = field(default_factory=dict)
    allow_missing: bool = False

    def rows(self, findings: Sequence[str]) -> Manifest:
        """Its rows."""
        return read_manifest(
            self.manifest,
            findings,
            images=self.images,
            split=self.split,
            label_map=self.label_map,
            allow_missing=self.allow_missing,
        )


def import_weights(
    file: str | os.PathLike[str],
    kind: str,
    out: str | os.PathLike[str],
    *,
    wishes: Wishes = Wishes(),
    validation: ValidationPart | None = None,
    replace: bool = False,
    command: str = "",
    tell: Tell = lambda line: None,
) -> Preset:
    """Turn weights from elsewhere into a preset.

    Parameters
    ----------
    file
        File, or folder of a SavedModel.
    kind
        Name in `cxrkit.conversion.kinds.KINDS`.
    out
        Preset folder to write; its name is the preset's.
    wishes
        What the user says about the weights.
    validation
        Rows to fit calibration and operating points on; without them the preset has neither.
    replace
        Whether a preset that stands in `out` may give way.
    command
        Command line for the record.
    tell
        Takes lines of text.

    Returns
    -------
    Preset
        Saved in `out`; its training record names the parity that was found.

    Raises
    ------
    WeightsMissing, WeightsCorrupt, WeightsMismatch, ImportRefused
        Of the file, of the order of its findings, or of the parity; nothing is then written.
    ExtraMissing
        A checkpoint of PyTorch needs PyTorch for the parity check.
    ManifestError, RadiographError
        Of the validation rows.
    """
    chosen = _kind(kind)
    folder = preset_folder(out, replace)
    rule = _rule(chosen, wishes)
    tell(f"reading {Path(file).name}")
    source = _open(file, chosen, wishes)
    _check_names(source.findings)
    rows = None if validation is None else validation.rows(source.findings)
    making = folder.with_name(folder.name + ".making")
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
    except OSError:
        raise ImportRefused("The preset folder cannot be written.", "Name a folder that you may write to.") from None
    try:
        tell("comparing the logits of both networks")
        parity = _convert(source, rule, wishes.first, making / WEIGHTS_FILE)
        tell(f"largest difference {parity.difference:.1e} on {parity.images} images")
        preset = imported_card(folder.name, making, chosen, wishes.title, source, rule, parity, command)
        if rows is not None:
            assert validation is not None
            preset = _calibrated(preset, rows, validation.split or "all rows", tell)
        preset.save(making)
        folder.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS_FILE, CARD):  # the card last: until then the folder holds nothing that can read
            (making / name).replace(folder / name)
        for stale in ("evaluation.json", "label_counts.csv", "recipe.json", "int8.json"):
            (folder / stale).unlink(missing_ok=True)
    except OSError:
        raise ImportRefused("The preset folder cannot be written.", "Name a folder that you may write to.") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Preset.load(folder)


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise ImportRefused(f"There is no kind of weights named {name!r}.", f"Choose one of {', '.join(KINDS)}.")
    return KINDS[name]


def preset_folder(out: str | os.PathLike[str], replace: bool) -> Path:
    """The folder of the preset, which may be written.

    Raises
    ------
    ImportRefused
        Its name is unfit, or something stands there that may not give way.
    """
    folder = Path(out)
    if not _NAME.fullmatch(folder.name):
        raise ImportRefused(
            "The name of the preset folder has characters that names cannot have.",
            "Use letters, digits, dots, dashes and underscores.",
        )
    if folder.exists() and not folder.is_dir():
        raise ImportRefused("The place of the preset folder is taken by a file.", "Give another --out.")
    if (folder / CARD).exists() and not replace:
        raise ImportRefused("A preset stands in the folder already.", "Give another --out, or --replace.")
    return folder


def _rule(kind: Kind, wishes: Wishes) -> Rule:
    for name, published, wished in (
        ("geometry", kind.geometry, wishes.geometry),
        ("intensity", kind.intensity, wishes.intensity),
    ):
        if published is None and wished is None:
            raise ImportRefused(
                f"How radiographs are prepared for this network is not known: its {name} is missing.",
                f"Say how it was trained with --{name}.",
            )
        if kind.findings is not None and None not in (published, wished) and published != wished:
            raise ImportRefused(
                f"Networks of kind {kind.name} were trained with the {name} {published}.", f"Leave out --{name}."
            )
    geometry, intensity = wishes.geometry or kind.geometry, wishes.intensity or kind.intensity
    assert geometry is not None
    assert intensity is not None
    return Rule(wishes.input_size, geometry, intensity)


def _open(file: str | os.PathLike[str], kind: Kind, wishes: Wishes) -> Source:
    if kind.form == "torch":
        return open_torch(file, kind, wishes.findings)
    return open_keras(file, kind, wishes.findings, size=wishes.input_size, backbone=wishes.backbone, head=wishes.head)


def _check_names(findings: Sequence[str]) -> None:
    for name in findings:
        if not _NAME.fullmatch(name):
            raise ImportRefused(
                "A finding has characters that names cannot have.",
                "Use letters, digits, dots, dashes and underscores: Lung_Lesion for Lung Lesion.",
            )


def _convert(source: Source, rule: Rule, first: Path | None, target: Path) -> Parity:
    """Write our weights, and compare the network as stored with the source."""
    import keras

    from cxrkit.conversion.keras_source import match_head
    from cxrkit.model.checkpoints import assign, load_imagenet, read_layers, save_weights
    from cxrkit.model.network import build_network

    network = build_network(source.backbone, len(source.findings), input_size=rule.input_size, head=source.head)
    if first is not None:
        load_imagenet(network, source.backbone, first)
    assign(network, match_head(network, source.layers), file="to import")
    save_weights(network, target, source.findings, exact=True)
    assign(network, read_layers(target)[0], file=target.name)  # what is compared is what was stored

    def ours(images: Any) -> Any:
        return keras.ops.convert_to_numpy(network(images, training=False))

    return compare(source.logits, ours, inputs(rule), rounded=source.rounded)


def _calibrated(preset: Preset, rows: Manifest, split: str, tell: Tell) -> Preset:
    from cxrkit.training.finishing import fit_on_validation

    fitted = fit_on_validation(preset, [rows], split, None, tell)
    limits = [text for text in fitted.limits if text not in NOT_CALIBRATED]
    if left := [finding for finding in fitted.findings if not fitted.calibration[finding].n]:
        limits.insert(0, UNCALIBRATED.format(findings=", ".join(left)))
    return dataclasses.replace(fitted, limits=(CALIBRATED.format(n=len(rows)), *limits))

"""Whether this installation can read, and what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cxrkit.preset_folders
from cxrkit.lung_card import LUNGS, load_card
from cxrkit.model.runtimes import Runtime
from cxrkit.preset_folders import list_presets, verified_gate, verified_weights
from cxrkit.reading import DISCLAIMER

API_VERSION = "2.0"


def health(loaded: Mapping[str, Runtime] | None = None, folder: Path | None = None) -> dict[str, Any]:
    """Presets whose files are what their cards name, and the DICOM encodings that can be decoded, as plain types.

    ``status`` is ``"ok"`` when there is a preset and every decoder is installed, else ``"degraded"``. Nothing
    is loaded: the sums of the weights are compared, which takes some milliseconds.

    Parameters
    ----------
    loaded
        Preset -> runtime, of the models that are ready to read.
    folder
        Of the presets; None for `cxrkit.preset_folders.WEIGHTS`.

    Raises
    ------
    PresetInvalid, WeightsMissing, WeightsCorrupt
        A preset or the lung network cannot be used.
    """
    # Imported here: the DICOM library is wanted by this answer alone.
    from cxrkit.imaging.dicom import transfer_syntaxes

    loaded = loaded or {}
    presets = list_presets(folder or cxrkit.preset_folders.WEIGHTS)
    for preset in presets:
        verified_weights(preset)
        verified_gate(preset)
    lungs = load_card(LUNGS)
    if lungs is not None:
        lungs.verified_weights(LUNGS)
    syntaxes = [{"uid": uid, "name": name, "decodable": decodable} for uid, name, decodable in transfer_syntaxes()]
    sound = bool(presets) and all(syntax["decodable"] for syntax in syntaxes)
    return {
        "status": "ok" if sound else "degraded",
        "model_loaded": bool(presets) and all(preset.name in loaded for preset in presets),
        "gradcam_enabled": True,
        "api_version": API_VERSION,
        "presets": [
            {
                "name": p.name,
                "version": p.version,
                "weights_sha256": p.weights_sha256,
                "runtime": loaded[p.name].name if p.name in loaded else None,
                "precision": loaded[p.name].precision if p.name in loaded else None,
            }
            for p in presets
        ],
        "transfer_syntaxes": syntaxes,
        "disclaimer": DISCLAIMER,
    }

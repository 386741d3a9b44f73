"""Presets and their models, which all sessions share, and what they say of the phantom."""

from __future__ import annotations

import functools
import gc
import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

import cxrkit.preset_folders
from cxrkit.charts import overlay
from cxrkit.charts import viewer as viewer_chart
from cxrkit.errors import CxrError, PresetNotFound
from cxrkit.imaging import worker
from cxrkit.imaging.phantom import phantom
from cxrkit.preset import CARD, Preset
from cxrkit.preset_folders import load_as_named

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

T = TypeVar("T")


def presets() -> dict[str, Preset]:
    """Presets by name, as their cards are now, without broken ones.

    Raises
    ------
    PresetNotFound
        There is none.
    PresetInvalid
        All are broken: what is wrong with the first.
    """
    found, broken = _presets(_cards())
    if broken and not found:
        raise broken[0]
    if not found:
        raise PresetNotFound(
            "There is no model to read with: the weights folder holds no preset.",
            "Restore it from the release (with git: git checkout weights), or train one with scripts/train.py.",
        )
    return found


def broken_presets() -> tuple[CxrError, ...]:
    """What is wrong with each preset whose card cannot be used."""
    return _presets(_cards())[1]


def _cards() -> tuple[tuple[str, str], ...]:
    """Folder and sha256 of every card."""
    return tuple((str(p.parent), _digest(p)) for p in sorted(Path(cxrkit.preset_folders.WEIGHTS).glob(f"*/{CARD}")))


@st.cache_resource(max_entries=4, ttl="24h", show_spinner=False)
def _presets(cards: tuple[tuple[str, str], ...]) -> tuple[dict[str, Preset], tuple[CxrError, ...]]:
    found, broken = {}, []
    for folder, _ in cards:
        try:
            preset = load_as_named(Path(folder))
        except CxrError as error:
            broken.append(type(error)(error.message, error.remedy))  # without the frames of the one that was raised
        else:
            found[preset.name] = preset
    return found, tuple(broken)


def manager(preset: Preset) -> XRayModelManager:
    """The preset's verified and warmed-up model, shared by all sessions."""
    return _manager(preset.folder, card_sum(preset), preset)


@st.cache_resource(max_entries=4, ttl="24h", show_spinner="Loading and verifying the model ...")
def _manager(folder: str, card_sha256: str, _preset: Preset) -> XRayModelManager:
    # Imported here: the page is shown before the network library, which takes seconds, is loaded.
    worker.prepare()  # the first file finds it ready
    from cxrkit.model.manager import XRayModelManager

    loaded = XRayModelManager(_preset)
    sample = phantom(size=256)
    reading = loaded.read(sample)  # the first call traces the network
    viewer_chart.viewer(overlay.display_copy(sample), reading.explanations).to_json()
    _exempt_from_collection()
    return loaded


@functools.cache
def _exempt_from_collection() -> None:
    """Have garbage sought among later objects alone: what is loaded with the first model stays as long as the process.

    Streamlit collects all garbage after every run of a page. It looked through the 200,000 objects of the libraries
    each time, 80 ms in which no other session went on. What loses its last reference is freed as before.
    """
    gc.collect()
    gc.freeze()


def card_sum(preset: Preset) -> str:
    """The sha256 of a preset's card as it is now."""
    return _digest(Path(preset.folder) / CARD)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def on_phantom(preset: Preset, work: Callable[..., T], *arguments: Hashable) -> T:
    """``work(model, phantom, *arguments)`` of the library, computed once for all sessions."""
    name = f"{work.__module__}.{work.__qualname__}"
    found: T = _on_phantom(preset.folder, card_sum(preset), name, arguments, preset, work)
    return found


@st.cache_resource(max_entries=64, ttl="24h", show_spinner="Computing on the phantom ...")
def _on_phantom(
    folder: str, card_sha256: str, name: str, arguments: tuple[Hashable, ...], _preset: Preset, _work: Callable[..., T]
) -> T:
    return _work(manager(_preset), phantom(size=512), *arguments)

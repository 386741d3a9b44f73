"""Readings of the session's radiographs, with what the reader said of their refusals and corrections."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from cxrkit.dashboard import choices, films, view_choices
from cxrkit.dashboard.services.models import card_sum, manager
from cxrkit.imaging.quality import corrected
from cxrkit.preset import Preset
from cxrkit.quality import Correction
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

T = TypeVar("T")
_OVERRIDDEN, _AS_THEY_LIE = "overridden", "as_they_lie"  # refusals, and corrections, that the reader undid
_READ = "films_read"  # what was read and by which weights


def read(radiograph: Radiograph, preset: Preset) -> tuple[Radiograph, Reading]:
    """The reading of a radiograph by a preset, computed once per session; and the radiograph as it was read.

    A picture that lies wrongly is put into place, unless the reader undid that.
    """
    reading = _judged(radiograph, preset)
    st.session_state[_READ] = {*st.session_state.get(_READ, ()), _mark(radiograph, preset.weights_sha256)}
    if not reading.quality.correction:
        return radiograph, reading
    return _corrected(radiograph.key, reading.quality.correction, radiograph), reading


def known_reading(radiograph: Radiograph, preset: Preset) -> Reading | None:
    """The reading of a radiograph that was looked at before in this session, or None: nothing is read for this."""
    if _mark(radiograph, preset.weights_sha256) not in st.session_state.get(_READ, ()):
        return None
    return _judged(radiograph, preset)


def _judged(radiograph: Radiograph, preset: Preset) -> Reading:
    """The reading, with what the reader said of a refusal."""
    model = manager(preset)
    card = card_sum(preset)
    as_it_lies = _mark(radiograph, preset.weights_sha256) in st.session_state.get(_AS_THEY_LIE, ())
    reading = _reading(radiograph.key, as_it_lies, preset.weights_sha256, card, radiograph, model)
    if reading.quality.refused and _refusal(radiograph, reading) in st.session_state.get(_OVERRIDDEN, ()):
        return reading.override()
    return reading


@st.cache_resource(scope="session", max_entries=2 * films.MOST_FILMS, ttl="8h", show_spinner=False)
def _reading(
    radiograph_key: str,
    as_it_lies: bool,
    weights_sha256: str,
    card_sha256: str,
    _radiograph: Radiograph,
    _model: XRayModelManager,
) -> Reading:
    return _model.read(_radiograph, correct=not as_it_lies)


@st.cache_resource(scope="session", max_entries=1, ttl="8h", show_spinner=False)
def _corrected(radiograph_key: str, corrections: tuple[Correction, ...], _radiograph: Radiograph) -> Radiograph:
    return corrected(_radiograph, corrections)


def ask_all_the_same(radiograph: Radiograph, reading: Reading) -> None:
    """Show this very reading in spite of its refusal (a widget's callback)."""
    st.session_state[_OVERRIDDEN] = {*st.session_state.get(_OVERRIDDEN, ()), _refusal(radiograph, reading)}


def leave_as_it_lies(weights_sha256: str) -> None:
    """Undo that a preset had the radiograph turned or inverted (a widget's callback)."""
    _as_it_lies(weights_sha256, wanted=True)


def put_into_place(weights_sha256: str) -> None:
    """Turn and invert the radiograph again, as a preset proposed (a widget's callback)."""
    _as_it_lies(weights_sha256, wanted=False)


def _as_it_lies(weights_sha256: str, *, wanted: bool) -> None:
    radiograph = films.shown_radiograph()
    if radiograph is not None:
        mark = _mark(radiograph, weights_sha256)
        others = set(st.session_state.get(_AS_THEY_LIE, ())) - {mark}
        st.session_state[_AS_THEY_LIE] = others | {mark} if wanted else others
        choices.forget(*view_choices.BLANKING)  # a box that was placed on the picture would lie elsewhere on it now


def _mark(radiograph: Radiograph, weights_sha256: str) -> str:
    return f"{radiograph.key} {weights_sha256}"


def _refusal(radiograph: Radiograph, reading: Reading) -> str:
    """What a reader's request is for: this picture, these weights, these reasons, and no others."""
    codes = sorted(issue.code for issue in reading.quality.issues if issue.severity == "refuse")
    return " ".join((_mark(radiograph, reading.weights_sha256), *reading.quality.proposed, *codes))


def on_radiograph(preset: Preset, radiograph: Radiograph, work: Callable[..., T]) -> T:
    """``work(model, radiograph)`` of the library for the session's own radiograph."""
    name = f"{work.__module__}.{work.__qualname__}"
    found: T = _on_radiograph(radiograph.key, card_sum(preset), name, radiograph, preset, work)
    return found


@st.cache_resource(scope="session", max_entries=2, ttl="8h", show_spinner="Computing on your radiograph ...")
def _on_radiograph(
    radiograph_key: str, card_sha256: str, name: str, _radiograph: Radiograph, _preset: Preset, _work: Callable[..., T]
) -> T:
    return _work(manager(_preset), _radiograph)


def forget() -> None:
    """Forget all readings, and what the reader said of them."""
    for key in (_OVERRIDDEN, _AS_THEY_LIE, _READ):
        st.session_state.pop(key, None)
    for cache in (_reading, _corrected, _on_radiograph):
        cache.clear()


def reading_json(reading: Reading) -> bytes:
    """The reading as a JSON file."""
    return (json.dumps(reading.to_dict(), indent=2, allow_nan=False) + "\n").encode()


def download_name(reading: Reading, suffix: str) -> str:
    """File name of a download: preset and image sum, nothing of the file's own name."""
    return f"{reading.preset}-{reading.radiograph_sha256[:8]}{suffix}"

"""What pages ask of the library, and every cache of the dashboard.

Models are shared by all sessions. What belongs to a patient never is: radiographs lie in the
session's own state and readings in session-scoped caches, both bounded, both emptied by
`clear_patient`. Keys are sums of the source with what was done to it, never arrays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

import cxrkit.preset
from cxrkit.charts import overlay
from cxrkit.charts import viewer as viewer_chart
from cxrkit.dashboard.entry import incident
from cxrkit.errors import CxrError, PresetNotFound
from cxrkit.imaging import worker
from cxrkit.imaging.burned_in import find_text
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.quality import corrected
from cxrkit.imaging.worker import load_untrusted_with_alternatives
from cxrkit.preset import CARD, Preset, list_presets
from cxrkit.quality import Correction
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Reading

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from cxrkit.imaging.alternatives import Alternatives
    from cxrkit.model.manager import XRayModelManager

CHOSEN_FINDING = "chosen_finding"  # session key: the finding that the reader looks at
CHOSEN_DISPLAY = "chosen_display"  # session key: the field with the radiograph's windows and look-up tables
_RADIOGRAPH, _FAILURE, _INTAKES = "radiograph", "intake_failure", "intakes"
_ALTERNATIVES = "alternatives"  # the displays of the radiograph that is shown, and of no other
_OVERRIDDEN, _AS_THEY_LIE = "overridden", "as_they_lie"  # refusals, and corrections, that the reader undid
_CHOICES = "kept_choices"
BLANKING = ("blank_suspected", "blank_own", "blank_across", "blank_down")  # session keys: what is blanked, and where


# -- presets and models ------------------------------------------------------------------------


def presets() -> dict[str, Preset]:
    """Presets by name, as their cards are now; raises `PresetNotFound` when there is none."""
    folder = cxrkit.preset.WEIGHTS
    found = _presets(tuple((str(p.parent), _digest(p)) for p in sorted(Path(folder).glob(f"*/{CARD}"))))
    if not found:
        raise PresetNotFound(
            "There is no model to read with: the weights folder holds no preset.",
            "Restore it from the release (with git: git checkout weights), or train one with scripts/train.py.",
        )
    return found


@st.cache_resource(max_entries=4, ttl="24h", show_spinner=False)
def _presets(cards: tuple[tuple[str, str], ...]) -> dict[str, Preset]:
    """`cards` holds folder and sha256 of every card; they share one parent folder."""
    found = list_presets(Path(cards[0][0]).parent) if cards else ()
    return {preset.name: preset for preset in found}


def manager(preset: Preset) -> XRayModelManager:
    """The preset's verified and warmed-up model, shared by all sessions."""
    return _manager(preset.folder, _digest(Path(preset.folder) / CARD), preset)


@st.cache_resource(max_entries=4, ttl="24h", show_spinner="Loading and verifying the model ...")
def _manager(folder: str, card_sha256: str, _preset: Preset) -> XRayModelManager:
    # Imported here: the page is shown before the network library, which takes seconds, is loaded.
    worker.prepare()  # the first file finds it ready
    from cxrkit.model.manager import XRayModelManager

    loaded = XRayModelManager(_preset)
    sample = phantom(size=256)
    reading = loaded.read(sample)  # the first call traces the network
    viewer_chart.viewer(overlay.display_copy(sample), reading.explanations).to_json()
    return loaded


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- the reader's choices ----------------------------------------------------------------------


def recall(key: str, default: object, allowed: Collection[object] = ()) -> None:
    """Set a widget, before it is placed, to what it was when the reader last saw it.

    Streamlit forgets every widget that the current page does not show.
    """
    if key not in st.session_state:
        kept = st.session_state.get(_CHOICES, {}).get(key, default)
        st.session_state[key] = kept if not allowed or kept in allowed else default


def keep(key: str, value: object) -> None:
    """Remember a widget's value for `recall`."""
    st.session_state[_CHOICES] = {**st.session_state.get(_CHOICES, {}), key: value}


def forget_choices(*keys: str) -> None:
    """Let widgets start anew, as for another patient."""
    for key in keys:
        st.session_state.pop(key, None)
    st.session_state[_CHOICES] = {k: v for k, v in st.session_state.get(_CHOICES, {}).items() if k not in keys}


# -- one patient's radiographs -----------------------------------------------------------------


def uploader_key() -> str:
    """Key of the file uploader; it changes after each file, which leaves no file name on the page."""
    return f"upload_{st.session_state.get(_INTAKES, 0)}"


def take_upload() -> None:
    """Decode what was just uploaded, keep the radiograph and let go of the file (a widget's callback)."""
    upload: UploadedFile | None = st.session_state.get(uploader_key())
    if upload is None:
        return
    _forget_patient()
    try:
        st.session_state[_RADIOGRAPH], st.session_state[_ALTERNATIVES] = load_untrusted_with_alternatives(
            upload.getvalue(), name=upload.name
        )
    except CxrError as error:
        st.session_state[_FAILURE] = error
    except Exception as error:
        st.session_state[_FAILURE] = incident(error)
    finally:
        _forget_file(upload)


def take_phantom() -> None:
    """Show the synthetic phantom (a widget's callback)."""
    _forget_patient()
    st.session_state[_RADIOGRAPH] = phantom()


def shown_radiograph() -> Radiograph | None:
    """The radiograph that the session looks at, or None."""
    radiograph: Radiograph | None = st.session_state.get(_RADIOGRAPH)
    return radiograph


def displays() -> tuple[int, ...]:
    """Numbers of the displays that the shown radiograph can be seen in, where there are several."""
    others: Alternatives | None = st.session_state.get(_ALTERNATIVES)
    return () if others is None else others.choices


def choose_display(display: int) -> None:
    """Show the radiograph with another of its windows or look-up tables; it is then read anew."""
    radiograph, others = shown_radiograph(), st.session_state.get(_ALTERNATIVES)
    if radiograph is not None and others is not None:
        st.session_state[_RADIOGRAPH] = others.show(radiograph, display)


def intake_failure() -> CxrError | str | None:
    """Why the last upload could not be read: an error, or an incident's number."""
    failure: CxrError | str | None = st.session_state.get(_FAILURE)
    return failure


def clear_patient() -> None:
    """Forget radiographs, readings, pictures and files of this session (a widget's callback).

    What is freed is not overwritten: that is the operating system's business, and swap's.
    """
    _forget_patient()
    worker.forget()
    _forget_downloads()


def _forget_patient() -> None:
    """Forget the radiograph and all that was made of it and chosen for it; the next one starts afresh."""
    for key in (_RADIOGRAPH, _ALTERNATIVES, _FAILURE, _OVERRIDDEN, _AS_THEY_LIE, CHOSEN_FINDING, CHOSEN_DISPLAY):
        st.session_state.pop(key, None)
    st.session_state[_INTAKES] = st.session_state.get(_INTAKES, 0) + 1
    forget_choices(*BLANKING)
    for cache in (_reading, _corrected, _display_copy, _suspected_text, _viewer):
        cache.clear()


def _forget_downloads() -> None:
    """Drop the files that were saved from the page; Streamlit would keep them through another run."""
    context = get_script_run_ctx()
    if context is not None:
        files = runtime.get_instance().media_file_mgr
        files.clear_session_refs(context.session_id)
        for _ in range(2):  # the first round only marks a download
            files.remove_orphaned_files()


def _forget_file(upload: UploadedFile) -> None:
    """Drop the uploaded bytes, which Streamlit would keep until the session ends."""
    context = get_script_run_ctx()
    if context is not None:
        files: Any = context.uploaded_file_mgr
        files.remove_file(session_id=context.session_id, file_id=upload.file_id)


# -- readings ----------------------------------------------------------------------------------


def read(radiograph: Radiograph, preset: Preset) -> tuple[Radiograph, Reading]:
    """The reading of a radiograph by a preset, computed once per session; and the radiograph as it was read.

    A picture that lies wrongly is put into place, unless the reader undid that.
    """
    model = manager(preset)
    card = _digest(Path(preset.folder) / CARD)
    as_it_lies = _mark(radiograph, preset.weights_sha256) in st.session_state.get(_AS_THEY_LIE, ())
    reading = _reading(radiograph.key, as_it_lies, preset.weights_sha256, card, radiograph, model)
    if reading.quality.refused and _refusal(radiograph, reading) in st.session_state.get(_OVERRIDDEN, ()):
        reading = reading.override()
    if not reading.quality.correction:
        return radiograph, reading
    return _corrected(radiograph.key, reading.quality.correction, radiograph), reading


@st.cache_resource(scope="session", max_entries=8, ttl="8h", show_spinner=False)
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
    radiograph = shown_radiograph()
    if radiograph is not None:
        mark = _mark(radiograph, weights_sha256)
        others = set(st.session_state.get(_AS_THEY_LIE, ())) - {mark}
        st.session_state[_AS_THEY_LIE] = others | {mark} if wanted else others
        forget_choices(*BLANKING)  # a box that was placed on the picture would lie elsewhere on it now


def _mark(radiograph: Radiograph, weights_sha256: str) -> str:
    return f"{radiograph.key} {weights_sha256}"


def _refusal(radiograph: Radiograph, reading: Reading) -> str:
    """What a reader's request is for: this picture, these weights, these reasons, and no others."""
    codes = sorted(issue.code for issue in reading.quality.issues if issue.severity == "refuse")
    return " ".join((_mark(radiograph, reading.weights_sha256), *reading.quality.proposed, *codes))


def display_copy(radiograph: Radiograph) -> overlay.DisplayCopy:
    """The compressed picture of a radiograph that the page shows."""
    return _display_copy(radiograph.key, radiograph)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _display_copy(radiograph_key: str, _radiograph: Radiograph) -> overlay.DisplayCopy:
    return overlay.display_copy(_radiograph)


def suspected_text(radiograph: Radiograph) -> tuple[Box, ...]:
    """Boxes of what looks like text in the picture itself."""
    return _suspected_text(radiograph.key, radiograph)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _suspected_text(radiograph_key: str, _radiograph: Radiograph) -> tuple[Box, ...]:
    return find_text(_radiograph.pixels)


def viewer(
    radiograph: Radiograph, reading: Reading, colour_map: str, blanked: tuple[Box, ...] = ()
) -> viewer_chart.Figure:
    """The chart of a radiograph with all maps of its reading, and with these boxes black."""
    return _viewer(radiograph.key, reading.weights_sha256, colour_map, blanked, radiograph, reading)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _viewer(
    radiograph_key: str,
    weights_sha256: str,
    colour_map: str,
    blanked: tuple[Box, ...],
    _radiograph: Radiograph,
    _reading: Reading,
) -> viewer_chart.Figure:
    return viewer_chart.viewer(overlay.blank(display_copy(_radiograph), blanked), _reading.explanations, colour_map)


def reading_json(reading: Reading) -> bytes:
    """The reading as a JSON file."""
    return (json.dumps(reading.to_dict(), indent=2, allow_nan=False) + "\n").encode()


def download_name(reading: Reading, suffix: str) -> str:
    """File name of a download: preset and image sum, nothing of the file's own name."""
    return f"{reading.preset}-{reading.radiograph_sha256[:8]}{suffix}"

"""What pages ask of the library, and every cache of the dashboard.

Models are shared by all sessions. What belongs to a patient never is: radiographs lie in the
session's own state (`cxrkit.dashboard.films`) and readings in session-scoped caches, both bounded, both emptied by
`cxrkit.dashboard.intake.clear_patient`. Keys are sums of the source with what was done to it, never arrays.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import json
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

import cxrkit.preset
from cxrkit.charts import contact_sheet as contact_sheet_chart
from cxrkit.charts import overlay
from cxrkit.charts import side_by_side as side_by_side_chart
from cxrkit.charts import viewer as viewer_chart
from cxrkit.dashboard import choices, films
from cxrkit.errors import PresetNotFound
from cxrkit.imaging import worker
from cxrkit.imaging.derived import patient_text
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.quality import corrected
from cxrkit.preset import CARD, Preset, list_presets
from cxrkit.quality import Correction
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Reading
from cxrkit.serving.batch_job import BatchJob

if TYPE_CHECKING:
    from cxrkit.charts.style import Chart
    from cxrkit.evaluation.schema import Comparison
    from cxrkit.model.manager import XRayModelManager
    from cxrkit.serving.judged_table import Bench, JudgedTable, Line
    from cxrkit.serving.kept_scores import KeptSplit

T = TypeVar("T")
CHOSEN_FINDING = "chosen_finding"  # session key: the finding that the reader looks at
DRAWN = "drawn_picture"  # session key: what the viewer showed last
_OVERRIDDEN, _AS_THEY_LIE = "overridden", "as_they_lie"  # refusals, and corrections, that the reader undid
THUMBNAIL_SIDE = 96
WINDOW = ("map_level", "map_width")  # what is kept: through which window the radiograph is seen
SWITCHES = ("map_hidden", "picture_inverted")  # session keys: what the buttons above the picture switched
_READ = "films_read"  # what was read and by which weights
COMPARED = ("compare_prior", "compare_current")  # session keys: the numbers of the films that are compared
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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- readings ----------------------------------------------------------------------------------


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
    card = _digest(Path(preset.folder) / CARD)
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
        choices.forget(*BLANKING)  # a box that was placed on the picture would lie elsewhere on it now


def forget_patient() -> None:
    """Forget all that was made of the session's radiographs and chosen for them."""
    for key in (_OVERRIDDEN, _AS_THEY_LIE, _READ, CHOSEN_FINDING, DRAWN):
        st.session_state.pop(key, None)
    choices.forget(*BLANKING, *COMPARED)
    reset_window()
    for cache in (
        _reading,
        _corrected,
        _display_copy,
        _viewer,
        _contact_sheet,
        _thumbnail,
        _on_radiograph,
        _side_by_side,
    ):
        cache.clear()


def reset_window() -> None:
    """Show the radiograph as it is, and its map (also a widget's callback)."""
    for key in SWITCHES:
        st.session_state.pop(key, None)
    choices.forget(*WINDOW)


def _mark(radiograph: Radiograph, weights_sha256: str) -> str:
    return f"{radiograph.key} {weights_sha256}"


def _refusal(radiograph: Radiograph, reading: Reading) -> str:
    """What a reader's request is for: this picture, these weights, these reasons, and no others."""
    codes = sorted(issue.code for issue in reading.quality.issues if issue.severity == "refuse")
    return " ".join((_mark(radiograph, reading.weights_sha256), *reading.quality.proposed, *codes))


def display_copy(radiograph: Radiograph) -> overlay.DisplayCopy:
    """The compressed picture of a radiograph that the page shows."""
    return _display_copy(radiograph.key, radiograph)


@st.cache_resource(scope="session", max_entries=films.MOST_FILMS, ttl="8h", show_spinner=False)
def _display_copy(radiograph_key: str, _radiograph: Radiograph) -> overlay.DisplayCopy:
    return overlay.display_copy(_radiograph)


def viewer(
    radiograph: Radiograph,
    reading: Reading,
    colour_map: str,
    blanked: tuple[Box, ...] = (),
    *,
    beside: bool = False,
) -> viewer_chart.Figure:
    """The chart of a radiograph with all maps of its reading, and with these boxes black; see `viewer_chart.viewer`."""
    return _viewer(radiograph.key, reading.weights_sha256, colour_map, blanked, beside, radiograph, reading)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _viewer(
    radiograph_key: str,
    weights_sha256: str,
    colour_map: str,
    blanked: tuple[Box, ...],
    beside: bool,
    _radiograph: Radiograph,
    _reading: Reading,
) -> viewer_chart.Figure:
    copy = overlay.blank(display_copy(_radiograph), blanked)
    return viewer_chart.viewer(copy, _reading.explanations, colour_map, beside=beside)


def side_by_side(
    shown: Sequence[tuple[Radiograph, Reading]], findings: Sequence[str], colour_map: str
) -> viewer_chart.Figure:
    """Radiographs beside one another with the maps of their readings, and with suspected text black.

    A reading that is refused lends no maps; a phantom's letters say that it is no patient, and stay.
    """
    keys = tuple((radiograph.key, reading.weights_sha256, reading.quality.refused) for radiograph, reading in shown)
    return _side_by_side(keys, tuple(findings), colour_map, shown)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _side_by_side(
    keys: tuple[tuple[str, str, bool], ...],
    findings: tuple[str, ...],
    colour_map: str,
    _shown: Sequence[tuple[Radiograph, Reading]],
) -> viewer_chart.Figure:
    sides = []
    for radiograph, reading in _shown:
        copy = overlay.blank(display_copy(radiograph), patient_text(radiograph))
        sides.append(side_by_side_chart.Side(copy, {} if reading.quality.refused else reading.explanations))
    return side_by_side_chart.side_by_side(sides, findings, colour_map)


def contact_sheet(
    radiograph: Radiograph, reading: Reading, colour_map: str, blanked: tuple[Box, ...] = ()
) -> contact_sheet_chart.ContactSheet:
    """The pictures of all maps in small, with these boxes black."""
    return _contact_sheet(radiograph.key, reading.weights_sha256, colour_map, blanked, radiograph, reading)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=False)
def _contact_sheet(
    radiograph_key: str,
    weights_sha256: str,
    colour_map: str,
    blanked: tuple[Box, ...],
    _radiograph: Radiograph,
    _reading: Reading,
) -> contact_sheet_chart.ContactSheet:
    copy = overlay.blank(display_copy(_radiograph), blanked)
    return contact_sheet_chart.contact_sheet(copy, _reading.explanations, colour_map)


def thumbnail(radiograph: Radiograph) -> str:
    """A small picture of a radiograph as it lies, with suspected text black, as a data URI."""
    return _thumbnail(radiograph.key, radiograph)


@st.cache_resource(scope="session", max_entries=films.MOST_FILMS, ttl="8h", show_spinner=False)
def _thumbnail(radiograph_key: str, _radiograph: Radiograph) -> str:
    copy = overlay.blank(overlay.display_copy(_radiograph, THUMBNAIL_SIDE), patient_text(_radiograph))
    return overlay.jpeg_uri(overlay.small(copy, THUMBNAIL_SIDE))


def watch(job: BatchJob) -> None:
    """Have a batch paused when its session ends or loses its connection."""
    _watched(job.key, job)


def forget_watched() -> None:
    """Let go of the session's batch."""
    _watched.clear()


@st.cache_resource(scope="session", max_entries=1, ttl="8h", show_spinner=False, on_release=BatchJob.pause)
def _watched(job_key: str, _job: BatchJob) -> BatchJob:
    return _job


# -- judged rows (statistics are imported late: Read does without) -------------------------------


def kept_table(preset: Preset, kept: KeptSplit) -> JudgedTable:
    """The rows of one split that ship with a preset."""
    return _kept_table(preset.folder, _digest(Path(preset.folder) / CARD), kept.sha256, kept, preset)


@st.cache_resource(max_entries=8, ttl="24h", show_spinner=False)
def _kept_table(folder: str, card_sha256: str, rows_sha256: str, _kept: KeptSplit, _preset: Preset) -> JudgedTable:
    from cxrkit.serving.judged_table import table_of_kept

    return table_of_kept(_preset, _kept)


def bench(judged: JudgedTable, finding: str) -> Bench:
    """Everything about one finding of a table, with all of its intervals; computed once."""
    compute = _own_bench if judged.role == "uploaded" else _bench
    return compute(judged.key, _whose(judged), finding, judged)


_RESAMPLING = "Resampling the rows 1,000 times ..."


@st.cache_resource(max_entries=64, ttl="24h", show_spinner=_RESAMPLING)
def _bench(rows: str, whose: str, finding: str, _judged: JudgedTable) -> Bench:
    from cxrkit.serving.judged_table import bench_of

    return bench_of(_judged, finding)


@st.cache_resource(scope="session", max_entries=24, ttl="8h", show_spinner=_RESAMPLING)
def _own_bench(rows: str, whose: str, finding: str, _judged: JudgedTable) -> Bench:
    from cxrkit.serving.judged_table import bench_of

    return bench_of(_judged, finding)


def bench_charts(judged: JudgedTable, finding: str, dark: bool) -> dict[str, Chart]:
    """The charts of one finding; they hold sums over rows, and are drawn once for each theme."""
    return _bench_charts(judged.key, _whose(judged), finding, dark, judged)


@st.cache_resource(scope="session", max_entries=24, ttl="8h", show_spinner=False)
def _bench_charts(rows: str, whose: str, finding: str, dark: bool, _judged: JudgedTable) -> dict[str, Chart]:
    from cxrkit.charts.style import ON_DARK, ON_LIGHT
    from cxrkit.charts.thresholds import threshold_charts

    found = bench(_judged, finding)
    return {} if found.sweep is None else threshold_charts(found.entry, found.sweep, ON_DARK if dark else ON_LIGHT)


def all_findings(judged: JudgedTable) -> tuple[Line, ...]:
    """All findings of a table at a glance."""
    return _all_findings(judged.key, judged)


@st.cache_resource(scope="session", max_entries=8, ttl="8h", show_spinner=False)
def _all_findings(rows: str, _judged: JudgedTable) -> tuple[Line, ...]:
    from cxrkit.serving.judged_table import overview

    return overview(_judged)


def comparison(ours: JudgedTable, theirs: JudgedTable) -> Comparison:
    """Paired difference of two tables of the same images; raises `ManifestError` where they cannot be paired."""
    return _comparison(ours.key, theirs.key, ours, theirs)


@st.cache_resource(scope="session", max_entries=4, ttl="8h", show_spinner=_RESAMPLING)
def _comparison(ours: str, theirs: str, _ours: JudgedTable, _theirs: JudgedTable) -> Comparison:
    from cxrkit.serving.judged_table import compare

    return compare(_ours, _theirs)


def forget_judged() -> None:
    """Forget what was computed of the session's own tables."""
    for cache in (_own_bench, _bench_charts, _all_findings, _comparison):
        cache.clear()


def _whose(judged: JudgedTable) -> str:
    """The card that a table is judged by: its operating points and calibration count, too."""
    return "" if judged.preset is None else _digest(Path(judged.preset.folder) / CARD)


def reading_json(reading: Reading) -> bytes:
    """The reading as a JSON file."""
    return (json.dumps(reading.to_dict(), indent=2, allow_nan=False) + "\n").encode()


def download_name(reading: Reading, suffix: str) -> str:
    """File name of a download: preset and image sum, nothing of the file's own name."""
    return f"{reading.preset}-{reading.radiograph_sha256[:8]}{suffix}"


# -- demonstrations on Learn and Model info ----------------------------------------------------


def on_phantom(preset: Preset, work: Callable[..., T], *arguments: Hashable) -> T:
    """``work(model, phantom, *arguments)`` of the library, computed once for all sessions."""
    name = f"{work.__module__}.{work.__qualname__}"
    found: T = _on_phantom(preset.folder, _digest(Path(preset.folder) / CARD), name, arguments, preset, work)
    return found


@st.cache_resource(max_entries=64, ttl="24h", show_spinner="Computing on the phantom ...")
def _on_phantom(
    folder: str, card_sha256: str, name: str, arguments: tuple[Hashable, ...], _preset: Preset, _work: Callable[..., T]
) -> T:
    return _work(manager(_preset), phantom(size=512), *arguments)


def on_radiograph(preset: Preset, radiograph: Radiograph, work: Callable[..., T]) -> T:
    """``work(model, radiograph)`` of the library for the session's own radiograph."""
    name = f"{work.__module__}.{work.__qualname__}"
    found: T = _on_radiograph(radiograph.key, _digest(Path(preset.folder) / CARD), name, radiograph, preset, work)
    return found


@st.cache_resource(scope="session", max_entries=2, ttl="8h", show_spinner="Computing on your radiograph ...")
def _on_radiograph(
    radiograph_key: str, card_sha256: str, name: str, _radiograph: Radiograph, _preset: Preset, _work: Callable[..., T]
) -> T:
    return _work(manager(_preset), _radiograph)

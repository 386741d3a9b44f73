"""What both comparisons show alike: linked pictures with their controls, and what must be said of each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

import streamlit as st

from cxrkit.charts import overlay
from cxrkit.charts.side_by_side import side_by_side_css
from cxrkit.charts.viewer import VIEWER_CONFIG
from cxrkit.dashboard import choices, films, quality_view
from cxrkit.dashboard.entry import READ, guarded, plain
from cxrkit.dashboard.films import Film
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.services import pictures
from cxrkit.dashboard.sidebar import choose
from cxrkit.findings import finding_text
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Reading

NO_NOTES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of a comparison.

    Attributes
    ----------
    title
        What stands above it.
    film
        Where it came from.
    radiograph, reading
        As it was read, and how.
    """

    title: str
    film: Film
    radiograph: Radiograph
    reading: Reading


def film_name(film: Film) -> str:
    """A film by its number and what its file was; nothing of the file's own name."""
    radiograph = film.radiograph
    if radiograph is None:
        return f"Film {film.number}"
    source = {"phantom": "Phantom"}.get(radiograph.source_format, radiograph.source_format)
    facts = [source, radiograph.view and f"{radiograph.view} view", f"{radiograph.width} x {radiograph.height}"]
    return f"Film {film.number}: {', '.join(fact for fact in facts if fact)}"


def remarks(shown: Sequence[Shown]) -> bool:
    """What was done to the pictures and why one is not read; True where all of them may be shown with numbers."""
    for side in shown:
        quality = side.reading.quality
        if quality.refused:
            _refused(side)
            continue
        if quality.overridden:
            st.error(f"**{side.title}.** {plain(quality_view.caption(quality))}", icon=":material/block:")
        said = [] if quality.overridden else [quality_view.caption(quality)]
        said += side.reading.warnings
        said += [i.message for i in quality.issues if i.severity == "warn" and i.code not in ("inverted", "rotated")]
        if said := [sentence for sentence in said if sentence]:
            st.warning(f"**{side.title}.** {plain(' '.join(said))}", icon=":material/warning:")
    return not any(side.reading.quality.refused for side in shown)


def _refused(side: Shown) -> None:
    reasons = [issue.message for issue in side.reading.quality.issues if issue.severity == "refuse"]
    with st.container(key=f"refused_{side.film.number}_{side.reading.preset}", horizontal=True):
        st.error(
            f"**{side.title}: no numbers are shown for this picture.** {plain(' '.join(reasons))}",
            icon=":material/block:",
        )
        if st.button(
            f"Open film {side.film.number} on Read",
            key=f"open_{side.film.number}_{side.reading.preset}",
            icon=":material/open_in_new:",
            help="There you can ask for the reading all the same; it then says so here, too.",
            on_click=_look_at,
            args=(side,),
        ):
            st.switch_page(READ)


def _look_at(side: Shown) -> None:
    """Choose film and model for the Read page (a widget's callback: a field's value can be set only there)."""
    films.look_at(side.film.number - 1)
    st.session_state["chosen_preset"] = side.reading.preset


@st.fragment
@guarded
def linked_pictures(
    shown: Sequence[Shown], findings: Sequence[str], finding: str, *, key: str, notes: Mapping[str, str] = NO_NOTES
) -> None:
    """The pictures with one finding's maps: a fragment, so that a slider redraws the maps and nothing else.

    Parameters
    ----------
    shown
        From left to right.
    findings, finding
        Whose maps can be shown, and whose are.
    key
        Of what is compared: tells the fields of one comparison from those of another.
    notes
        Finding -> what stands behind its name in the field.
    """
    with st.container(key="compare_pictures"):
        _pictures(shown, list(findings), finding, key, notes)


def _pictures(shown: Sequence[Shown], findings: list[str], finding: str, key: str, notes: Mapping[str, str]) -> None:
    choices.recall("map_opacity", round(100 * overlay.Look.opacity))
    choices.recall("map_colours", overlay.Look.colour_map, overlay.COLOUR_MAPS)
    choices.recall("map_contour", overlay.Look.contour)
    with st.container(key="compare_controls", horizontal=True, vertical_alignment="center"):
        # The key names the finding: one that was chosen elsewhere must move this field too.
        wanted: str = st.selectbox(
            "Maps of",
            findings,
            findings.index(finding),
            format_func=lambda f: finding_text(f).label + (f" ({notes[f]})" if f in notes else ""),
            key=f"maps_{key}_{finding}",
            label_visibility="collapsed",
        )
        colours = st.selectbox("Colours", list(overlay.COLOUR_MAPS), key="map_colours", label_visibility="collapsed")
        opacity = st.slider(
            "Opacity", 0, 100, step=5, format="opacity %d %%", key="map_opacity", label_visibility="collapsed"
        )
        contour = st.toggle("Half-peak contour", key="map_contour")
    for name, value in (("map_opacity", opacity), ("map_colours", colours), ("map_contour", contour)):
        choices.keep(name, value)
    if wanted != finding:
        choose(wanted)
        st.rerun()
    titles = "".join(f"<span><b>{escape(side.title)}</b> {escape(film_name(side.film))}</span>" for side in shown)
    st.html(f'<div class="cx-sides">{titles}</div>')
    label = finding_text(finding).label
    with st.container(key="pairport"):
        st.plotly_chart(
            pictures.side_by_side([(side.radiograph, side.reading) for side in shown], findings, colours),
            width="stretch",
            height="stretch",
            theme=None,
            key=f"compared_{key}",
            config=VIEWER_CONFIG,
            alt=f"{' and '.join(side.title for side in shown)}, side by side, with the maps of {label}",
        )
    aspect = len(shown) * max(side.radiograph.width / side.radiograph.height for side in shown)
    css = f".st-key-pairport {{ --cx-aspect: {aspect:.3f}; }}\n" + side_by_side_css(
        ".st-key-pairport", findings, finding, overlay.Look(colours, opacity / 100, contour)
    )
    st.html(f'<p class="cx-caption">{_caption(shown, finding)}</p><style>{css}</style>')


def _caption(shown: Sequence[Shown], finding: str) -> str:
    label = finding_text(finding).label
    said = []
    for side in shown:
        if side.reading.quality.refused:
            said.append(f"{side.title}: no map, since it is not read.")
            continue
        explanation = side.reading.explanations.get(finding)
        if explanation is None:
            said.append(f"{side.title}: the model does not predict it.")
        elif not explanation.has_positive_evidence:
            said.append(f"{side.title}: no positive evidence, so there is no map.")
        elif explanation.unusual_place and explanation.outside_lungs is not None:
            said.append(
                f"{side.title}: {percent(explanation.outside_lungs)} of the evidence lies outside the lungs, more than "
                "usual: beware."
            )
    said.append(
        "Each map runs from 0 to a peak of its own: where the model looked, not the outline of a lesion. Pictures are "
        "as high as one another and zoom together. Suspected text in them is black."
    )
    return f"<b>{escape(label)}.</b> {escape(' '.join(said))}"

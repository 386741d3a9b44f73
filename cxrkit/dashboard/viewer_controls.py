"""The row above the picture: which finding, how many pictures, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from cxrkit.charts import overlay
from cxrkit.charts.window import NARROWEST, Window
from cxrkit.dashboard import choices, view_choices
from cxrkit.dashboard.keyboard import help_of, shortcut
from cxrkit.dashboard.ranking import rank
from cxrkit.dashboard.sidebar import Choice, choose
from cxrkit.findings import finding_text
from cxrkit.reading import Reading

Arrangement = Literal["one", "beside", "all"]
ARRANGEMENTS: dict[Arrangement, str] = {"one": "Map", "beside": "Side by side", "all": "All maps"}

_ARRANGEMENT, _OPACITY, _COLOURS, _CONTOUR = "map_arrangement", "map_opacity", "map_colours", "map_contour"
_LEVEL, _WIDTH = view_choices.WINDOW
_HIDDEN, _INVERTED = view_choices.SWITCHES


@dataclass(frozen=True)
class View:
    """How the reader wants to see the radiograph and its maps.

    Attributes
    ----------
    hidden
        Whether map and contour are out of sight for now.
    beside
        Plain and with map beside each other; also while all maps are looked at, so that the chart stays as it was.
    all_maps
        All maps in small, in place of the viewer.
    """

    look: overlay.Look
    window: Window
    hidden: bool
    beside: bool
    all_maps: bool

    @property
    def shown(self) -> overlay.Look:
        """The look as it is on the page, without map and contour while they are hidden."""
        return overlay.Look(self.look.colour_map, 0.0, contour=False) if self.hidden else self.look


def controls(reading: Reading, choice: Choice, finding: str) -> View:
    """Place the row; choosing another finding starts the page anew."""
    choices.recall(_OPACITY, round(100 * overlay.Look.opacity))
    offered = [a for a in ARRANGEMENTS if a != "all" or len(reading.explanations) > 1]  # of one map there is no sheet
    if st.session_state.get(_ARRANGEMENT) not in offered:  # another preset's
        st.session_state.pop(_ARRANGEMENT, None)
    choices.recall(_ARRANGEMENT, "one", offered)
    with st.container(key="controls", horizontal=True, vertical_alignment="center"):
        wanted = _finding_field(reading, choice, finding)
        arrangement = st.segmented_control(
            "Pictures",
            offered,
            format_func=lambda a: ARRANGEMENTS[a],
            key=_ARRANGEMENT,
            required=True,
            label_visibility="collapsed",
        )
        _switches()
        with st.popover("Adjust", icon=":material/tune:", key="adjust"):
            colours, contour = _map_fields()
            window = _window_fields()
        opacity = st.slider(
            "Opacity", 0, 100, step=5, format="opacity %d %%", key=_OPACITY, label_visibility="collapsed"
        )
    for key, value in ((_ARRANGEMENT, arrangement), (_OPACITY, opacity), (_COLOURS, colours), (_CONTOUR, contour)):
        choices.keep(key, value)
    if wanted != finding:
        choose(wanted)
    chosen = st.session_state.get(view_choices.CHOSEN_FINDING, finding)
    if chosen != finding and chosen in reading.explanations:  # by this row or by the contact sheet
        st.rerun()
    if arrangement != "all":
        choices.keep("map_beside", arrangement == "beside")
    return View(
        overlay.Look(colours, opacity / 100, contour),
        window,
        hidden=bool(st.session_state.get(_HIDDEN, False)),
        beside=bool(choices.kept("map_beside", False)),
        all_maps=arrangement == "all",
    )


def _finding_field(reading: Reading, choice: Choice, finding: str) -> str:
    """The map that is wanted: a field in the preset's order, and buttons in the order of the panel."""
    ranked, others = rank(choice.preset, reading.prediction, choice.rule, choice.custom)
    order = [at.finding for at in (*ranked, *others)]
    here = order.index(finding)
    findings = list(choice.preset.findings)
    with st.container(key="finding_field", horizontal=True, gap=None, vertical_alignment="center"):
        if len(order) > 1:
            st.button(
                "Previous finding",
                key="previous_finding",
                icon=":material/chevron_left:",
                help=help_of("previous_finding"),
                shortcut=shortcut("previous_finding"),
                on_click=choose,
                args=(order[here - 1],),
            )
        # The key names the finding: choosing a row of the panel must move this field too.
        wanted = st.selectbox(
            "Map of",
            findings,
            findings.index(finding),
            format_func=lambda f: finding_text(f).label,
            key=f"map_{reading.preset}_{finding}",
            label_visibility="collapsed",
        )
        if len(order) > 1:
            st.button(
                "Next finding",
                key="next_finding",
                icon=":material/chevron_right:",
                help=help_of("next_finding"),
                shortcut=shortcut("next_finding"),
                on_click=choose,
                args=(order[(here + 1) % len(order)],),
            )
    return wanted


def _switches() -> None:
    """The buttons that hide the map and invert the picture."""
    hidden, inverted = (st.session_state.get(key, False) for key in (_HIDDEN, _INVERTED))
    with st.container(key="switches", horizontal=True, gap=None):
        st.button(
            "Show the map" if hidden else "Hide the map",
            key="switch_overlay",
            type="primary" if hidden else "secondary",
            icon=":material/visibility_off:" if hidden else ":material/visibility:",
            help=help_of("overlay"),
            shortcut=shortcut("overlay"),
            on_click=_switch,
            args=(_HIDDEN,),
        )
        st.button(
            "Show as it was" if inverted else "Invert the picture",
            key="switch_invert",
            type="primary" if inverted else "secondary",
            icon=":material/invert_colors:",
            help=help_of("invert") + ": the view alone, never the reading",
            shortcut=shortcut("invert"),
            on_click=_switch,
            args=(_INVERTED,),
        )


def _map_fields() -> tuple[str, bool]:
    names = list(overlay.COLOUR_MAPS)
    colours = st.selectbox(
        "Colours of the map",
        names,
        names.index(str(choices.kept(_COLOURS, overlay.Look.colour_map))),
        key=_COLOURS,
    )
    contour = st.toggle(
        "Half-peak contour",
        bool(choices.kept(_CONTOUR, overlay.Look.contour)),
        key=_CONTOUR,
        help="Line where the map falls to half of its strongest value.",
    )
    return colours, contour


def _window_fields() -> Window:
    least = round(100 * NARROWEST)
    fields = {
        key: st.slider(label, low, 100, int(kept), 1, format="%d %%", key=choices.field_key(key), help=meaning)
        for label, low, key, kept, meaning in (
            ("Window width", least, _WIDTH, choices.kept(_WIDTH, 100), "Share of the greys from black to white."),
            ("Window level", 0, _LEVEL, choices.kept(_LEVEL, 50), "The grey in the middle of the window."),
        )
    }
    for key, value in fields.items():
        choices.keep(key, value)
    inverted = bool(st.session_state.get(_INVERTED, False))
    window = Window(fields[_LEVEL] / 100, fields[_WIDTH] / 100, inverted)
    st.button(
        "Reset the window",
        key="reset_window",
        icon=":material/restart_alt:",
        on_click=view_choices.reset_window,
        disabled=window.plain,
    )
    st.caption("Of the radiograph's 8-bit view alone: the reading and the maps stay as they are.")
    return window


def _switch(key: str) -> None:
    st.session_state[key] = not st.session_state.get(key, False)

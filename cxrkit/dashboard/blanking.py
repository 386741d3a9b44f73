"""Blanking text in the picture: a field with what is suspected and a box of the reader's own."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cxrkit.charts import overlay
from cxrkit.dashboard import choices, view_choices
from cxrkit.imaging.derived import suspected_text
from cxrkit.impression import translations
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box

_SUSPECTED, _OWN, _ACROSS, _DOWN = view_choices.BLANKING
_OWN_BOX = {_ACROSS: (0, 30), _DOWN: (0, 8)}  # where it begins, in percent
_PREVIEW_SIDE = 360


def blanked_boxes(radiograph: Radiograph) -> tuple[Box, ...]:
    """The boxes that the reader wants black, in pixels of the radiograph, as `blank_field` stands."""
    return (*_suspected(radiograph), *_own(radiograph))


def blank_field(radiograph: Radiograph, copy: overlay.DisplayCopy) -> None:
    """A button and the choices that it opens; `copy` is the picture without anything blanked."""
    found = len(suspected_text(radiograph))
    shown = [*_suspected(radiograph), *_own(radiograph)]
    label = f"Blank text ({len(shown)})" if shown else "Blank text"
    chosen: dict[str, object] = {}
    with st.popover(label, icon=":material/ink_eraser:", key="blank_field"), st.container(key="blanks"):
        chosen[_SUSPECTED] = st.toggle(
            f"Blank the suspected text ({found})",
            choices.kept(_SUSPECTED, _wanted(radiograph)),
            key=choices.field_key(_SUSPECTED),
            disabled=not found,
        )
        own = chosen[_OWN] = st.toggle(
            "Blank a box of your own", choices.kept(_OWN, False), key=choices.field_key(_OWN)
        )
        st.html(_preview(copy, shown))
        if own:
            with st.container(key="blanks_own", horizontal=True):
                for field, key in (("Left to right", _ACROSS), ("Top to bottom", _DOWN)):
                    chosen[key] = st.slider(
                        field,
                        0,
                        100,
                        choices.kept(key, _OWN_BOX[key]),
                        step=1,
                        format="%d %%",
                        key=choices.field_key(key),
                    )
        st.caption("Black where it is shown and saved; the reading stays as it is. Text can be missed: look yourself.")
    for key, value in chosen.items():  # hidden sliders have no value, and keep what they had
        choices.keep(key, value)


def blanking_caption(boxes: tuple[Box, ...], language: str = "en") -> tuple[str, ...]:
    """What an exported picture says about its black boxes; nothing without any."""
    if not boxes:
        return ()
    said = translations(language).ngettext(
        "{n} box blanked in this picture, not in what was read.",
        "{n} boxes blanked in this picture, not in what was read.",
        len(boxes),
    )
    return (said.format(n=len(boxes)),)


def _wanted(radiograph: Radiograph) -> bool:
    # The phantom's letters say that it is no patient: they stay unless the reader wants them gone.
    return radiograph.source_format != "phantom"


def _chosen(key: str, default: object) -> Any:
    """What a field says, which may have been moved just now, or would say if it were placed."""
    return st.session_state.get(choices.field_key(key), choices.kept(key, default))


def _suspected(radiograph: Radiograph) -> tuple[Box, ...]:
    return suspected_text(radiograph) if _chosen(_SUSPECTED, _wanted(radiograph)) else ()


def _own(radiograph: Radiograph) -> tuple[Box, ...]:
    if not _chosen(_OWN, False):
        return ()
    (left, right), (top, bottom) = _chosen(_ACROSS, _OWN_BOX[_ACROSS]), _chosen(_DOWN, _OWN_BOX[_DOWN])
    if left == right or top == bottom:
        return ()
    across, down = radiograph.width / 100, radiograph.height / 100
    return (Box(left * across, top * down, right * across, bottom * down),)


def _preview(copy: overlay.DisplayCopy, boxes: list[Box]) -> str:
    """The picture in small with outlines, so that what lies under a box is in sight while it is placed."""
    outlines = "".join(
        f'<i style="left:{100 * box.left / copy.width:.2f}%;top:{100 * box.top / copy.height:.2f}%;'
        f"width:{100 * (box.right - box.left) / copy.width:.2f}%;"
        f'height:{100 * (box.bottom - box.top) / copy.height:.2f}%"></i>'
        for box in boxes
    )
    picture = overlay.jpeg_uri(overlay.small(copy, _PREVIEW_SIDE))
    return f'<div class="cx-blanks"><img alt="Where the boxes lie" src="{picture}">{outlines}</div>'

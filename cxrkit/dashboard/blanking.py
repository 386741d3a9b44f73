"""Blanking text in the picture: a field with what is suspected and a box of the reader's own."""

from __future__ import annotations

import streamlit as st

from cxrkit.charts import overlay
from cxrkit.dashboard import services
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box

_SUSPECTED, _OWN, _ACROSS, _DOWN = services.BLANKING
_PREVIEW_SIDE = 360


def blanked_boxes(radiograph: Radiograph) -> tuple[Box, ...]:
    """The boxes that the reader wants black, in pixels of the radiograph, as `blank_field` stands."""
    # The phantom's letters say that it is no patient: they stay unless the reader wants them gone.
    services.recall(_SUSPECTED, radiograph.source_format != "phantom")
    services.recall(_OWN, False)
    if st.session_state[_OWN]:  # only before a widget is placed: without one, the value would outlive it
        services.recall(_ACROSS, (0, 30))
        services.recall(_DOWN, (0, 8))
    return (*_suspected(radiograph), *_own(radiograph))


def blank_field(radiograph: Radiograph, copy: overlay.DisplayCopy) -> None:
    """The button beside the downloads, and what it opens; `copy` is the picture without anything blanked."""
    found = len(services.suspected_text(radiograph))
    shown = [*_suspected(radiograph), *_own(radiograph)]
    label = f"Blank text ({len(shown)})" if shown else "Blank text"
    with st.popover(label, icon=":material/ink_eraser:", key="blank_field"), st.container(key="blanks"):
        st.toggle(f"Blank the suspected text ({found})", key=_SUSPECTED, disabled=not found)
        st.toggle("Blank a box of your own", key=_OWN)
        st.html(_preview(copy, shown))
        if st.session_state[_OWN]:
            with st.container(key="blanks_own", horizontal=True):
                st.slider("Left to right", 0, 100, step=1, format="%d %%", key=_ACROSS)
                st.slider("Top to bottom", 0, 100, step=1, format="%d %%", key=_DOWN)
        st.caption("Black in viewer and PNG file; the reading stays as it is. Text can be missed: look yourself.")
    for key in services.BLANKING:
        if key in st.session_state:  # hidden sliders have no value, and keep what they had
            services.keep(key, st.session_state[key])


def blanking_caption(boxes: tuple[Box, ...]) -> tuple[str, ...]:
    """What an exported picture says about its black boxes; nothing without any."""
    if not boxes:
        return ()
    return (f"{len(boxes)} {'boxes' if len(boxes) > 1 else 'box'} blanked in this picture, not in what was read.",)


def _suspected(radiograph: Radiograph) -> tuple[Box, ...]:
    return services.suspected_text(radiograph) if st.session_state[_SUSPECTED] else ()


def _own(radiograph: Radiograph) -> tuple[Box, ...]:
    if not st.session_state[_OWN]:
        return ()
    (left, right), (top, bottom) = st.session_state[_ACROSS], st.session_state[_DOWN]
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

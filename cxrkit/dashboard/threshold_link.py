"""Rows, finding and threshold of the page of thresholds in its address: a link that was kept opens with them.

An uploaded table leaves nothing there: its findings are called as its columns are, and it is gone with the session.
"""

from __future__ import annotations

import math

import streamlit as st

from cxrkit.dashboard import links

_NAMES = ("rows", "finding", "threshold", "rule")
_SAID, _HELD = "point_in_the_address", "point_of_the_address"
# Session keys: what stood in the address when the page was last shown, and what its fields then held.


def asked() -> dict[str, str]:
    """What the address asks for: its own words when a link was opened or the browser went back, else nothing.

    When a field was changed since the address was written, the address is only not up to date (as in `links.adopt`).
    """
    given = _in_address()
    if given == st.session_state.get(_SAID):
        return {}
    held: dict[str, object] = st.session_state.get(_HELD, {})
    return {} if any(st.session_state.get(key) not in (None, value) for key, value in held.items()) else given


def threshold_of(words: str | None) -> float | None:
    """The probability that an address states, or None where it states none."""
    try:
        value = float(words or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def say(held: dict[str, object], **words: str | None) -> None:
    """Write into the address what is shown, and remember what the fields by these session keys hold."""
    links.say(**words)
    st.session_state[_SAID] = _in_address()
    st.session_state[_HELD] = {**st.session_state.get(_HELD, {}), **held}


def _in_address() -> dict[str, str]:
    return {name: st.query_params[name] for name in _NAMES if name in st.query_params}

"""The reader's choices in the page's address: a link that was kept or sent opens with the same ones.

Model, operating point and finding tell nothing of a patient; nothing else is ever written there.
"""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from cxrkit.dashboard.ranking import RULES

LINKED_FINDING = "linked_finding"  # session key: the finding of the address, until there is a reading to show it in
_SAID = "said_in_the_address"  # session key: what this module last wrote
_CHOSEN = {"preset": "chosen_preset", "rule": "chosen_rule", "finding": "chosen_finding"}


def adopt(presets: Collection[str]) -> None:
    """Take over what the address says, before any field is placed; what is unknown there is passed over.

    That is so when a link is opened and when the browser goes back. When the reader chose something else since the
    address was written, the address is only not up to date.
    """
    given = _in_address()
    said: dict[str, str] = st.session_state.get(_SAID, {})
    if given == said:
        return
    now = {name: st.session_state.get(key) for name, key in _CHOSEN.items()}
    if any(now[name] not in (None, value) for name, value in said.items()):
        return
    if given.get("preset") in presets:
        st.session_state[_CHOSEN["preset"]] = given["preset"]
    if given.get("rule") in RULES:  # whether the preset has it is looked at with the field
        st.session_state[_CHOSEN["rule"]] = given["rule"]
    if "finding" in given:
        st.session_state[LINKED_FINDING] = given["finding"]
        st.session_state.pop(_CHOSEN["finding"], None)


def say(**choices: str | None) -> None:
    """Write choices into the address: `preset`, `rule` and `finding`; None takes one out of it."""
    for name in [name for name, value in choices.items() if value is None and name in st.query_params]:
        del st.query_params[name]
    new = {name: value for name, value in choices.items() if value is not None and st.query_params.get(name) != value}
    if new:
        st.query_params.update(new)
    st.session_state[_SAID] = _in_address()


def _in_address() -> dict[str, str]:
    return {name: st.query_params[name] for name in _CHOSEN if name in st.query_params}

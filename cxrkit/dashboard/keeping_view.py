"""What the pages say where the cache cannot be written to: what is read with was compiled for this run alone."""

from __future__ import annotations

import streamlit as st

from cxrkit.dashboard.entry import plain
from cxrkit.dashboard.services.keeping import Unkept, unkept_forms
from cxrkit.model.runtimes import SPELT, chosen
from cxrkit.preset import Preset

_SAME = "Readings are the same."
_CURE = (
    "Whoever runs the server: let CXRKIT_CACHE name a folder that can be written to, or one that scripts/export.py "
    "--cache has filled, which may then be read-only."
)


def note(preset: Preset) -> None:
    """One line in the sidebar; nothing where all is kept. Where nothing can be read at all, the page says why."""
    found = unkept_forms(preset)
    if found is not None and found.possible:
        st.caption(
            plain(
                f"Read with {SPELT[chosen('auto')]}, compiled anew at every start of the server {_seconds(found)}: its "
                "cache folder cannot be written to."
            ),
            help=plain(f"{_SAME} {_CURE}"),
        )


def on_card(preset: Preset) -> list[tuple[str, str]]:
    """The same with what can be done, as a row of the card; none where all is kept."""
    found = unkept_forms(preset)
    if found is None:
        return []
    if found.possible:
        why = f"Anew at every start of the server {_seconds(found)}: the cache folder cannot be written to. {_SAME}"
    else:
        why = (
            "Not yet, so that nothing can be read here: it is not in the cache, and neither the cache nor the system's "
            "temporary folder can be written to."
        )
    return [("Compiled", f"{why} {_CURE}")]


def _seconds(found: Unkept) -> str:
    return "(some seconds)" if found.seconds is None else f"({max(1, round(found.seconds))} s)"

"""The dashboard's own scripts, which run in the reader's browser: the files of the folder ``behaviour``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import streamlit as st

_FOLDER = Path(__file__).with_name("behaviour")


def behave(name: Literal["layers", "menu", "theme"], html: str = "") -> None:
    """Have the browser run a script, beside `html` for it to read; anew when that changes."""
    st.html(f"{html}<script>{_script(name)}</script>", unsafe_allow_javascript=True)


@functools.cache
def _script(name: str) -> str:
    return _FOLDER.joinpath(f"{name}.js").read_text(encoding="utf-8")

"""How every page begins, and how every failure ends.

Streamlit runs a file of the folder ``pages`` alone when the first request to a fresh server is a
link to that page: the router, and whatever it guards, is skipped. So every page calls `begin`
first, which stops unless the router has run in this session, and sends the reader through it.
"""

from __future__ import annotations

import functools
import logging
import secrets
import traceback
from collections.abc import Callable
from html import escape
from pathlib import Path

import streamlit as st

from cxrkit.dashboard import choices, theme
from cxrkit.dashboard.scripts import behave
from cxrkit.errors import CxrError
from cxrkit.imaging.worker_process import WorkerDefect
from cxrkit.reading import DISCLAIMER

ROUTER = "streamlit_app.py"
READ = "pages/read.py"
COMPARE = "pages/compare.py"
BATCH = "pages/batch.py"
THRESHOLDS = "pages/thresholds.py"
MODEL_INFO = "pages/model_info.py"
LEARN = "pages/learn.py"

_ROUTED = "router_has_run"
_WANTED = "page_wanted_before_the_router"
_STYLES = Path(__file__).with_name("styles")  # base.css, and a sheet for each page that needs one
_ICON = Path(__file__).with_name("icon.png")  # a file: named icons and emoji are fetched from the internet
_log = logging.getLogger(__name__)


def route() -> None:
    """Set up the page, choose it by the address, and run it. Called by ``streamlit_app.py`` alone."""
    _keep_uploads_in_memory()
    _keep_networks_ready()
    st.set_page_config(page_title="cxrkit", page_icon=str(_ICON), layout="wide")
    pages = {
        READ: st.Page(READ, title="Read", icon=":material/radiology:", default=True),
        COMPARE: st.Page(COMPARE, title="Compare", icon=":material/compare:"),
        BATCH: st.Page(BATCH, title="Batch", icon=":material/table_view:"),
        THRESHOLDS: st.Page(THRESHOLDS, title="ROC and thresholds", icon=":material/show_chart:"),
        MODEL_INFO: st.Page(MODEL_INFO, title="Model info", icon=":material/description:"),
        LEARN: st.Page(LEARN, title="Learn", icon=":material/school:"),
    }
    chosen = st.navigation(list(pages.values()), position="top")
    st.session_state[_ROUTED] = True
    wanted = st.session_state.pop(_WANTED, None)
    if wanted is not None:
        path, query = wanted
        st.switch_page(pages[path], query_params=query)
    st.html(f"<style>{_style()}</style>")
    chosen.run()
    with st.container(key="unseen"):  # what only runs takes no room
        behave("menu")
        theme.follow()


@functools.cache
def _style() -> str:
    return "\n".join(sheet.read_text() for sheet in sorted(_STYLES.glob("*.css")))


def _keep_uploads_in_memory() -> None:
    """Have the server hold an upload in memory while it comes in, not above 1 MB in a file without name."""
    from starlette.formparsers import MultiPartParser

    MultiPartParser.spool_max_size = 2**31  # maxUploadSize is the limit


def _keep_networks_ready() -> None:
    """Have Streamlit leave Keras alone: after every run it clears the session, and all that TensorFlow has prepared.

    The next reading then took 0.8 s longer, whoever's it was. Models are built once and kept, so nothing piles up.
    """
    from streamlit.runtime.scriptrunner import script_runner

    script_runner._clean_problem_modules = _leave_alone


def _leave_alone() -> None:
    """Stands in for what Streamlit does to Keras and matplotlib, which is used by nobody here."""


def begin(page: str) -> None:
    """Let a page go on only behind the router; otherwise send the reader through it, and back here.

    Parameters
    ----------
    page
        The page's own path, `READ` or `MODEL_INFO`.
    """
    if st.session_state.get(_ROUTED) is not True:
        st.session_state[_WANTED] = (page, st.query_params.to_dict())
        st.switch_page(ROUTER)
        st.stop()
    choices.turn_to(page)


def guarded(work: Callable[..., None]) -> Callable[..., None]:
    """Show the message and remedy of a `CxrError`, and an incident number for anything else.

    A fragment runs without the page around it, so it needs a guard of its own.
    """

    @functools.wraps(work)
    def safely(*args: object, **kwargs: object) -> None:
        try:
            work(*args, **kwargs)
        except CxrError as error:
            show_error(error)
        except Exception as error:
            show_incident(incident(error))

    return safely


def show_error(error: CxrError) -> None:
    """Message and remedy of an expected error."""
    st.error(f"**{plain(error.message)}**  \n{plain(error.remedy)}", icon=":material/error:")


def show_incident(number: str) -> None:
    """A defect of cxrkit, by its number alone."""
    st.error(
        f"**Something went wrong inside cxrkit: incident {number}.**  \n"
        "Nothing about the patient was recorded. Try again, and report the number with the server's log if it recurs.",
        icon=":material/report:",
    )


def incident(error: Exception) -> str:
    """Log where an unexpected error arose, and return its number.

    The error's own words are left out: they may quote the file, and with it the patient.
    """
    number = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames[-8:]))
    if isinstance(error, WorkerDefect):  # it arose in another process, whose frames are not in the traceback
        places = f"{error.places} in another process, called at {places}"
    _log.error("incident %s: %s at %s", number, type(error).__name__, places)
    return number


def plain(text: str) -> str:
    """Text that Markdown shows as it is: no emphasis, link, image, formula or HTML comes of it."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|~$:>" else escape(c, quote=False) for c in text)


def not_a_device(notice: str = "") -> None:
    """The line that stands on every page, after the preset's own notice where it has one."""
    demonstration = notice.startswith("Demonstration")
    better = " Better ones: train your own with scripts/train.py (see README)." if demonstration else ""
    lead = f'<span class="cx-notice"><b>{escape(notice)}</b>{better}</span> ' if notice else ""
    st.html(f'<div class="cx-strip" role="note">{lead}<span>{escape(DISCLAIMER)}</span></div>')

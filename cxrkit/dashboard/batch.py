"""The batch of a session: the job that reads many files, and its table.

Only state: files are taken in by `cxrkit.dashboard.intake`, what a page shows is `cxrkit.dashboard.batch_view`.
"""

from __future__ import annotations

import streamlit as st

from cxrkit.dashboard.entry import incident
from cxrkit.dashboard.services import batches
from cxrkit.errors import CxrError
from cxrkit.serving.batch_job import BatchJob

_JOB, _REFUSAL = "batch_job", "batch_refusal"


def job() -> BatchJob | None:
    """The session's batch at work or done, or None.

    It is at work only while the session is connected: Streamlit empties the session's caches at once when the
    browser goes, which pauses it, and whoever comes back goes on with it here.
    """
    found: BatchJob | None = st.session_state.get(_JOB)
    if found is not None:
        batches.watch(found)
        found.start()
    return found


def put(started: BatchJob) -> None:
    """Take up a new batch in place of the earlier one."""
    forget()
    st.session_state[_JOB] = started


def refuse(error: CxrError) -> None:
    """Remember why the files that were chosen make no batch."""
    forget()
    # a copy: the frames of one that was raised hold the files
    st.session_state[_REFUSAL] = CxrError(error.message, error.remedy)


def refusal() -> CxrError | None:
    """Why the last files that were chosen made no batch."""
    error: CxrError | None = st.session_state.get(_REFUSAL)
    return error


def forget() -> None:
    """Stop the batch and let go of its files and rows."""
    st.session_state.pop(_REFUSAL, None)
    found: BatchJob | None = st.session_state.pop(_JOB, None)
    if found is not None:
        found.cancel()
    batches.forget()


def row_incident(error: Exception) -> CxrError:
    """What stands in the row of a file at which cxrkit itself failed."""
    return CxrError(
        f"Something went wrong inside cxrkit: incident {incident(error)}.", "Report the number with the server's log."
    )

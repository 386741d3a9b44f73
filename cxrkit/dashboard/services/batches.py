"""Whether a session that has a batch still has its browser: Streamlit empties its caches when that goes."""

from __future__ import annotations

import streamlit as st

from cxrkit.serving.batch_job import BatchJob


def watch(job: BatchJob) -> None:
    """Have a batch paused when its session ends or loses its connection."""
    _watched(job.key, job)


def forget() -> None:
    """Let go of the session's batch."""
    _watched.clear()


@st.cache_resource(scope="session", max_entries=1, ttl="8h", show_spinner=False, on_release=BatchJob.pause)
def _watched(job_key: str, _job: BatchJob) -> BatchJob:
    return _job

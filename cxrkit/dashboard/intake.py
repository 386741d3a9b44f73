"""How radiographs come into a session, and how all of a patient leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cxrkit.dashboard import batch, films, view_choices
from cxrkit.dashboard.entry import incident
from cxrkit.dashboard.films import MOST_FILMS, MOST_PIXELS, Film
from cxrkit.dashboard.services import models, pictures, readings
from cxrkit.errors import CxrError, TooLarge
from cxrkit.imaging import worker
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.worker import load_untrusted, load_untrusted_with_alternatives
from cxrkit.preset import Preset
from cxrkit.serving.batch import Source, too_many_bytes
from cxrkit.serving.batch_job import BatchJob

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

_INTAKES = "intakes"


def uploader_key() -> str:
    """Key of the file uploader; it changes after each intake, which leaves no file name on the page."""
    return f"upload_{st.session_state.get(_INTAKES, 0)}"


def take_uploads() -> None:
    """Decode what was just uploaded in place of all earlier films, and let go of the files (a widget's callback)."""
    uploads = _uploads(uploader_key())
    if uploads:
        _forget_patient()
        _take(uploads)


def add_uploads() -> None:
    """Decode what was just uploaded and keep it beside the earlier films (a widget's callback)."""
    uploads = _uploads(uploader_key())
    if uploads:
        _renew_uploader()
        _take(uploads)


def take_phantom() -> None:
    """Show the synthetic phantom (a widget's callback)."""
    _forget_patient()
    films.keep([Film(1, phantom())])


def batch_uploader_key() -> str:
    """Key of the field for many files; as `uploader_key`."""
    return f"batch_{uploader_key()}"


def take_batch(preset: Preset) -> None:
    """Begin to read what was just uploaded, in place of the earlier batch (a widget's callback)."""
    uploads = _uploads(batch_uploader_key())
    if not uploads:
        return
    _renew_uploader()
    sources = []
    for upload in uploads:
        sources.append(Source(upload.getvalue(), upload.name))
        forget_file(upload)
    if error := too_many_bytes(sources):
        batch.refuse(error)
        return
    try:
        batch.put(BatchJob(models.manager(preset), preset, sources, load_untrusted, batch.row_incident))
    except CxrError as error:
        batch.refuse(error)
    except Exception as error:
        batch.refuse(batch.row_incident(error))


def take_film(film: Film) -> None:
    """Show a film that came from elsewhere, in place of all earlier ones."""
    _forget_patient()
    films.keep([film])


def clear_patient() -> None:
    """Forget radiographs, readings, pictures and files of this session (a widget's callback).

    What is freed is not overwritten: that is the operating system's business, and swap's.
    """
    _forget_patient()
    batch.forget()
    worker.forget()
    _forget_downloads()


def load(data: bytes, name: str) -> Film:
    """What a file from anybody shows, or why it shows nothing."""
    try:
        radiograph, alternatives = load_untrusted_with_alternatives(data, name=name)
    except CxrError as error:
        return Film(0, failure=error)
    except Exception as error:
        return Film(0, failure=incident(error))
    return Film(0, radiograph, alternatives)


def _uploads(key: str) -> Sequence[UploadedFile]:
    """What lies in an upload field, whether it takes one file or several."""
    uploads: Any = st.session_state.get(key)
    if uploads is None:
        return ()
    return uploads if isinstance(uploads, list) else [uploads]


def _take(uploads: Sequence[UploadedFile]) -> None:
    first, full = len(films.films()), False
    for upload in uploads:
        try:
            if full:  # what this file would be told stands there already
                continue
            film = load(upload.getvalue(), upload.name) if films.room() else _too_many()
        finally:
            forget_file(upload)
        full = not films.room(0 if film.radiograph is None else film.radiograph.pixels.size)
        films.keep([*films.films(), _too_many() if full else film], place=first)


def _too_many() -> Film:
    error = TooLarge(
        f"A session holds up to {MOST_FILMS} radiographs of together {MOST_PIXELS // 10**6} million pixels: "
        "this file and those after it were not kept.",
        "Read fewer files at once, or choose Batch for many.",
    )
    return Film(0, failure=error)


def _forget_patient() -> None:
    """Forget the radiographs and all that was made of them and chosen for them; the next ones start afresh."""
    films.forget()
    view_choices.forget()
    readings.forget()
    pictures.forget()
    _renew_uploader()


def _renew_uploader() -> None:
    st.session_state[_INTAKES] = st.session_state.get(_INTAKES, 0) + 1


def _forget_downloads() -> None:
    """Drop the files that were saved from the page; Streamlit would keep them through another run."""
    context = get_script_run_ctx()
    if context is not None:
        files = runtime.get_instance().media_file_mgr
        files.clear_session_refs(context.session_id)
        for _ in range(2):  # the first round only marks a download
            files.remove_orphaned_files()


def forget_file(upload: UploadedFile) -> None:
    """Drop the uploaded bytes, which Streamlit would keep until the session ends."""
    context = get_script_run_ctx()
    if context is not None:
        files: Any = context.uploaded_file_mgr
        files.remove_file(session_id=context.session_id, file_id=upload.file_id)

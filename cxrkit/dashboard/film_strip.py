"""The films of a session in small, to go from one to another."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.dashboard import films
from cxrkit.dashboard.films import Film
from cxrkit.dashboard.keyboard import help_of, shortcut
from cxrkit.dashboard.ranking import rank
from cxrkit.dashboard.services import pictures, readings
from cxrkit.dashboard.sidebar import Choice
from cxrkit.errors import CxrError
from cxrkit.findings import finding_text


def film_strip(choice: Choice) -> None:
    """A thumbnail for each film and buttons for the next ones; shows nothing where there is one film.

    A film is read when it is looked at, and says here what was found from then on.
    """
    taken, here = films.films(), films.current_place()
    if len(taken) < 2 or here is None:
        return
    with st.container(key="films", horizontal=True, vertical_alignment="center"):
        _step("previous_film", "Previous film", ":material/skip_previous:", (here - 1) % len(taken))
        with st.container(key="film_row", horizontal=True, gap=None):
            for place, film in enumerate(taken):
                brief, full = _words(film, choice)
                with st.container(key=f"film_{film.number}"):
                    st.html(_thumbnail(film, brief, current=place == here))
                    st.button(
                        f"Film {film.number} of {len(taken)}{', shown' if place == here else ''}: {full}",
                        key=f"look_at_{film.number}",
                        on_click=films.look_at,
                        args=(place,),
                    )
        _step("next_film", "Next film", ":material/skip_next:", (here + 1) % len(taken))


def _step(action: str, label: str, icon: str, place: int) -> None:
    key = "next_film" if action == "next_film" else "previous_film"
    st.button(
        label,
        key=key,
        icon=icon,
        help=help_of(key),  # type: ignore[arg-type]
        shortcut=shortcut(key),  # type: ignore[arg-type]
        on_click=films.look_at,
        args=(place,),
    )


def _words(film: Film, choice: Choice) -> tuple[str, str]:
    """What is known of a film: in a word or two under its thumbnail, and in full for its button."""
    if film.radiograph is None:
        why = film.failure.message if isinstance(film.failure, CxrError) else f"incident {film.failure}"
        return "cannot be read", f"cannot be read: {why}"
    reading = readings.known_reading(film.radiograph, choice.preset)
    if reading is None:
        return "not read yet", "not read yet"
    if reading.quality.refused:
        return "refused", "no reading is shown for this picture"
    ranked, _ = rank(choice.preset, reading.prediction, choice.rule, choice.custom)
    past = [finding_text(at.finding).label for at in ranked if at.positive]
    doubtful = [finding_text(at.finding).label for at in ranked if at.in_doubt]
    brief = [f"{len(past)} past"] + ([f"{len(doubtful)} in doubt"] if doubtful else [])
    full = f"past the operating point: {', '.join(past)}" if past else "nothing past its operating point"
    return ", ".join(brief), full + (f"; in doubt: {', '.join(doubtful)}" if doubtful else "")


def _thumbnail(film: Film, brief: str, *, current: bool) -> str:
    picture = '<span class="cx-unread" aria-hidden="true">?</span>'
    if film.radiograph is not None:
        # the button over it has the words
        picture = f'<img src="{pictures.thumbnail(film.radiograph)}" alt="">'
    marked = " is-shown" if current else ""
    return f'<div class="cx-film-cell{marked}">{picture}<span>{film.number}: {escape(brief)}</span></div>'

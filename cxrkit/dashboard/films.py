"""The films of a session: the radiographs that one intake brought, and which of them the reader looks at.

Only state: reading them is `cxrkit.dashboard.services.readings`, taking them in is `cxrkit.dashboard.intake`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from cxrkit.errors import CxrError
from cxrkit.imaging.alternatives import Alternatives
from cxrkit.radiograph import Radiograph

MOST_FILMS = 16
MOST_PIXELS = 60_000_000
"""Of all films of a session together: 240 MB, as four bytes each."""

CHOSEN_DISPLAY = "chosen_display"  # session key: the field with the radiograph's windows and look-up tables
_FILMS, _CURRENT = "films", "current_film"


@dataclass(frozen=True, eq=False)
class Film:
    """One file that was taken in.

    Attributes
    ----------
    number
        Its place in the intake, from 1; all that a person is told of the file's identity.
    radiograph, alternatives
        What it shows, and its other displays where it has several.
    failure
        Where there is no radiograph: why, an error or the number of an incident.
    """

    number: int
    radiograph: Radiograph | None = None
    alternatives: Alternatives | None = None
    failure: CxrError | str | None = None


def films() -> tuple[Film, ...]:
    """All films of the session, in their order."""
    found: tuple[Film, ...] = st.session_state.get(_FILMS, ())
    return found


def readable() -> tuple[Film, ...]:
    """The films that show a radiograph."""
    return tuple(film for film in films() if film.radiograph is not None)


def current() -> Film | None:
    """The film that the reader looks at, or None."""
    place = current_place()
    return None if place is None else films()[place]


def current_place() -> int | None:
    """Where in `films` the current one stands."""
    return min(st.session_state.get(_CURRENT, 0), len(films()) - 1) if films() else None


def keep(taken: Sequence[Film], place: int = 0) -> None:
    """Let these be the films of the session, and look at the one at `place`."""
    st.session_state[_FILMS] = tuple(
        dataclasses.replace(film, number=number) for number, film in enumerate(taken, start=1)
    )
    look_at(place)


def look_at(place: int) -> None:
    """Look at another film (also a widget's callback)."""
    st.session_state[_CURRENT] = place
    st.session_state.pop(CHOSEN_DISPLAY, None)


def shown_radiograph() -> Radiograph | None:
    """The radiograph that the reader looks at, or None."""
    film = current()
    return None if film is None else film.radiograph


def displays() -> tuple[int, ...]:
    """Numbers of the displays that the shown radiograph can be seen in, where there are several."""
    film = current()
    return () if film is None or film.alternatives is None else film.alternatives.choices


def choose_display(display: int) -> None:
    """Show the radiograph with another of its windows or look-up tables; it is then read anew."""
    film, place = current(), current_place()
    if film is None or film.radiograph is None or film.alternatives is None:
        return
    chosen = dataclasses.replace(film, radiograph=film.alternatives.show(film.radiograph, display))
    st.session_state[_FILMS] = tuple(chosen if at == place else other for at, other in enumerate(films()))


def room(pixels: int = 0) -> bool:
    """Whether one more film with so many pixels may be kept."""
    held = sum(f.radiograph.pixels.size for f in readable() if f.radiograph is not None)
    return len(films()) < MOST_FILMS and held + pixels <= MOST_PIXELS


def forget() -> None:
    """Let go of all films."""
    for key in (_FILMS, _CURRENT, CHOSEN_DISPLAY):
        st.session_state.pop(key, None)

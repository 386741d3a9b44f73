"""Prior and current: two radiographs by one model, with the change of every score and its repeatability band."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cxrkit.charts.style import number
from cxrkit.dashboard import choices, films, view_choices
from cxrkit.dashboard.compare_pictures import Shown, film_name, linked_pictures, remarks
from cxrkit.dashboard.films import Film
from cxrkit.dashboard.findings_panel import percent, probability
from cxrkit.dashboard.ranking import RULES, Standing, standing
from cxrkit.dashboard.services import pictures, readings
from cxrkit.dashboard.sidebar import Choice, wanted_finding
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.reading import Reading
from cxrkit.serving.score_change import ScoreChange, score_changes

PRIOR, CURRENT = view_choices.COMPARED
_WIDEST = 4.0
"""Bands on either side of zero that the strip of a change has room for."""


def prior_and_current(choice: Choice, bar: DeltaGenerator) -> None:
    """Choose the two films, then pictures on the left and changes on the right (below on a narrow screen)."""
    with bar:
        prior, current = _choose_two(films.readable())
    if prior.number == current.number:
        st.info("Film for film: choose two different ones.", icon=":material/info:")
        return
    sides = [_read("Prior", prior, choice), _read("Current", current, choice)]
    if sides[0].radiograph.sha256 == sides[1].radiograph.sha256:
        st.info("Both films are the same file: nothing can have changed but how it is shown.", icon=":material/info:")
    with_numbers = remarks(sides)
    findings = choice.preset.findings
    changes = score_changes(choice.preset, sides[0].reading, sides[1].reading) if with_numbers else ()
    finding = _finding(choice, changes)
    with st.container(key="compared", horizontal=True):
        left, right = st.container(key="compared_pictures"), st.container(key="compared_numbers")
    with right:
        if with_numbers:
            st.html(changes_html(choice, sides[0].reading, sides[1].reading, changes, finding))
            st.html(method_html(choice.preset, len(changes)))
        else:
            st.html('<p class="cx-caption">No change is computed while one of the pictures is not read.</p>')
    with left:
        linked_pictures(sides, findings, finding, key=f"films_{choice.preset.name}")


def _read(title: str, film: Film, choice: Choice) -> Shown:
    assert film.radiograph is not None  # of the readable ones
    return Shown(title, film, *readings.read(film.radiograph, choice.preset))


def _choose_two(readable: Sequence[Film]) -> tuple[Film, Film]:
    """The fields with the prior and the current film, and the button that exchanges them."""
    numbers = [film.number for film in readable]
    by_number = {film.number: film for film in readable}
    for key, default in ((PRIOR, numbers[0]), (CURRENT, numbers[1])):
        if st.session_state.get(key) not in numbers:  # of films that are gone
            st.session_state.pop(key, None)
        choices.recall(key, default, numbers)
    _film_field("Prior", PRIOR, numbers, by_number)
    st.button(
        "Swap",
        key="swap_films",
        icon=":material/swap_horiz:",
        on_click=_swap,
        help="Take the prior film for the current one, and the other way round.",
    )
    _film_field("Current", CURRENT, numbers, by_number)
    for key in (PRIOR, CURRENT):
        choices.keep(key, st.session_state[key])
    return by_number[st.session_state[PRIOR]], by_number[st.session_state[CURRENT]]


def _film_field(title: str, key: str, numbers: list[int], by_number: dict[int, Film]) -> None:
    with st.container(key=f"{key}_field", horizontal=True, vertical_alignment="bottom"):
        radiograph = by_number[st.session_state[key]].radiograph
        if radiograph is not None:
            st.html(f'<img class="cx-thumb" src="{pictures.thumbnail(radiograph)}" alt="">')  # the field has the words
        st.selectbox(title, numbers, format_func=lambda n: film_name(by_number[n]), key=key)


def _swap() -> None:
    st.session_state[PRIOR], st.session_state[CURRENT] = st.session_state[CURRENT], st.session_state[PRIOR]


def _finding(choice: Choice, changes: Sequence[ScoreChange]) -> str:
    """The finding whose maps are shown; until one was chosen, that of the largest change."""
    wanted = wanted_finding(choice.preset.findings)
    if wanted is not None:
        return wanted
    return max(changes, key=lambda change: change.size).finding if changes else choice.preset.findings[0]


# -- numbers -----------------------------------------------------------------------------------


def changes_html(choice: Choice, prior: Reading, current: Reading, changes: Sequence[ScoreChange], finding: str) -> str:
    """The table of changes, the largest in units of its band first; findings without support come last."""
    rows = []
    for change in changes:
        sides = [_standing(choice, reading, change.finding) for reading in (prior, current)]
        rows.append((not sides[0].supported and choice.preset.operating_points != (), -change.size, change, sides))
    rows.sort(key=lambda row: row[:2])
    body = "".join(_row(change, sides, change.finding == finding) for _, _, change, sides in rows)
    beyond = sum(change.verdict == "changed" for change in changes)
    lead = f"{beyond} of {len(changes)} beyond the repeatability band" if choice.preset.repeatability else ""
    whose = choice.named or RULES[choice.rule][0]
    return (
        f'<div class="cx-panel-title"><b>Change of scores</b><span>{escape(lead)}</span></div>'
        '<div class="cx-scroll cx-compare cx-changes" tabindex="0"><table><thead><tr><th scope="col">Finding</th>'
        '<th scope="col">Prior</th><th scope="col">Current</th><th scope="col">Change in log-odds, and band</th>'
        "</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
        f'<p class="cx-caption">Under each probability: how it stands at the {escape(whose)} operating point.</p>'
    )


def _standing(choice: Choice, reading: Reading, finding: str) -> Standing:
    score = reading.prediction.score(finding)
    return standing(choice.preset, finding, score.probability, choice.rule, choice.custom, score.interval)


def _row(change: ScoreChange, sides: Sequence[Standing], shown: bool) -> str:
    label = finding_text(change.finding).label
    note = "" if sides[0].supported or sides[0].threshold is None else "<small>not supported</small>"
    cells = "".join(f"<td>{escape(probability(at.probability))}<small>{_stands(at)}</small></td>" for at in sides)
    size = number(abs(change.change), 2)
    moved = size if float(size) == 0 else f"{'+' if change.change > 0 else '−'}{size}"
    return (
        f'<tr class="is-{change.verdict}{" is-shown" if shown else ""}">'
        f'<th scope="row">{escape(label)}{note}</th>{cells}'
        f'<td><span class="cx-moved">{_strip(change)}{moved}</span><small>{verdict(change)}</small></td></tr>'
    )


def _stands(at: Standing) -> str:
    if at.threshold is None:
        return "no operating point"
    threshold = percent(at.threshold).replace(" ", "\u00a0")
    return f"in doubt at {threshold}" if at.in_doubt else f"{'past' if at.past else 'below'} {threshold}"


def verdict(change: ScoreChange) -> str:
    """What may be said of a change: nothing about the patient."""
    if change.band is None:
        return "repeatability not measured"
    word = "within repeatability" if change.verdict == "within" else "changed: beyond"
    return f"{word}, ±{number(change.band, 2)}"


def _strip(change: ScoreChange) -> str:
    """The change as a dot beside its band; what lies further out stands at the edge."""
    if not change.band:
        return ""
    share = min(max(change.change / change.band, -_WIDEST), _WIDEST) / _WIDEST
    width = 100 / _WIDEST
    return (
        f'<span class="cx-change" aria-hidden="true"><u style="left:{50 - width / 2:.1f}%;width:{width:.1f}%"></u>'
        f'<i></i><b style="left:{50 + 50 * share:.1f}%"></b></span>'
    )


def method_html(preset: Preset, count: int) -> str:
    """Where the band comes from and what a change beyond it does not mean."""
    record = preset.repeatability
    scale = (
        "Change: log-odds (logit) of the calibrated probability, current less prior; +0.69 doubles the odds, −0.69 "
        "halves them."
    )
    if record is None:
        return (
            f'<p class="cx-caption">{escape(scale)} The repeatability of these weights was not measured, so no change '
            "is called one: scripts/measure_repeatability.py measures it.</p>"
        )
    chance = number(0.05 * count, 1 if count > 1 else 2)
    band = (
        f"Band: 95 % repeatability coefficient (Bland and Altman 1999), from n = {record.n} radiographs of the split "
        f"{record.split}, each read {record.readings} times: as it is, then with {', '.join(record.changes)}."
    )
    beware = (
        "Beyond the band the score moved by more than these changes move it: that is not progression, nor does a "
        "change within it exclude one. Two real exposures differ by more (position, breath, projection, device), so "
        f"their scores vary more. Of {count} {'findings' if count > 1 else 'finding'}, about {chance} would lie "
        "beyond by chance alone."
    )
    return f'<p class="cx-caption">{escape(scale)} {escape(band)} <b>{escape(beware)}</b></p>'

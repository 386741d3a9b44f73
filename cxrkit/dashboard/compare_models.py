"""One radiograph by several models at every operating point: where they agree, where not, and their maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.dashboard import choices, films
from cxrkit.dashboard.compare_pictures import Shown, film_name, linked_pictures, remarks
from cxrkit.dashboard.films import Film
from cxrkit.dashboard.findings_panel import percent, probability
from cxrkit.dashboard.ranking import RULES, Rule, Standing, offered_rules, standing
from cxrkit.dashboard.services import models, readings
from cxrkit.dashboard.sidebar import Choice, wanted_finding
from cxrkit.dashboard.widgets import stated_at
from cxrkit.findings import finding_text
from cxrkit.preset import Preset

MOST_MODELS = 3
_FILM, _MODELS = "compare_film", "compare_models"


def models_and_points(choice: Choice, bar: DeltaGenerator) -> None:
    """Choose the film and the models, then the table and the linked maps."""
    with bar:
        film = _choose_film(films.readable())
        presets = _choose_models(choice)
    if film.radiograph is None or not presets:
        st.info("Choose at least one model.", icon=":material/info:")
        return
    shown = [Shown(preset.title, film, *readings.read(film.radiograph, preset)) for preset in presets]
    remarks(shown)
    read = [(p, s) for p, s in zip(presets, shown, strict=True) if not s.reading.quality.refused]
    if not read:
        return
    st.html(models_html([p for p, _ in read], [s for _, s in read], choice))
    counts = Counter(f for preset, _ in read for f in preset.findings)
    findings = sorted(counts, key=lambda f: -counts[f])  # those of several models first
    finding = wanted_finding(counts) or findings[0]
    drawn = [s for p, s in read if finding in p.findings]
    of = {f: f"{counts[f]} of {len(read)} models" for f in findings} if len(read) > 1 else {}
    linked_pictures(drawn, findings, finding, key="_".join(p.name for p, _ in read), notes=of)


def _choose_film(readable: Sequence[Film]) -> Film:
    """The field with the film; without several of them there is nothing to choose."""
    here = films.current()
    first = here if here is not None and here.radiograph is not None else readable[0]
    if len(readable) == 1:
        return readable[0]
    numbers = [film.number for film in readable]
    if st.session_state.get(_FILM) not in numbers:
        st.session_state.pop(_FILM, None)
    choices.recall(_FILM, first.number, numbers)
    by_number = {film.number: film for film in readable}
    number: int = st.selectbox("Radiograph", numbers, format_func=lambda n: film_name(by_number[n]), key=_FILM)
    choices.keep(_FILM, number)
    return by_number[number]


def _choose_models(choice: Choice) -> list[Preset]:
    """The field with the models; the sidebar's one is there from the start, and a few others."""
    presets = models.presets()
    first = [choice.preset.name, *(name for name in presets if name != choice.preset.name)][:MOST_MODELS]
    if not set(st.session_state.get(_MODELS, ())) <= set(presets):
        st.session_state.pop(_MODELS, None)
    choices.recall(_MODELS, first)
    chosen: list[str] = st.multiselect(
        "Models",
        list(presets),
        format_func=lambda name: presets[name].title,
        key=_MODELS,
        max_selections=MOST_MODELS,
        help=f"Up to {MOST_MODELS}, side by side.",
    )
    choices.keep(_MODELS, chosen)
    return [presets[name] for name in chosen]


# -- the table ---------------------------------------------------------------------------------


def models_html(presets: Sequence[Preset], shown: Sequence[Shown], choice: Choice) -> str:
    """Per finding the probability of every model and how it stands at each operating point; and where they differ."""
    rules = [_rules(preset, choice) for preset in presets]
    findings = list(dict.fromkeys(f for preset in presets for f in preset.findings))
    top = "".join(
        f'<th scope="colgroup" colspan="{1 + len(of)}">{escape(preset.title)}</th>'
        for preset, of in zip(presets, rules, strict=True)
    )
    below = "".join(
        "<th scope='col'>Probability</th>" + "".join(f"<th scope='col'>{escape(_title(r, choice))}</th>" for r in of)
        for of in rules
    )
    several = len(presets) > 1
    last = '<th scope="col" rowspan="2">Between models</th>' if several else ""
    body, differing = [], []
    for finding in findings:
        stands = [_stands(p, s, of, finding, choice) for p, s, of in zip(presets, shown, rules, strict=True)]
        cells = "".join(_cells(at, len(of)) for at, of in zip(stands, rules, strict=True))
        if several:
            words, differs = _between(stands)
            differing += [finding_text(finding).label] if differs else []
            marked = "is-differing" if differs else "" if sum(at is not None for at in stands) > 1 else "is-absent"
            cells += f'<td class="{marked}">{escape(words)}</td>'
        body.append(f'<tr><th scope="row">{escape(finding_text(finding).label)}</th>{cells}</tr>')
    return (
        f'<p class="cx-lead">{escape(_lead(presets, differing))}</p>'
        '<div class="cx-scroll cx-compare" tabindex="0"><table>'
        f'<thead><tr><th scope="col" rowspan="2">Finding</th>{top}{last}</tr><tr>{below}</tr></thead>'
        f'<tbody>{"".join(body)}</tbody></table></div><p class="cx-caption">{escape(_caption(presets))}</p>'
    )


def _rules(preset: Preset, choice: Choice) -> list[Rule]:
    """The operating points of a model; the reader's own where they are in use."""
    own = choice.rule == "custom" and preset.name == choice.preset.name
    return [rule for rule in offered_rules(preset) if rule != "custom" or own]


def _title(rule: Rule, choice: Choice) -> str:
    return choice.named if rule == "custom" and choice.named else RULES[rule][0]


def _stands(
    preset: Preset, shown: Shown, rules: Sequence[Rule], finding: str, choice: Choice
) -> dict[Rule, Standing] | None:
    if finding not in preset.findings:
        return None
    score = shown.reading.prediction.score(finding)
    return {
        rule: standing(preset, finding, score.probability, rule, choice.custom, score.interval)
        for rule in (rules or ["custom"])
    }


def _cells(stands: dict[Rule, Standing] | None, rules: int) -> str:
    if stands is None:
        return f'<td class="is-absent" colspan="{1 + rules}">not predicted</td>'
    first = next(iter(stands.values()))
    note = "" if first.supported else "<small>not supported</small>"
    cells = f"<td>{escape(probability(first.probability))}{note}</td>"
    return cells + "".join(_cell(at) for at in stands.values()) if rules else cells


def _cell(at: Standing) -> str:
    if at.threshold is None:
        return '<td class="is-absent">none</td>'
    word = "in doubt" if at.in_doubt else "past" if at.past else "below"
    marked = ' class="is-past"' if at.positive else ""
    return f"<td{marked}>{word}<small>{escape(percent(at.threshold))}</small></td>"


def _between(stands: Sequence[dict[Rule, Standing] | None]) -> tuple[str, bool]:
    """Whether the models that predict a finding agree at the operating points that they share."""
    known = [at for at in stands if at is not None]
    if len(known) < 2:
        return "one model only", False
    shared = [rule for rule in known[0] if all(rule in at and at[rule].threshold is not None for at in known)]
    if not shared:
        return "no operating point in common", False
    differing = [RULES[rule][0] for rule in shared if len({_word(at[rule]) for at in known}) > 1]
    if not differing:
        return "agree", False
    return f"differ at {', '.join(differing)}", True


def _word(at: Standing) -> str:
    return "in doubt" if at.in_doubt else "past" if at.past else "below"


def _lead(presets: Sequence[Preset], differing: Sequence[str]) -> str:
    if len(presets) == 1:
        return "One model at all of its operating points. Choose a second one to see where they differ."
    if differing:
        return f"The models differ on: {', '.join(differing)}."
    shared = [f for f in presets[0].findings if any(f in preset.findings for preset in presets[1:])]
    if not shared:
        return "These models have no finding in common."
    return f"The models agree on what they both predict: {', '.join(finding_text(f).label for f in shared)}."


def _caption(presets: Sequence[Preset]) -> str:
    """At what prevalence each model's probabilities are stated, and so what may be compared."""
    stated = [f"{preset.title}: {stated_at(preset, None).split(' Bar:')[0]}" for preset in presets]
    said = (
        "Small: the threshold, on the same scale as the probability. Not supported: fewer than "
        f"{MINIMUM_POSITIVES} cases to fit operating points on, so do not rely on how it stands. "
    )
    if len(presets) > 1:
        said += (
            "Probabilities of two models are stated at different prevalences: compare how each stands at its own "
            "thresholds, not the percentages. "
        )
    return said + " ".join(stated)

"""The sidebar of the Read page: model, operating point, and what they mean for one finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from html import escape

import streamlit as st

from cxrkit.card import OperatingPoint
from cxrkit.dashboard import blocks, choices, keeping_view, links, named_view, view_choices
from cxrkit.dashboard.entry import plain
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.ranking import RULES, Rule, default_rule, default_threshold, offered_rules, rank, standing
from cxrkit.dashboard.services import models
from cxrkit.evaluation.utility import predictive_values
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.reading import Reading

_TERMS = (
    ("Operating point", "The rule by which the threshold of every finding was chosen"),
    ("Threshold", "A probability at or above it is past the operating point"),
    ("Sensitivity", "Of those with the finding, the share past the threshold"),
    ("Specificity", "Of those without it, the share below the threshold"),
    ("Fitted on split", "The radiographs on which the threshold was chosen and both rates were counted"),
    ("n (positive)", "How many radiographs those were, and how many of them show the finding"),
    ("Prevalence", "The share of your patients who have the finding"),
    ("PPV", "Of those past the threshold, the share that has the finding, at that prevalence"),
    ("NPV", "Of those below it, the share that has not, at that prevalence"),
)
_CUSTOM, _PREVALENCES = "custom_thresholds", "chosen_prevalences"
# Thresholds evenly spaced in log-odds: as fine near 0.2 % as the rare findings need.
_THRESHOLDS = tuple(
    [k / 1000 for k in range(1, 20)] + [k / 200 for k in range(4, 40)] + [k / 100 for k in range(20, 100)]
)


@dataclass(frozen=True)
class Choice:
    """What the reader chose in the sidebar."""

    preset: Preset
    rule: Rule
    custom: dict[str, float]
    named: str = ""
    """The reader's name for the thresholds in `custom`, where it has one."""


def choose_preset() -> Preset:
    """The model, the same on every page."""
    presets = models.presets()
    names = list(presets)
    titles = Counter(preset.title for preset in presets.values())

    def label(name: str) -> str:
        # two presets of one recipe share its title, and Streamlit tells options by their labels
        title = presets[name].title
        return title if titles[title] == 1 else f"{title}: {name}"

    links.adopt(names)
    with st.sidebar:
        choices.recall("chosen_preset", names[0], names)
        name = st.selectbox("Model", names, format_func=label, key="chosen_preset")
        choices.keep("chosen_preset", name)
        for error in models.broken_presets():
            st.warning(f"**A model is left out.** {plain(str(error))}", icon=":material/warning:")
        keeping_view.note(presets[name])
    links.say(preset=name)
    return presets[name]


def choose_model() -> Choice:
    """The first part of the sidebar: preset and operating point."""
    preset = choose_preset()
    with st.sidebar:
        st.caption(plain(f"Trained on: {preset.population.description}"))
        rules = offered_rules(preset)
        named = named_view.offered(preset)
        words: dict[str, tuple[str, str]] = {rule: RULES[rule] for rule in rules}
        words |= {choice: (plain(named_view.name_of(choice)), meaning) for choice, meaning in named.items()}
        if st.session_state.get("chosen_rule") not in words:  # another preset's
            st.session_state.pop("chosen_rule", None)
        choices.recall("chosen_rule", default_rule(preset), list(words))
        chosen = st.radio(
            "Operating point",
            list(words),
            format_func=lambda r: words[r][0],
            captions=[meaning for _, meaning in words.values()],
            key="chosen_rule",
        )
        choices.keep("chosen_rule", chosen)
    if chosen in named:
        links.say(rule="custom")
        return Choice(preset, "custom", named_view.chosen_thresholds(preset, chosen), named_view.name_of(chosen))
    rule = next(rule for rule in rules if rule == chosen)
    links.say(rule=rule)
    custom: dict[str, float] = st.session_state.setdefault(_CUSTOM, {}).setdefault(preset.name, {})
    return Choice(preset, rule, custom)


def chosen_finding(choice: Choice, reading: Reading | None) -> str:
    """The finding that the reader looks at; until one was chosen, the one furthest past its operating point."""
    linked: str | None = st.session_state.get(links.LINKED_FINDING)
    if reading is not None and linked is not None:  # a link's wish is for the first reading
        st.session_state.setdefault(view_choices.CHOSEN_FINDING, st.session_state.pop(links.LINKED_FINDING))
    finding: str | None = st.session_state.get(view_choices.CHOSEN_FINDING, linked)
    if finding in choice.preset.findings:
        links.say(finding=finding)
        return str(finding)
    links.say(finding=None)
    if reading is None:
        points = (standing(choice.preset, f, 0.0, choice.rule, choice.custom) for f in choice.preset.findings)
        return next((p.finding for p in points if p.supported), choice.preset.findings[0])
    ranked, others = rank(choice.preset, reading.prediction, choice.rule, choice.custom)
    return (ranked or others)[0].finding


def wanted_finding(findings: Collection[str]) -> str | None:
    """The one of `findings` that the reader chose, or that a link asks for; None leaves it to the page."""
    if (linked := st.session_state.pop(links.LINKED_FINDING, None)) is not None:
        st.session_state.setdefault(view_choices.CHOSEN_FINDING, linked)
    chosen: str | None = st.session_state.get(view_choices.CHOSEN_FINDING)
    wanted = chosen if chosen in findings else None
    links.say(finding=wanted)
    return wanted


def choose(finding: str) -> None:
    """Look at another finding (also a widget's callback)."""
    st.session_state[view_choices.CHOSEN_FINDING] = finding


def explain_choice(choice: Choice, finding: str) -> None:
    """The second part of the sidebar: what the operating point means for one finding."""
    preset, label = choice.preset, finding_text(finding).label
    with st.sidebar:
        st.html(f'<div class="cx-side-title">{escape(label)} at this operating point</div>')
        if choice.named:
            own = (
                f"Your point {choice.named!r}." if finding in choice.custom else "Your point has none: Youden's stands."
            )
            st.html(f'<p class="cx-side">{escape(own)}</p>')
        elif choice.rule == "custom":
            _custom_threshold(preset, finding, choice.custom)
        at = standing(preset, finding, 0.0, choice.rule, choice.custom)
        if at.threshold is None:
            why = "There were no positives, or no negatives, to fit it on."
            if choice.rule == "published":
                why = "None is published for this finding."
            st.html(f'<p class="cx-side">No operating point: {why[0].lower()}{why[1:]}</p>')
            return
        if choice.rule == "published":
            source = next(p.source for p in preset.published_thresholds if p.finding == finding)
            st.html(_pairs([("Threshold", percent(at.threshold)), ("Source", source)]))
            st.html(
                '<p class="cx-side">Its sensitivity and specificity are not known here, so no predictive values can be '
                "given.</p>"
            )
        elif not preset.operating_points:
            st.html(
                '<p class="cx-side cx-warn">Nothing was fitted for these weights: sensitivity and specificity of your '
                "own threshold are not known, so no predictive values can be given.</p>"
            )
        elif at.point is None:
            st.html(
                '<p class="cx-side">This card does not keep the validation scores: sensitivity and specificity of your '
                "own threshold are not known, so no predictive values can be given.</p>"
            )
        else:
            st.html(_pairs([("Threshold", percent(at.threshold)), *_rates(at.point)]))
        if not at.supported and preset.operating_points:
            st.html('<p class="cx-side cx-warn">Not supported: too few cases to fit on. Do not rely on it.</p>')
        if at.point is not None:
            _predictive_values(preset, at.point)
        st.html(blocks.terms(_TERMS if at.point is not None else _TERMS[:2]))  # of what stands there


def _custom_threshold(preset: Preset, finding: str, custom: dict[str, float]) -> None:
    start = custom.get(finding, default_threshold(preset, finding))
    custom[finding] = st.select_slider(
        "Threshold",
        _THRESHOLDS,
        min(_THRESHOLDS, key=lambda t: abs(t - start)),
        format_func=percent,
        key=f"threshold_{preset.name}_{finding}",
    )


def _rates(point: OperatingPoint) -> list[tuple[str, str]]:
    return [
        ("Sensitivity", percent(point.sensitivity)),
        ("Specificity", percent(point.specificity)),
        ("Fitted on split", point.split),
        ("n (positive)", f"{point.n:,} ({point.positives:,})"),
    ]


def _predictive_values(preset: Preset, point: OperatingPoint) -> None:
    """PPV and NPV at a prevalence that the reader sets; it starts where the probabilities are stated."""
    prevalences: dict[str, float] = st.session_state.setdefault(_PREVALENCES, {})
    key = f"prevalence_{preset.name}_{point.finding}"
    start = prevalences.get(key, 100 * (stated_prevalence(preset, point.finding) or 0.1))
    prevalences[key] = st.slider(
        "Prevalence where you work", 0.1, 90.0, min(max(round(start, 1), 0.1), 90.0), 0.1, format="%.1f %%", key=key
    )
    ppv, npv = predictive_values(point.sensitivity, point.specificity, prevalences[key] / 100)
    st.html(
        _pairs(
            [
                ("PPV: present, if past", "undefined" if ppv is None else percent(ppv)),
                ("NPV: absent, if below", "undefined" if npv is None else percent(npv)),
            ]
        )
    )


def stated_prevalence(preset: Preset, finding: str) -> float | None:
    """The prevalence at which the finding's probability is stated, where it is known."""
    if preset.reference_prevalence is not None and finding in preset.reference_prevalence.by_finding:
        return preset.reference_prevalence.by_finding[finding]
    return preset.calibration[finding].prevalence


def _pairs(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows)
    return f'<dl class="cx-pairs">{cells}</dl>'

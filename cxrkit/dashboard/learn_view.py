"""The Learn page: how a reading comes about, and what its numbers mean, live on the synthetic phantom."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from cxrkit.charts import learn
from cxrkit.charts.pictogram import KINDS, as_address, described, pictogram, sign
from cxrkit.dashboard import choices, learn_network, learn_shortcut, lesson
from cxrkit.dashboard.blocks import prose_table
from cxrkit.dashboard.sections import choose_section, next_section
from cxrkit.dashboard.theme import ink
from cxrkit.evaluation.costs import Patients, of_patients
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER

PAGE = "learn"


def lessons(preset: Preset) -> None:
    """The row of sections, and the one that was chosen."""
    titles = {name: title for name, (title, _) in SECTIONS.items()}
    chosen = choose_section(PAGE, titles)
    SECTIONS[chosen][1](preset)
    next_section(PAGE, titles, chosen)


# -- numbers -----------------------------------------------------------------------------------


def _accuracy(preset: Preset) -> None:
    lesson.lead(
        "Why accuracy misleads",
        "Here is a model that always says no. Where a finding is rare it is nearly always right, and it never finds",
        "anybody. Move the prevalence, the share of patients who have the finding.",
    )
    choices.recall("learn_rare", 5.0)
    percent = st.slider("Prevalence", 0.5, 60.0, step=0.5, format="%.1f %%", key="learn_rare")
    choices.keep("learn_rare", percent)
    left, right = st.columns(2, gap="large")
    with left:
        lesson.chart(learn.always_no(percent / 100, ink()), "learn_always_no")
    with right:
        _people(of_patients(0.0, 1.0, percent / 100), "the finding")
    lesson.keep(
        "Accuracy mixes two questions: how many of the ill are found (sensitivity), and how many of the others are "
        "left alone (specificity). Ask both."
    )


def _prevalence(preset: Preset) -> None:
    lesson.lead(
        "What a positive result means",
        "Sensitivity and specificity belong to a model and its threshold. What a result means for one patient depends",
        "on how common the finding is among those who come: the predictive values.",
    )
    finding = _finding(preset)
    point = preset.operating_point(finding, "youden")
    start = (0.85, 0.85) if point is None else (point.sensitivity, point.specificity)
    source = (
        f"The sliders start at the Youden point of {finding_text(finding).label} ({point.split} split, "
        f"n = {point.n:,}, {point.positives:,} positive)."
        if point is not None
        else "This model has no operating point to start from; the sliders start at 85 %."
    )
    key = f"{preset.name}_{finding}"
    columns = st.columns(3)
    values = []
    for column, name, value in zip(columns, ("Sensitivity", "Specificity", "Prevalence"), (*start, 0.05), strict=True):
        widget = f"learn_{name.lower()}_{key}"
        choices.recall(widget, min(max(round(100 * value, 1), 0.1), 100.0))
        with column:
            values.append(st.slider(name, 0.1, 100.0, step=0.1, format="%.1f %%", key=widget, help=_HELP[name]) / 100)
        choices.keep(widget, st.session_state[widget])
    sensitivity, specificity, prevalence = values
    left, right = st.columns(2, gap="large")
    with left:
        lesson.chart(learn.predictive(sensitivity, specificity, prevalence, ink()), "learn_predictive")
    with right:
        _people(of_patients(sensitivity, specificity, prevalence), finding_text(finding).label.lower())
    st.html(f'<p class="cx-caption">{source}</p>')
    lesson.keep(
        "The rarer the finding, the more of the positive results are false alarms, however good the model is. A "
        "predictive value without its prevalence says nothing."
    )


_HELP = {
    "Sensitivity": "Share of patients with the finding that the model calls.",
    "Specificity": "Share of patients without the finding that the model leaves alone.",
    "Prevalence": "Share of all patients who have the finding.",
}


def _people(patients: Patients, finding: str) -> None:
    """A thousand patients, a sign for each, with the legend."""
    colours = ink()
    alt = escape(described(patients, finding), quote=True)
    legend = "".join(
        f'<li><img src="{as_address(sign(kind, colours))}" alt=""> <b>{getattr(patients, kind):,}</b> {words}</li>'
        for kind, words in KINDS.items()
    )
    picture = f'<img src="{as_address(pictogram(patients, colours))}" alt="{alt}">'
    st.html(f'<div class="cx-crowd">{picture}<ul>{legend}</ul></div>')


def _saturation(preset: Preset) -> None:
    lesson.lead(
        "What saturation does",
        "The network gives a logit, any number; the sigmoid turns it into a probability. Far from zero the curve is",
        "flat: a change of the picture hardly moves the probability. A map that asks the probability fades away just",
        "where the model is most certain, so the maps here ask the logit.",
    )
    finding = _finding(preset)
    steps = learn_network.steps_of(preset, finding)
    choices.recall("learn_logit", 4.0)
    logit = st.slider(
        "Logit",
        -8.0,
        8.0,
        step=0.5,
        key="learn_logit",
        help=f"The phantom's own logit of {finding_text(finding).label} is {steps.logit:.2f}.",
    )
    choices.keep("learn_logit", logit)
    left, right = st.columns(2, gap="large")
    with left:
        lesson.chart(learn.sigmoid(logit, ink()), "learn_sigmoid")
    with right:
        learn_network.faded(steps, logit)
    lesson.keep("Ask a map which question it answers. One of the probability may be empty because the model is sure.")


def _disclaimer(preset: Preset) -> None:
    lesson.lead(
        "What the disclaimer means",
        "The same line stands on every page and on every export. Each part of it has a reason, and a place where you "
        "can see it for yourself.",
    )
    st.html(f'<blockquote class="cx-keep">{DISCLAIMER}</blockquote>')
    st.html(f'<div class="cx-card">{prose_table(("The words", "Why they stand there", "Where to look"), _WHY)}</div>')
    lesson.keep("A number with two decimals is not yet a fact about a patient.")


_WHY = (
    (
        "Not a medical device",
        "No authority has cleared it, no clinical study has tested it, and nobody watches over it where it runs. What "
        "is done to a patient because of a reading is done without any of that.",
        "Model info, CLAIM 2024: the items answered with no",
    ),
    (
        "For research and teaching only",
        "The weights learned from a few thousand public radiographs, with labels that are partly wrong.",
        "Model info, Data",
    ),
    (
        "Not for diagnosis, triage or treatment",
        "Triage is a decision, too: a low score must not make anybody wait. At the prevalence of your patients most "
        "positive results may be false alarms, and rare findings are missed.",
        "Learn, What a positive result means",
    ),
    (
        "A qualified professional must read every radiograph",
        "The model knows a few findings, frontal views and nothing of the patient. It answers to any picture that "
        "passes its gate, sometimes to a letter at the border.",
        "Learn, What a shortcut looks like; Model info, Errors",
    ),
)


def _finding(preset: Preset) -> str:
    """The finding that a section is about, the same in all of them."""
    return learn_network.choose_finding(preset)


SECTIONS: dict[str, tuple[str, Callable[[Preset], None]]] = {
    "convolution": ("Convolution", learn_network.convolution),
    "densenet": ("DenseNet", learn_network.densenet),
    "grad-cam": ("Grad-CAM", learn_network.grad_cam),
    "saturation": ("Saturation", _saturation),
    "shortcut": ("Shortcuts", learn_shortcut.shortcut),
    "accuracy": ("Accuracy", _accuracy),
    "prevalence": ("Predictive values", _prevalence),
    "disclaimer": ("The disclaimer", _disclaimer),
}
"""Name in the address -> title and section."""

"""A threshold where the reader works: a thousand patients, what errors cost, and whether acting helps."""

from __future__ import annotations

from html import escape

import streamlit as st

from cxrkit.charts.pictogram import KINDS, as_address, described, pictogram, sign
from cxrkit.charts.threshold_costs import costs, decision
from cxrkit.dashboard import choices
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.theme import ink
from cxrkit.dashboard.threshold_chart import go, key_of, show
from cxrkit.evaluation.costs import acting_probability, expected_cost, least_cost, of_patients
from cxrkit.evaluation.sweep import Sweep
from cxrkit.evaluation.utility import predictive_values
from cxrkit.serving.judged_table import Bench, JudgedTable


def assumptions(judged: JudgedTable, finding: str, bench: Bench) -> tuple[float, int]:
    """Prevalence and price of a miss, as the reader sets them."""
    own = 100 * bench.entry.positives / bench.entry.n
    key = f"prevalence {key_of(judged, finding)}"
    choices.recall(key, min(max(round(own, 1), 0.1), 90.0))
    choices.recall("price_of_a_miss", 10)
    with st.container(key="assumptions", horizontal=True):
        prevalence = st.slider(
            "Prevalence where you work",
            0.1,
            90.0,
            step=0.1,
            format="%.1f %%",
            key=key,
            help="How many of those who are examined have the finding. It starts at that of these rows: "
            f"{percent(own / 100)}.",
        )
        miss = st.slider(
            "A miss costs as much as ... false alarms",
            1,
            100,
            key="price_of_a_miss",
            help="1: both errors weigh the same. 10: one missed finding is as bad as ten needless alarms.",
        )
    choices.keep(key, prevalence)
    choices.keep("price_of_a_miss", miss)
    return prevalence / 100, miss


def people(sweep: Sweep, place: int, prevalence: float, label: str) -> None:
    """The threshold among 1,000 patients, as a picture and in words."""
    se, sp = float(sweep.sensitivities[place]), float(sweep.specificities[place])
    patients, colours = of_patients(se, sp, prevalence), ink()
    ppv, npv = predictive_values(se, sp, prevalence)
    said, picture = described(patients, label), as_address(pictogram(patients, colours))
    signs = "".join(
        f'<li><img class="cx-sign" alt="" src="{as_address(sign(kind, colours))}"><b>{getattr(patients, kind):,}</b> '
        f"{escape(words)}</li>"
        for kind, words in KINDS.items()
    )
    st.html(
        '<section class="cx-thousand"><div><h3 class="cx-chart-title">Of 1,000 patients</h3>'
        f'<img class="cx-people" alt="{escape(said, quote=True)}" src="{picture}"></div>'
        f'<div><ul class="cx-legend">{signs}</ul><p class="cx-why">{escape(said)}</p><p class="cx-why">A result past '
        f"the threshold is right in <b>{_share(ppv)}</b> (PPV), one below it in <b>{_share(npv)}</b> (NPV) of the "
        "cases.</p></div></section>"
    )


def costs_view(judged: JudgedTable, finding: str, bench: Bench, sweep: Sweep, prevalence: float, miss: int) -> None:
    """What errors cost at each threshold, and whether acting on the model helps at all."""
    cost = expected_cost(sweep.sensitivities, sweep.specificities, prevalence, miss)
    least = least_cost(cost)
    with st.container(key="pair_costs", horizontal=True):
        with st.container(key="chart_cost"):
            show(costs(sweep, cost.tolist(), least, ink()), "costs")
            st.button(
                f"Go to the lowest cost: {percent(float(sweep.thresholds[least]))}",
                on_click=go,
                args=(key_of(judged, finding), least),
                help="Chosen on the rows that you look at: judge it on others.",
            )
        if bench.entry.decision_curve is not None:
            show(decision(bench.entry.decision_curve, acting_probability(miss), ink()), "decision")


def _share(value: float | None) -> str:
    return "no case (there is none)" if value is None else percent(value)

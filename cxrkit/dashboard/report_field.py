"""The button beside the downloads of a reading that opens its one-page report."""

from __future__ import annotations

from datetime import date

import streamlit as st

from cxrkit.charts import overlay
from cxrkit.dashboard.blanking import blanking_caption
from cxrkit.dashboard.display_field import display_caption
from cxrkit.dashboard.impression_view import chosen_language
from cxrkit.dashboard.ranking import RULES, rank
from cxrkit.dashboard.services import readings
from cxrkit.dashboard.sidebar import Choice
from cxrkit.impression import impression, translations
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Reading
from cxrkit.serving.reading_report import Report, compose, to_html, to_pdf


def report_field(
    radiograph: Radiograph,
    reading: Reading,
    choice: Choice,
    copy: overlay.DisplayCopy,
    blanked: tuple[Box, ...],
    look: overlay.Look,
) -> None:
    """The report of a reading as two files, each made when it is asked for.

    Parameters
    ----------
    copy, blanked, look
        The picture as it is shown: without anything blanked, what is, and how maps lie over it.
    """

    language = chosen_language()  # a report is made later, where the session cannot be asked

    def report() -> Report:
        ranked, others = rank(choice.preset, reading.prediction, choice.rule, choice.custom)
        title, meaning = map(translations(language).gettext, RULES[choice.rule])
        return compose(
            radiograph,
            reading,
            choice.preset,
            (*ranked, *others),
            rule=f"{title}: {meaning}",
            made=date.today(),
            copy=overlay.blank(copy, blanked),
            look=look,
            captions=display_caption(radiograph) + blanking_caption(blanked, language),
            impression=impression(reading, (*ranked, *others), choice.rule, language),
            language=language,
        )

    with st.popover("Report", icon=":material/description:", key="report_field"):
        st.caption(
            "One page of A4: radiograph, maps, all findings at the chosen operating point, quality, model. "
            "Nothing in it names the patient."
        )
        with st.container(key="report_files", horizontal=True):
            for label, make, suffix, mime, words in (
                ("PDF", lambda: to_pdf(report()), ".pdf", "application/pdf", "One page, fonts embedded."),
                ("HTML", lambda: to_html(report()).encode(), ".html", "text/html", "One file that prints on one page."),
            ):
                st.download_button(
                    label,
                    help=words,
                    data=make,
                    file_name=readings.download_name(reading, f"-report{suffix}"),
                    mime=mime,
                    icon=":material/download:",
                    on_click="ignore",
                    key=f"report_{label}",
                )

"""The report's own words, and numbers as a language writes them; English is what stands in the code.

Translations lie with those of the impression: ``scripts/translate.py`` finds the sentences of this package, too.
"""

from __future__ import annotations

import gettext
from collections.abc import Sequence
from dataclasses import dataclass

from cxrkit.charts.style import percent
from cxrkit.findings import finding_text
from cxrkit.impression import translations


@dataclass(frozen=True)
class Headings:
    """Titles of the report's parts, and of the columns of its table."""

    impression: str
    findings: str
    quality: str
    origin: str
    remarks: str
    finding: str
    probability: str
    interval: str
    threshold: str
    result: str
    rates: str
    fitted: str

    def columns(self, intervals: bool) -> tuple[str, ...]:
        """Of the table, from left to right."""
        middle = (self.interval,) if intervals else ()
        return (self.finding, self.probability, *middle, self.threshold, self.result, self.rates, self.fitted)


@dataclass(frozen=True)
class Words:
    """One language."""

    t: gettext.NullTranslations

    @classmethod
    def of(cls, language: str) -> Words:
        """The words of a key of `cxrkit.impression.LANGUAGES`."""
        return cls(translations(language))

    def label(self, finding: str) -> str:
        """What a finding is called."""
        return self.t.gettext(finding_text(finding).label)

    def share(self, share: float) -> str:
        """A share in percent."""
        return percent(share).replace(".", self._point)

    def decimal(self, value: float, digits: int) -> str:
        """A number with so many decimals."""
        return f"{value:.{digits}f}".replace(".", self._point)

    def count(self, count: int) -> str:
        """A whole number, its thousands set apart."""
        return f"{count:,}".replace(",", self.t.pgettext("between thousands", ","))

    def listed(self, items: Sequence[str]) -> str:
        """Items with a last "and"."""
        if len(items) < 2:
            return "".join(items)
        return self.t.gettext("{items} and {last}").format(items=", ".join(items[:-1]), last=items[-1])

    def headings(self, rule: str) -> Headings:
        """All titles; `rule` names the operating point."""
        t = self.t
        return Headings(
            impression=t.gettext("In words"),
            findings=t.gettext("Findings at the operating point {rule}").format(rule=rule),
            quality=t.gettext("Quality of the picture, and what was done to it"),
            origin=t.gettext("Where it comes from"),
            remarks=t.gettext("Remarks of the reader"),
            finding=t.gettext("Finding"),
            probability=t.pgettext("narrow column", "Probability"),
            interval=t.gettext("Interval"),
            threshold=t.gettext("Threshold"),
            result=t.gettext("Result"),
            rates=t.gettext("Sens. / spec."),
            fitted=t.gettext("Fitted on: n (positive)"),
        )

    def correction(self, step: str) -> str:
        """What was done to a picture, within a sentence."""
        t = self.t
        return {
            "invert": t.gettext("inverted"),
            "rotate-90": t.gettext("turned by 90 degrees clockwise"),
            "rotate-180": t.gettext("turned by 180 degrees"),
            "rotate-270": t.gettext("turned by 90 degrees counter-clockwise"),
        }[step]

    @property
    def _point(self) -> str:
        return self.t.pgettext("decimal mark", ".")

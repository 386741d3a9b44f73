"""A reading in one paragraph of plain language, from fixed templates and in several languages.

Every sentence stands in this file, its translations in ``locale/<language>/LC_MESSAGES/cxrkit.po``; numbers and names
are filled in, and nothing is worded by a model. ``scripts/translate.py`` compiles the translations.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from cxrkit.findings import finding_text
from cxrkit.reading import DISCLAIMER, Interval, Reading
from cxrkit.shares import percent, probability

LOCALE = Path(__file__).resolve().parent / "locale"
DOMAIN = "cxrkit"
LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français"}
"""Code of each language -> its own name for itself."""

EXPLAINED = 3
"""Findings past their thresholds whose meaning is spelt out."""

_BESIDE_THE_LUNGS = frozenset({"Cardiomegaly", "Enlarged_Cardiomediastinum", "Hernia", "Fracture"})
"""Whose evidence lies outside of the lungs as a rule."""


class Judged(Protocol):
    """One finding against its threshold; `cxrkit.dashboard.ranking.Standing` is one."""

    @property
    def finding(self) -> str: ...
    @property
    def probability(self) -> float: ...
    @property
    def threshold(self) -> float | None: ...
    @property
    def interval(self) -> Interval | None: ...
    @property
    def supported(self) -> bool: ...
    @property
    def past(self) -> bool: ...
    @property
    def in_doubt(self) -> bool: ...


def impression(reading: Reading, judged: Sequence[Judged], rule: str, language: str = "en") -> str:
    """The paragraph.

    Parameters
    ----------
    reading
        The reading; where it is refused, the paragraph says why and gives no numbers.
    judged
        Its findings against their thresholds, in the order in which they are to be named.
    rule
        By which the thresholds were set: ``"youden"``, ``"screening"``, ``"rule-in"``, ``"custom"``, ``"published"``;
        any other is called the chosen thresholds.
    language
        A key of `LANGUAGES`.

    Raises
    ------
    ValueError
        There is no such language.
    """
    words = _Words(translations(language))
    said = _refusal(words, reading) if reading.quality.refused else _reading(words, reading, judged, rule)
    model = words.t.gettext("These numbers were computed by the model “{model}” (weights {weights}).")
    if not reading.quality.refused:
        said.append(model.format(model=reading.preset, weights=reading.weights_sha256[:8]))
    return " ".join([*said, words.t.gettext(DISCLAIMER)])


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language; English, in which the sentences are written, needs none."""
    if language not in LANGUAGES:
        raise ValueError(f"there is no impression in {language!r}")
    return gettext.NullTranslations() if language == "en" else gettext.translation(DOMAIN, LOCALE, [language])


def _reading(words: _Words, reading: Reading, judged: Sequence[Judged], rule: str) -> list[str]:
    known = [at for at in judged if at.supported and at.threshold is not None]
    past = [at for at in known if at.past and not at.in_doubt]
    doubtful = [at for at in known if at.in_doubt]
    said = _verdicts(words, known, past, doubtful, rule)
    for at in past[:EXPLAINED]:
        if meaning := words.meaning(at.finding):
            name = words.name(at.finding)
            explained = words.t.gettext("{finding}: {meaning}")
            said.append(explained.format(finding=name[:1].upper() + name[1:], meaning=meaning))
    if unjudged := len(judged) - len(known):
        said.append(
            words.t.ngettext(
                "{n} finding has no reliable threshold and is not judged here.",
                "{n} findings have no reliable threshold and are not judged here.",
                unjudged,
            ).format(n=unjudged)
        )
    return [*said, *_evidence(words, reading, [*past, *doubtful]), *_quality(words, reading)]


def _verdicts(
    words: _Words, known: Sequence[Judged], past: Sequence[Judged], doubtful: Sequence[Judged], rule: str
) -> list[str]:
    """Which findings are past their thresholds, which are in doubt, and that the others are below."""
    t, point = words.t, words.point(rule)
    below = len(known) - len(past) - len(doubtful)
    if not known:
        return [t.gettext("{point}, no finding has a reliable threshold, so none is judged.").format(point=point)]
    if below == len(known):
        return [
            t.ngettext(
                "{point}, the one finding judged lies below its threshold; this does not mean that it is absent.",
                "{point}, all {n} findings judged lie below their thresholds; this does not mean that they are absent.",
                below,
            ).format(point=point, n=below)
        ]
    if past:
        sentence = t.ngettext(
            "{point}, {n} finding is past its threshold: {findings}.",
            "{point}, {n} findings are past their thresholds: {findings}.",
            len(past),
        )
        named = words.joined([f"{words.name(at.finding)} ({words.share(at.probability)})" for at in past])
        said = [sentence.format(point=point, n=len(past), findings=named)]
    else:
        said = [t.gettext("{point}, no finding is clearly past its threshold.").format(point=point)]
    if doubtful:
        sentence = t.ngettext(
            "{n} finding is in doubt, because the interval of its probability reaches across the threshold: "
            "{findings}.",
            "{n} findings are in doubt, because the intervals of their probabilities reach across the thresholds: "
            "{findings}.",
            len(doubtful),
        )
        named = words.joined([words.doubtful(at) for at in doubtful])
        said.append(sentence.format(n=len(doubtful), findings=named))
    if below:
        said.append(
            t.ngettext(
                "The other finding judged lies below its threshold; this does not mean that it is absent.",
                "The other {n} findings judged lie below their thresholds; this does not mean that they are absent.",
                below,
            ).format(n=below)
        )
    return said


def _evidence(words: _Words, reading: Reading, shown: Iterable[Judged]) -> list[str]:
    """Of findings past or in doubt: which evidence lies outside of the lungs more than is usual, or mostly."""
    unusual, most = [], []
    for at in shown:
        found = reading.explanations.get(at.finding)
        if found is None or found.outside_lungs is None:
            continue
        named = f"{words.name(at.finding)} ({words.share(found.outside_lungs)})"
        if found.unusual_place:
            unusual.append(named)
        elif found.outside_lungs > 0.5 and at.finding not in _BESIDE_THE_LUNGS:
            most.append(named)
    said = []
    if unusual:
        sentence = words.t.gettext(
            "An unusually large share of the evidence on the map lies outside the lungs, which calls for caution: "
            "{findings}."
        )
        said.append(sentence.format(findings=words.joined(unusual)))
    if most:
        sentence = words.t.gettext("Most of the evidence on the map lies outside the lungs: {findings}.")
        said.append(sentence.format(findings=words.joined(most)))
    return said


def _quality(words: _Words, reading: Reading) -> list[str]:
    """What is to be said of the picture itself."""
    t, quality = words.t, reading.quality
    said = []
    if quality.overridden:
        said.append(
            t.gettext("This reading is shown at the reader's request, in spite of a refusal; do not rely on it.")
        )
        said += [t.gettext(issue.message) for issue in quality.issues if issue.severity == "refuse"]
    said += [t.gettext(issue.message) for issue in quality.issues if issue.severity == "correct"]
    if quality.correction:
        said.append(t.gettext("It was put into place before it was read."))
    elif quality.proposed:
        said.append(
            t.gettext(
                "The picture was read as it lies, although it looks turned or inverted to the model: the numbers mean "
                "little."
            )
        )
    warned = [i for i in quality.issues if i.severity == "warn" and i.code not in ("inverted", "rotated")]
    said += [t.gettext(issue.message) for issue in warned]
    if reading.warnings:
        said.append(t.gettext("The patient's age or the view was not in the training population."))
    return said


def _refusal(words: _Words, reading: Reading) -> list[str]:
    reasons = [words.t.gettext(i.message) for i in reading.quality.issues if i.severity == "refuse"]
    return [words.t.gettext("No reading is given for this picture."), *reasons]


@dataclass(frozen=True)
class _Words:
    """Names, numbers and lists in one language."""

    t: gettext.NullTranslations

    def name(self, finding: str) -> str:
        """A finding within a sentence; one that nobody described here keeps its name in every language."""
        label, meaning = finding_text(finding)
        own = self.t.gettext(label)
        return own[:1].lower() + own[1:] if meaning and self._english else own

    def meaning(self, finding: str) -> str:
        """What a finding means, as it stands behind a colon; empty for one that nobody described here."""
        meaning = finding_text(finding).meaning
        own = self.t.gettext(meaning) if meaning else ""
        return own[:1].lower() + own[1:] if self._english else own

    def share(self, share: float, *, whole: bool = False) -> str:
        """A share in percent, with the language's decimal mark and a space that does not break."""
        shown = percent(share) if whole else probability(share)
        return shown.replace(".", self.t.pgettext("decimal mark", ".")).replace(" ", "\u00a0")

    def doubtful(self, at: Judged) -> str:
        """A finding in doubt with its numbers."""
        assert at.interval is not None
        assert at.threshold is not None
        return self.t.gettext("{finding} ({probability}, interval {low} to {high}, threshold {threshold})").format(
            finding=self.name(at.finding),
            probability=self.share(at.probability),
            low=self.share(at.interval.low),
            high=self.share(at.interval.high),
            threshold=self.share(at.threshold, whole=True),
        )

    def joined(self, items: Sequence[str]) -> str:
        """Items with commas and a last "and"; Spanish has another one before the sound of i."""
        if len(items) < 2:
            return "".join(items)
        last = items[-1]
        if last.lower().startswith(("i", "hi")):
            both = self.t.pgettext("before the sound of i", "{items} and {last}")
        else:
            both = self.t.gettext("{items} and {last}")
        return both.format(items=", ".join(items[:-1]), last=last)

    def point(self, rule: str) -> str:
        """With what findings are compared, as the beginning of a sentence."""
        t = self.t
        points = {
            "youden": t.gettext("At the Youden operating point"),
            "screening": t.gettext("At the screening operating point"),
            "rule-in": t.gettext("At the rule-in operating point"),
            "custom": t.gettext("At the reader's own thresholds"),
            "published": t.gettext("At the published thresholds"),
        }
        return points.get(rule, t.gettext("At the chosen thresholds"))

    @property
    def _english(self) -> bool:
        return type(self.t) is gettext.NullTranslations

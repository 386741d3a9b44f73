"""Whether a picture is a usable frontal chest radiograph: the reasons against it, and what follows from each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["refuse", "correct", "warn"]
"""``refuse``: the reading is withheld until the reader asks for it all the same. ``correct``: the picture was turned or
inverted before it was read, which can be undone. ``warn``: the reading is shown with the sentence."""

Correction = Literal["invert", "rotate-90", "rotate-180", "rotate-270"]
"""What brings a picture into place; turns are clockwise, in degrees."""

REASONS: dict[str, str] = {
    "too-small": "The picture is smaller than what the model looks at, so that fine findings cannot be seen in it.",
    "over-exposed": "A large part of the picture is plain white: what lies there is lost.",
    "under-exposed": "A large part of the picture is plain black or nearly so: what lies there is lost.",
    "low-contrast": "The picture has hardly any contrast.",
    "colour-photo": "The picture is a colour photograph.",
    "tinted": "The picture has a colour tint, as a photograph of a film or of a screen has.",
    "screenshot": "The picture looks like a screen or a page with a radiograph on it, not like the radiograph itself.",
    "other-modality": "The file's header says that this is not a radiograph but another kind of image.",
    "other-body-part": "The file's header says that this is not a chest.",
    "lateral": "The file's header says that this is a lateral view; the model reads frontal views only.",
    "not-frontal-chest": "The picture does not look like a frontal chest radiograph to the model: another body part, "
    "view or kind of image, or a radiograph unlike all that it learned from.",
    "inverted": "The picture was inverted: bone was dark.",
    "rotated": "The picture lay on its side or upside down.",
    "cropped": "A part of the lungs is cut off at the edge of the picture.",
    "no-lungs": "No lungs were found in the picture.",
    "burned-in-text": "There seems to be text in the picture itself, which may name the patient.",
}
"""Code of a reason -> its sentence."""


@dataclass(frozen=True)
class QualityIssue:
    """One reason: its code (a key of `REASONS`) and what follows from it."""

    code: str
    severity: Severity

    def __post_init__(self) -> None:
        if self.code not in REASONS:
            raise ValueError(f"unknown reason {self.code!r}")

    @property
    def message(self) -> str:
        """The sentence for a person."""
        return REASONS[self.code]


@dataclass(frozen=True)
class QualityReport:
    """What was found before a reading is shown.

    Attributes
    ----------
    issues
        Reasons against the picture, the gravest first; empty when there is none.
    correction
        What was done to the picture before it was read, in this order; empty when nothing was.
    proposed
        What would bring the picture into place, where that was not done.
    distance
        From the features of the model's training radiographs, divided by the limit: above 1 is outside. None where the
        preset has no gate.
    overridden
        A reader asked for the reading in spite of a refusal.
    """

    issues: tuple[QualityIssue, ...] = ()
    correction: tuple[Correction, ...] = ()
    proposed: tuple[Correction, ...] = ()
    distance: float | None = None
    overridden: bool = False

    @property
    def refused(self) -> bool:
        """Whether the reading is withheld."""
        return not self.overridden and any(issue.severity == "refuse" for issue in self.issues)

    @property
    def gated(self) -> bool:
        """Whether the model's own features were looked at; without a gate only the picture was."""
        return self.distance is not None

    def override(self) -> QualityReport:
        """The report of a reader who wants the reading all the same; says so wherever it goes."""
        return dataclasses.replace(self, overridden=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "refused": self.refused,
            "overridden": self.overridden,
            "gated": self.gated,
            "distance": self.distance,
            "correction": list(self.correction),
            "proposed_correction": list(self.proposed),
            "issues": [{"code": i.code, "severity": i.severity, "message": i.message} for i in self.issues],
        }


def ordered(issues: Iterable[QualityIssue]) -> tuple[QualityIssue, ...]:
    """Refusals first, then corrections, then warnings; each code once."""
    rank = {"refuse": 0, "correct": 1, "warn": 2}
    seen: dict[str, QualityIssue] = {}
    for issue in sorted(issues, key=lambda issue: rank[issue.severity]):
        seen.setdefault(issue.code, issue)
    return tuple(seen.values())

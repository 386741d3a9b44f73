"""Single facts of a DICOM header that are not identity, or None where they are absent or malformed.

A malformed optional fact is an unknown fact, never an error: it must not keep a good picture
from being read.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal, Protocol

from cxrkit.radiograph import age_band

VIEWS = {"PA": "PA", "AP": "AP", "LATERAL": "LATERAL", "LL": "LATERAL", "RL": "LATERAL", "LAT": "LATERAL"}
DAYS_PER_YEAR = 365.25
CHESTS = ("CHEST", "THORAX", "LUNG", "RIB", "HEART", "TORAX", "THX")
# fmt: off
OTHER_PARTS = (
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CALCANEUS", "CLAVICLE", "COCCYX", "CSPINE", "ELBOW", "EXTREMITY", "FEMUR",
    "FINGER", "FOOT", "HAND", "HEAD", "HIP", "HUMERUS", "JAW", "KNEE", "LEG", "LSPINE", "NECK", "PELVIS", "SKULL",
    "SSPINE", "TEETH", "TIBIA", "TOE", "TOOTH", "WRIST",
)
# fmt: on
"""Body parts in words of PS3.16 annex L; a value that begins with none of either list is unknown."""
AGE_UNITS = {"": 1.0, "D": 1 / DAYS_PER_YEAR, "W": 7 / DAYS_PER_YEAR, "M": 1 / 12, "Y": 1.0}

# What pydicom raises when it converts a malformed value.
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, NotImplementedError)


class Header(Protocol):
    """The part of pydicom's ``Dataset`` that is needed."""

    def get(self, key: str, /) -> Any:
        """Value of an attribute by keyword, or None."""


def fact(ds: Header, keyword: str) -> str | None:
    """First value of an attribute as text; None when it is absent, empty or malformed, thus unknown."""
    try:
        value = ds.get(keyword)
        first = value if isinstance(value, str) or not hasattr(value, "__getitem__") else value[0]
    except MALFORMED:
        return None
    return None if first is None else str(first).strip() or None


def number(ds: Header, keyword: str, index: int = 0) -> float | None:
    """A value of an attribute as a number; None when it is absent or is none."""
    try:
        value = ds.get(keyword)
        # pydicom leaves a single malformed value as text, whose first character is not its first value
        several = hasattr(value, "__getitem__") and not isinstance(value, str)
        return None if value is None else float(value[index] if several else value)
    except MALFORMED:
        return None


def count(ds: Header, keyword: str) -> int:
    """How many values an attribute has; 0 when it is absent or malformed."""
    try:
        value = ds.get(keyword)
        several = hasattr(value, "__getitem__") and not isinstance(value, str)
        return 0 if value is None else len(value) if several else 1
    except MALFORMED:
        return 0


def spacing(ds: Header) -> tuple[float, float] | None:
    """Row and column spacing in millimetres: at the detector where the file says so, else of the patient or the film.

    PS3.3 C.8.11.4 (ImagerPixelSpacing), 10.7.1.1 (PixelSpacing), C.8.6.2 (NominalScannedPixelSpacing).
    """
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        row, column = number(ds, keyword, 0), number(ds, keyword, 1)
        if row is not None and column is not None and 0 < row < 100 and 0 < column < 100:
            return row, column
    return None


def aspect_ratio(ds: Header) -> tuple[float, float] | None:
    """Height and width of a pixel as whole numbers without a unit (PS3.3 C.7.6.3.1.7); beyond 4 : 1 a mistake."""
    if count(ds, "PixelAspectRatio") != 2:
        return None
    height, width = number(ds, "PixelAspectRatio", 0), number(ds, "PixelAspectRatio", 1)
    if height is None or width is None or not (0 < height <= 4 * width and 0 < width <= 4 * height):
        return None
    return height, width


def _age(ds: Header) -> float | None:
    """Age in years, from PatientAge (PS3.5 6.2, AS) or else from the dates of birth and study.

    ``000Y`` is what anonymisers leave behind; infants are given in days, weeks or months.
    A bare number, as public chest collections write it against the standard, is in years.
    """
    found = re.fullmatch(r"(\d{1,3})([DWMY]?)", fact(ds, "PatientAge") or "")
    if found:
        years = int(found[1]) * AGE_UNITS[found[2]]
        return None if found[0] in ("000Y", "000") else years
    days = []
    for keyword in ("PatientBirthDate", "StudyDate"):
        parts = re.fullmatch(r"(\d{4})(\d{2})(\d{2})", fact(ds, keyword) or "")
        try:
            days.append(date(*(int(part) for part in parts.groups())) if parts else None)
        except ValueError:
            days.append(None)
    born, studied = days
    return (studied - born).days / DAYS_PER_YEAR if born and studied else None


def view(ds: Header) -> str | None:
    """``"PA"``, ``"AP"`` or ``"LATERAL"`` from ViewPosition."""
    return VIEWS.get((fact(ds, "ViewPosition") or "").upper())


def modality(ds: Header) -> str | None:
    """Modality code; anything else than a few capital letters is not repeated."""
    code = fact(ds, "Modality") or ""
    return code if re.fullmatch(r"[A-Z]{2,5}", code) else None


def sex(ds: Header) -> Literal["F", "M"] | None:
    """PatientSex, where it is one of the two."""
    code = fact(ds, "PatientSex")
    return "F" if code == "F" else "M" if code == "M" else None


def band(ds: Header) -> str | None:
    """Age band; the age itself is not passed on."""
    return age_band(_age(ds))


def body_part(ds: Header) -> Literal["CHEST", "OTHER"] | None:
    """BodyPartExamined, as far as it says whether this is a chest; people write many things there."""
    words = re.findall(r"[A-Z]+", (fact(ds, "BodyPartExamined") or "").upper())
    if any(word.startswith(CHESTS) for word in words):
        return "CHEST"
    return "OTHER" if any(word.startswith(OTHER_PARTS) for word in words) else None

"""Many files, one row each: what was read, what was refused, and what could not be opened.

A row keeps numbers and a thumbnail, never the picture: a thousand rows take a few megabytes. Files are known by
their place in the order and the sha256 of their bytes, never by a name.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image

from cxrkit.charts import overlay
from cxrkit.errors import CxrError, Overloaded, RadiographError, TooLarge
from cxrkit.imaging.archive import entries, heads, is_archive
from cxrkit.imaging.decode import MAX_BYTES
from cxrkit.imaging.derived import patient_text
from cxrkit.imaging.loading import is_dicom
from cxrkit.imaging.quality import corrected
from cxrkit.imaging.raster import raster_format
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Prediction, Reading
from cxrkit.serving.records import remarks

MOST_ROWS = 1000
"""Files that are read of one batch; the table of so many is what a browser scrolls without effort."""

MOST_BYTES = 2**30
"""Bytes of all files of one batch, which lie in memory until they are read."""

MOST_UNPACKED = 20 * MAX_BYTES
"""Bytes that are unpacked of one archive. One file after the other is, so that this is a limit of time, not memory."""

THUMBNAIL = 72
"""Long side of a thumbnail, in pixels."""

Outcome = Literal["read", "refused", "failed"]
OUTCOMES: dict[Outcome, str] = {"read": "Read", "refused": "Refused", "failed": "Not readable"}
"""``refused``: a picture that is no usable frontal chest radiograph; its numbers are withheld."""

_DIRECTORY = b"1.2.840.10008.1.3.10\0"  # the index of a DICOM disc (PS3.4 table I.4-1) holds no picture


class Reader(Protocol):
    """What a batch needs of a model; `cxrkit.model.manager.XRayModelManager` is one."""

    def read(self, radiograph: Radiograph) -> Reading:
        """Everything about one radiograph."""
        ...


class Load(Protocol):
    """How bytes become a radiograph: `cxrkit.imaging.worker.load_untrusted` for files that nobody vouches for."""

    def __call__(self, data: bytes, *, name: str = "") -> Radiograph:
        """Decode; `name` is looked at for its extension only."""
        ...


@dataclass(frozen=True, eq=False)
class Source:
    """One file as it was handed over.

    Attributes
    ----------
    data
        The whole file: a radiograph, or a ZIP archive of many.
    name
        Its name; only the extension is looked at.
    """

    data: bytes
    name: str = ""


@dataclass(frozen=True, eq=False)
class Row:
    """What became of one file.

    Attributes
    ----------
    number
        Its place among all files, from 1.
    sha256
        Of its bytes; empty where a file could not be taken out of its archive.
    reading
        Without maps and lungs; None where the file could not be read.
    error
        Why it could not be read, or None.
    thumbnail
        A JPEG data URI of `THUMBNAIL` pixels, suspected text black; empty where there is no picture.
    height, width
        Of the radiograph, in pixels.
    source_format, view
        As in `cxrkit.radiograph.Radiograph`.
    """

    number: int
    sha256: str
    reading: Reading | None = None
    error: CxrError | None = None
    thumbnail: str = ""
    height: int = 0
    width: int = 0
    source_format: str = ""
    view: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Read, refused by the quality gate, or not readable."""
        if self.reading is None:
            return "failed"
        return "refused" if self.reading.quality.refused else "read"

    @property
    def prediction(self) -> Prediction | None:
        """The probabilities, or None where there are none to be shown."""
        return self.reading.prediction if self.reading is not None and self.outcome == "read" else None

    @property
    def reason(self) -> str:
        """Why there are no numbers, or what to know about them; empty for a plain reading."""
        if self.error is not None:
            return str(self.error)
        if self.reading is None:
            return ""
        return " ".join([*self.reading.warnings, *remarks(self.reading.quality.to_dict())])


@dataclass(frozen=True)
class Contents:
    """What a file holds: how many radiographs, and how many other files that are passed over."""

    radiographs: int
    others: int = 0


def contents(source: Source) -> Contents:
    """Count, by the beginnings of the members, what `files` will give; an unusable archive counts as one."""
    if not is_archive(source.data):
        return Contents(1)
    try:
        kinds = [_kind(head) for head in heads(source.data)]
    except RadiographError:
        return Contents(1)
    wanted = "dicom" if "dicom" in kinds else "raster"
    taken = sum(kind in (wanted, "damaged") for kind in kinds)
    return Contents(taken or 1, len(kinds) - taken)


def files(source: Source) -> Iterator[bytes | CxrError]:
    """The radiographs of a file, one at a time, or an error in the place of each that cannot be had.

    A ZIP archive is opened, archives within it are not. Where it holds DICOM files its other pictures are passed
    over: an export holds the icons of its viewer, too.
    """
    if not is_archive(source.data):
        yield source.data
        return
    given = False
    try:
        wanted = "dicom" if any(_kind(head) == "dicom" for head in heads(source.data)) else "raster"
        for member in entries(source.data, lambda head: _kind(head) == wanted, MOST_UNPACKED):
            given = True
            yield member
    except RadiographError as error:
        yield error
        return
    if not given:
        yield RadiographError(
            "The ZIP archive holds no radiograph.", "Choose DICOM, PNG or JPEG files, or a ZIP of them."
        )


def read_file(
    model: Reader,
    number: int,
    file: bytes | CxrError,
    load: Load,
    *,
    name: str = "",
    defect: Callable[[Exception], CxrError] | None = None,
) -> Row:
    """Read one file and keep what a table shows of it.

    Parameters
    ----------
    number
        The row's number.
    file
        Its bytes, or why they could not be had.
    load
        What decodes it.
    name
        Of the file; only its extension is looked at.
    defect
        Turns an unexpected error into one for the row, so that the others are still read; without it the error is
        raised.

    Raises
    ------
    Overloaded
        It is not the file's turn yet, which says nothing about the file: it gets no row.
    """
    if isinstance(file, CxrError):
        return Row(number, "", error=file)
    sha256 = hashlib.sha256(file).hexdigest()
    try:
        radiograph = load(file, name=name)
        reading = model.read(radiograph)
        upright = corrected(radiograph, reading.quality.correction)
        return Row(
            number,
            sha256,
            dataclasses.replace(reading, explanations={}, lungs=None),
            thumbnail=_thumbnail(upright),
            height=radiograph.height,
            width=radiograph.width,
            source_format=radiograph.source_format,
            view=radiograph.view,
        )
    except Overloaded:
        raise
    except CxrError as error:
        # a copy: the frames of the one that was raised hold the file
        return Row(number, sha256, error=CxrError(error.message, error.remedy))
    except MemoryError:
        return Row(number, sha256, error=TooLarge("The memory did not suffice.", "Read this file alone."))
    except Exception as error:
        if defect is None:
            raise
        return Row(number, sha256, error=defect(error))


def too_many_bytes(sources: Sequence[Source]) -> TooLarge | None:
    """The error for files that are too much for one batch, or None."""
    if sum(len(source.data) for source in sources) <= MOST_BYTES:
        return None
    return TooLarge(f"The files have more than {MOST_BYTES // 2**20:,} MB together.", "Choose fewer of them at a time.")


def count_outcomes(rows: Iterable[Row]) -> dict[Outcome, int]:
    """How many rows were read, refused and not readable."""
    counted: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
    for row in rows:
        counted[row.outcome] += 1
    return counted


def _kind(head: bytes | None) -> Literal["dicom", "raster", "damaged", "other"]:
    if head is None:
        return "damaged"
    if is_dicom(head):
        return "other" if _DIRECTORY in head else "dicom"
    return "other" if raster_format(head) is None else "raster"


def _thumbnail(radiograph: Radiograph) -> str:
    copy = overlay.blank(overlay.display_copy(radiograph, THUMBNAIL), patient_text(radiograph))
    return overlay.jpeg_uri(Image.fromarray(copy.levels), quality=70)

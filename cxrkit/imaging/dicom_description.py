"""What a DICOM header declares about its pixels, refused before any of them is decoded."""

from __future__ import annotations

from typing import Any

from cxrkit.errors import CorruptFile, TooLarge, UnsuitableImage, UnsupportedFormat
from cxrkit.imaging.decode import MAX_PIXELS, check_dimensions

MAX_FRAMES = 10_000
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
AGAIN = "Export the radiograph from the archive again."


def check_holds_image(ds: Any) -> None:
    """Refuse what holds no image of whole numbers.

    Raises
    ------
    UnsuitableImage, UnsupportedFormat
    """
    if "PixelData" in ds:
        return
    if "DirectoryRecordSequence" in ds:
        raise UnsuitableImage(
            "The file is the index of a DICOM disc (DICOMDIR), without the images.",
            "Choose an image of the disc, or the whole disc as a ZIP archive.",
        )
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
        raise UnsupportedFormat("The DICOM file holds floating-point values, not a radiograph.", AGAIN)
    raise UnsuitableImage(
        "The DICOM file holds no image (it may be a report, a plan or an index).",
        "Choose the file that contains the radiograph itself.",
    )


def check_description(ds: Any, photometric: str, samples: int, frames: int, *, known_kind: bool) -> None:
    """Refuse pixels that have no standard meaning, contradict themselves, or are too many.

    Parameters
    ----------
    ds
        The header.
    photometric, samples, frames
        Its PhotometricInterpretation, SamplesPerPixel and NumberOfFrames (PS3.3 C.7.6.3 and C.7.6.6).
    known_kind
        Whether its SOP class is one of the standard.

    Raises
    ------
    UnsupportedFormat, CorruptFile, TooLarge, UnsuitableImage
    """
    rows, columns = int(ds.get("Rows", 0)), int(ds.get("Columns", 0))
    if photometric not in (*GREY, *COLOUR, PALETTE):
        raise UnsupportedFormat(
            "The DICOM file does not say, in terms that are known, how its pixels are to be displayed.",
            "Export it as MONOCHROME2 or MONOCHROME1.",
        )
    if samples != (3 if photometric in COLOUR else 1):
        raise CorruptFile("The DICOM file contradicts itself about its colour channels.", AGAIN)
    if not known_kind:
        raise UnsupportedFormat(
            "The DICOM file is of a private or unknown kind (SOP class), whose pixels have no standard meaning.",
            "Export it as a Computed Radiography or Digital X-Ray image.",
        )
    check_dimensions(rows, columns)
    if frames < 1 or frames > MAX_FRAMES or rows * columns * samples > MAX_PIXELS:
        raise TooLarge(
            "The DICOM file declares more frames or pixels than are accepted.", "Export the single radiograph."
        )
    allocated = int(ds.BitsAllocated)
    if allocated == 1:
        raise UnsuitableImage("The DICOM file holds a mask of single bits, not a radiograph.", AGAIN)
    if allocated not in (8, 16, 32) or not 1 <= int(ds.BitsStored) <= allocated:
        raise CorruptFile("The DICOM file declares an impossible number of bits per pixel.", AGAIN)

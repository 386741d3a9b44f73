"""12-bit JPEG (Process 2 and 4) through GDCM, which decodes it although pydicom does not ask it to."""

from __future__ import annotations

from typing import Any

import gdcm  # type: ignore[import-untyped, unused-ignore]
import numpy as np
import numpy.typing as npt

gdcm.Trace.WarningOff()
gdcm.Trace.ErrorOff()


def decode_jpeg_extended(frame: bytes, rows: int, columns: int) -> npt.NDArray[Any]:
    """Decode one grey frame.

    Parameters
    ----------
    frame
        The codestream, whose own size was found to be `rows` x `columns`.

    Returns
    -------
    rows x columns uint16.

    Raises
    ------
    AttributeError, ValueError
        The codestream is damaged.
    """
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(frame)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    # GDCM hands bytes over as text
    return np.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), "<u2").reshape(rows, columns)

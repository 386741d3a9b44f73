"""Compressed DICOM written by other encoders than the decoders in use: imagecodecs, and DCMTK for 12-bit JPEG."""

import io
from collections.abc import Callable

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.encaps import encapsulate

from cxrkit.imaging.dicom_writing import write_dicom

NAMES = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "explicit big endian",
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless, process 14",
    "1.2.840.10008.1.2.4.70": "JPEG lossless SV1",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K lossless RPCL",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}
"""Every transfer syntax that is read."""

BY_CXRKIT = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
BY_PYDICOM = ("1.2.840.10008.1.2.5",)


def _jpeg_2000(reversible: bool) -> Callable[[np.ndarray, int], bytes]:
    def encode(values: np.ndarray, bits: int) -> bytes:
        return imagecodecs.jpeg2k_encode(
            values, level=None if reversible else 60, codecformat="j2k", reversible=reversible, bitspersample=bits
        )

    return encode


FRAMES: dict[str, Callable[[np.ndarray, int], bytes]] = {
    "1.2.840.10008.1.2.4.50": lambda values, bits: imagecodecs.jpeg8_encode(values, level=98),
    "1.2.840.10008.1.2.4.51": lambda values, bits: imagecodecs.jpeg8_encode(
        values, level=98, bitspersample=8 if bits == 8 else 12
    ),
    "1.2.840.10008.1.2.4.57": lambda values, bits: imagecodecs.jpeg8_encode(
        values, lossless=True, predictor=5, bitspersample=bits
    ),
    "1.2.840.10008.1.2.4.70": lambda values, bits: imagecodecs.jpeg8_encode(
        values, lossless=True, predictor=1, bitspersample=bits
    ),
    "1.2.840.10008.1.2.4.80": lambda values, bits: imagecodecs.jpegls_encode(values),
    "1.2.840.10008.1.2.4.81": lambda values, bits: imagecodecs.jpegls_encode(values, level=1),
    "1.2.840.10008.1.2.4.90": _jpeg_2000(reversible=True),
    "1.2.840.10008.1.2.4.91": _jpeg_2000(reversible=False),
    "1.2.840.10008.1.2.4.201": lambda values, bits: imagecodecs.htj2k_encode(values, reversible=True),
    "1.2.840.10008.1.2.4.202": lambda values, bits: imagecodecs.htj2k_encode(values, reversible=True, tlm=True),
    "1.2.840.10008.1.2.4.203": lambda values, bits: imagecodecs.htj2k_encode(values, reversible=False, level=0),
}
WITH_SIGN = tuple(syntax for syntax in FRAMES if int(syntax.rsplit(".", 1)[1]) >= 90)
"""Encodings whose codestream says by itself that its values are signed; the others hold bits alone."""


def write(values: np.ndarray, syntax: str, bits: int, attributes: dict[str, object]) -> bytes:
    """A DICOM file of H x W whole numbers; negative ones make it signed (PS3.5 8.1.1, two's complement)."""
    signed = bool(values.min() < 0)
    kept = values % 2**bits if signed and syntax not in WITH_SIGN else values
    whole = (values if syntax not in FRAMES else kept).astype(np.int64) % 2 ** (8 if bits == 8 else 16)
    raw = whole.astype(np.uint8 if bits == 8 else np.uint16)
    attributes = {"PixelRepresentation": int(signed), **attributes}
    if syntax not in FRAMES:
        return write_dicom(raw, bits_stored=bits, transfer_syntax=syntax, attributes=attributes)
    plain = dcmread(io.BytesIO(write_dicom(raw, bits_stored=bits, attributes=attributes)))
    kind = np.dtype(f"{'i' if kept.min() < 0 else 'u'}{raw.itemsize}")
    plain.PixelData = encapsulate([FRAMES[syntax](kept.astype(kind), bits)])
    plain["PixelData"].is_undefined_length = True
    plain.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    plain.save_as(stream)
    return stream.getvalue()

"""A plain encoder of lossless JPEG, which nothing installed can write; ITU-T T.81 annex H."""

import struct

import numpy as np
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO

from cxrkit.imaging.dicom_writing import write_dicom

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def encode(picture: np.ndarray) -> bytes:
    """H x W uint16 as one component of 16 bits, predictor 1, every category a code of five bits."""
    values = picture.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0], predicted[0, 0] = values[:-1, 0], 2**15  # H.1.2.1
    differences = ((values - predicted + 2**15) % 2**16 - 2**15).ravel()
    bits = "".join(map(_code, differences.tolist()))
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return _file(*picture.shape, scan)


def flat(rows: int, columns: int) -> bytes:
    """A picture of the one value 2^15, however large: all differences are 0, of category 0."""
    return _file(rows, columns, bytes(rows * columns * 5 // 8 + 1))


def _file(rows: int, columns: int, scan: bytes) -> bytes:
    frame = struct.pack(">BHHB", 16, rows, columns, 1) + b"\1\x11\0"
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])
    segments = ((0xC3, frame), (0xC4, table), (0xDA, b"\1\1\0\1\0\0"))
    parts = [struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments]
    return b"\xff\xd8" + b"".join(parts) + scan + b"\xff\xd9"


def _code(difference: int) -> str:
    """Category in five bits, then the difference in as many as the category says (H.1.2.2, F.1.2.1)."""
    if difference == -(2**15):
        return f"{16:05b}"
    size = abs(difference).bit_length()
    extra = difference if difference > 0 else difference + 2**size - 1
    return f"{size:05b}" + (f"{extra:0{size}b}" if size else "")


def lossless_dicom(picture: np.ndarray) -> bytes:
    """A DICOM file of 16 bits that holds the picture as lossless JPEG."""
    ds = dcmread(DicomBytesIO(write_dicom(picture, bits_stored=16)))
    ds.PixelData = encapsulate([encode(picture)])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEG_LOSSLESS
    stream = DicomBytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()

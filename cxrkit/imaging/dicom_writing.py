"""Writing of DICOM files."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset


def write_dicom(
    stored: npt.NDArray[np.unsignedinteger[Any]],
    *,
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2",
    bits_stored: int = 12,
    transfer_syntax: str = uid.ExplicitVRLittleEndian,
    attributes: Mapping[str, Any] | None = None,
) -> bytes:
    """Write a synthetic digital radiograph; equal arguments give equal bytes.

    Parameters
    ----------
    stored
        H x W stored values, uint8 for up to 8 bits, else uint16.
    photometric, bits_stored, transfer_syntax
        As in the file. Uncompressed, deflated, RLE, JPEG-LS and JPEG 2000 lossless can be written.
    attributes
        Further attributes by keyword; they replace the ones written here.
    """
    ds = Dataset()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ds.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    identity = [str(stored.shape), photometric, str(transfer_syntax), str(zlib.crc32(stored.tobytes()))]
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid.generate_uid(entropy_srcs=identity)
    ds.file_meta = meta
    ds.PatientName, ds.PatientID, ds.Modality, ds.BodyPartExamined = "SYNTHETIC^PHANTOM", "SYNTHETIC", "DX", "CHEST"
    ds.ViewPosition = "PA"
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PixelRepresentation = 1, 0
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = stored.itemsize * 8, bits_stored, bits_stored - 1
    for keyword, value in (attributes or {}).items():
        setattr(ds, keyword, value)
    target = uid.UID(transfer_syntax)
    little = target != uid.ExplicitVRBigEndian
    ds.PixelData = stored.astype(stored.dtype.newbyteorder("<" if little else ">")).tobytes()
    ds["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
    if target.is_encapsulated:
        ds.compress(target, generate_instance_uid=False)
    else:
        meta.TransferSyntaxUID = target
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()

"""Reading of DICOM files; with `cxrkit.imaging.dicom_writing` the only module that knows pydicom.

The order of operations is that of PS3.3 C.11 and PS3.4 N.2: modality LUT or rescale, then VOI
LUT or window, then one inversion for MONOCHROME1 or PresentationLUTShape INVERSE. In DX images
both say the same (PS3.3 C.8.11.3.1.2), so that both together still mean one inversion.

Identity: pydicom writes values of attributes into its warnings, log and exceptions. The first two
are silenced by `cxrkit.imaging.quiet`; its exceptions are replaced without their text and without
a chain at one place, `decode_dicom`.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.filereader import dcmread, read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from cxrkit.errors import CorruptFile, CxrError, TooLarge, UnsupportedFormat
from cxrkit.imaging import dicom_facts, dicom_voi
from cxrkit.imaging.alternatives import alternatives, no_such_display
from cxrkit.imaging.by_value import by_value
from cxrkit.imaging.codestream import declared_size, repaired_size, swings
from cxrkit.imaging.decode import (
    MAX_BYTES,
    Decoded,
    check_contrast,
    check_ratio,
    colourfulness,
    decoder_absent,
    luminance,
    most_decoded,
)
from cxrkit.imaging.dicom_description import AGAIN, GREY, MAX_FRAMES, PALETTE, check_description, check_holds_image
from cxrkit.imaging.dicom_display import bit_field, shown_as, square, within_range
from cxrkit.imaging.dicom_frames import describe_first_frame
from cxrkit.imaging.quiet import silence

UNCOMPRESSED = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
ISOLATED = "isolated"
# One decoder each, and GDCM never in this process: see `cxrkit.imaging.isolated`.
DECODERS = {
    uid.RLELossless: "pylibjpeg",
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGExtended12Bit: "pillow",  # those of 8 bits
    uid.JPEGLossless: ISOLATED,
    uid.JPEGLosslessSV1: ISOLATED,
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
}
PACKAGES = {"pylibjpeg": "pylibjpeg pylibjpeg-openjpeg pylibjpeg-rle"}  # where named otherwise than the plug-in
for _syntax in (uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1):
    if ISOLATED not in get_decoder(_syntax).available_plugins:
        get_decoder(_syntax).add_plugin(ISOLATED, ("cxrkit.imaging.isolated", "decode_frame"))


def transfer_syntaxes() -> tuple[tuple[str, str, bool], ...]:
    """Every transfer syntax that is read: its UID, its name, and whether its decoder is installed."""
    rows = [(str(syntax), syntax.name, True) for syntax in UNCOMPRESSED]
    for syntax, decoder in DECODERS.items():
        # GDCM is looked for, not imported: it never enters this process
        lacking = (decoder == ISOLATED or syntax == uid.JPEGExtended12Bit) and find_spec("gdcm") is None
        rows.append((str(syntax), syntax.name, not lacking and decoder in get_decoder(syntax).available_plugins))
    return tuple(rows)


def decode_dicom(data: bytes, *, display: int = 0, keep_displays: bool = False) -> Decoded:
    """Decode the first frame of a DICOM file to display polarity.

    Parameters
    ----------
    data
        The whole file, with or without preamble and file meta information.
    display
        Which of its displays, from 0: see `cxrkit.imaging.dicom_voi.offered`.
    keep_displays
        Also make the tables from which its other displays can be shown, where it has several.

    Raises
    ------
    DisplayUnknown
        There is no such display.
    UnsupportedFormat
        A transfer syntax or photometric interpretation that cannot be decoded.
    CorruptFile
        Damaged, truncated, or contradicting itself.
    TooLarge, UnsuitableImage
        See `cxrkit.imaging.decode.check_dimensions`; also no image at all, or a blank one.
    """
    with silence(), _bounded():
        return _decode(_dataset(data), display, keep_displays)


def images_of_directory(data: bytes) -> tuple[tuple[str, ...], ...] | None:
    """Names of the images that a DICOMDIR (PS3.3 F) lists, each as folders and file; None for any other file.

    Names that the standard does not allow (PS3.10 8.5: capitals, digits and underscores) are left out, so
    that none leads out of the folder.

    Raises
    ------
    CorruptFile
        It is a DICOMDIR, but damaged.
    """
    if data[128:132] != b"DICM" or uid.MediaStorageDirectoryStorage.encode() not in data[132:4096]:
        return None
    with silence(), _bounded():
        records = _dataset(data).get("DirectoryRecordSequence") or ()
        images = [record for record in records[:MAX_FRAMES] if str(record.get("DirectoryRecordType")) == "IMAGE"]
        names = [record.get("ReferencedFileID") for record in images]
        paths = [(name,) if isinstance(name, str) else tuple(name or ()) for name in names]
        return tuple(path for path in paths if path and all(re.fullmatch(r"[A-Z0-9_]{1,8}", part) for part in path))


@contextmanager
def _bounded() -> Iterator[None]:
    """Replace whatever pydicom and the codecs raise: the one boundary, for their texts quote the file."""
    try:
        yield
    except (CxrError, MemoryError):
        raise
    except RecursionError:
        raise TooLarge("The DICOM file nests its contents more deeply than is accepted.", AGAIN) from None
    except BaseException as error:
        # On garbage they raise nearly anything. The RLE decoder, written in Rust, panics on an index beyond its
        # input, and a panic is no Exception; KeyboardInterrupt and its like pass.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CorruptFile("The DICOM file is damaged, incomplete or contradicts itself.", AGAIN) from None


def _dataset(data: bytes) -> Dataset:
    """Parse the file; a deflated one (PS3.5 A.5) is inflated under a limit, not by pydicom."""
    if data[128:132] != b"DICM" or uid.DeflatedExplicitVRLittleEndian.encode() not in data[132:4096]:
        return dcmread(io.BytesIO(data), force=True)
    stream = io.BytesIO(data)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return dcmread(io.BytesIO(data), force=True)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data[stream.tell() :], min(MAX_BYTES // 2, most_decoded(len(data))))
    if inflater.unconsumed_tail:
        raise TooLarge("The compressed DICOM file unpacks to far more than a radiograph needs.", AGAIN)
    if not inflater.eof:
        raise CorruptFile("The compressed DICOM file is cut off.", "Copy or export the file again.")
    dataset = read_dataset(io.BytesIO(inflated), False, True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.set_original_encoding(False, True)
    return dataset


def _decode(ds: Dataset, display: int, keep_displays: bool) -> Decoded:
    check_holds_image(ds)
    photometric = str(ds.get("PhotometricInterpretation", "")).strip().upper()
    samples, frames = int(ds.get("SamplesPerPixel", 1)), int(ds.get("NumberOfFrames", 1) or 1)
    kind = uid.UID(str(ds.get("SOPClassUID") or ""))  # pydicom's dictionary names the standard ones
    check_description(ds, photometric, samples, frames, known_kind=not kind or kind.name != str(kind))
    describe_first_frame(ds)
    displays = dicom_voi.offered(ds) if photometric in GREY else ()
    if not 0 <= display < max(1, len(displays)):
        raise no_such_display(len(displays))
    notes = [f"Shows frame 1 of {frames}."] if frames > 1 else []
    stored, others = _first_frame(ds, samples, frames, notes), None
    colour = 0.0, 0.0
    if photometric in GREY:
        show = shown_as(ds, photometric, displays)
        pixels = by_value(stored, lambda values: show(values, display, notes))
        if keep_displays and len(displays) > 1:
            others = alternatives(stored, len(displays), show)
            if others is None:
                notes.append("Its other displays were not kept, because the picture is too large.")
    else:
        if photometric == PALETTE:
            stored = apply_color_lut(stored, ds)
        bits = max(8, int(stored.max()).bit_length())
        pixels, coloured = luminance(stored, 2**bits - 1)
        if coloured:
            colour = colourfulness(stored, 2**bits - 1)
            notes.append("Converted from colour to grey.")
    check_contrast(pixels)
    pixels, spacing = square(pixels, dicom_facts.spacing(ds), notes, dicom_facts.aspect_ratio(ds))
    return Decoded(
        pixels=pixels,
        source_format="DICOM",
        notes=tuple(notes),
        view=dicom_facts.view(ds),
        spacing_mm=spacing,
        modality=dicom_facts.modality(ds),
        age_band=dicom_facts.band(ds),
        sex=dicom_facts.sex(ds),
        colour=colour,
        body_part=dicom_facts.body_part(ds),
        displays=dicom_voi.names(displays),
        display=display,
        alternatives=others,
    )


def _first_frame(ds: Dataset, samples: int, frames: int, notes: list[str]) -> npt.NDArray[Any]:
    """Stored values of the first frame: H x W, or H x W x 3 red, green, blue."""
    rows, columns = int(ds.Rows), int(ds.Columns)
    syntax = _transfer_syntax(ds)
    # how bits become values is worked out here: pydicom's own correction wraps what lossy JPEG overshoots
    options = {"index": 0, "correct_unused_bits": False, "apply_jls_sign_correction": False}
    if not syntax.is_encapsulated:
        return bit_field(np.asarray(pixel_array(ds, **options)), ds)
    if DECODERS[syntax] not in get_decoder(syntax).available_plugins:
        raise decoder_absent(PACKAGES.get(DECODERS[syntax], DECODERS[syntax]))
    frame = get_frame(ds.PixelData, 0, number_of_frames=frames)
    check_ratio(len(frame), rows * columns * samples * int(ds.BitsAllocated) / 8)
    if syntax == uid.RLELossless:  # its output is bounded by Rows and Columns
        return bit_field(np.asarray(pixel_array(ds, decoding_plugin=DECODERS[syntax], **options)), ds)
    if declared_size(frame) != (rows, columns, samples):
        frame = repaired_size(frame, rows, columns) or b""
        if declared_size(frame) != (rows, columns, samples):
            raise CorruptFile("The compressed image is damaged or is not of the size that the file declares.", AGAIN)
        ds.PixelData, ds.NumberOfFrames = encapsulate([frame]), 1
        notes.append("The damaged size of the compressed image was replaced by the one in the file's header.")
    plugin = ISOLATED if syntax == uid.JPEGExtended12Bit and int(ds.BitsStored) > 8 else DECODERS[syntax]
    refusals: list[CxrError] = []
    try:
        stored = np.asarray(pixel_array(ds, decoding_plugin=plugin, refusals=refusals, **options))
    except RuntimeError:
        if refusals:
            raise refusals[0] from None
        raise
    # JPEG and JPEG-LS know no sign, so that the bits of a negative value come out as they went in
    signed = stored.dtype.kind == "i" and syntax not in uid.JPEG2000TransferSyntaxes
    stored = bit_field(stored, ds) if signed else within_range(stored, ds, notes)
    if plugin == ISOLATED and swings(stored, int(ds.BitsStored)):
        raise CorruptFile("The compressed image is damaged: its brightness wraps around everywhere.", AGAIN)
    return stored


def _transfer_syntax(ds: Dataset) -> uid.UID:
    """The transfer syntax, or the encoding that was recognised when the file names none.

    Raises
    ------
    UnsupportedFormat
        It is unknown, or nothing is installed that decodes it.
    """
    named = getattr(ds, "file_meta", FileMetaDataset()).get("TransferSyntaxUID")
    if named is None:
        implicit, little = ds.original_encoding
        syntax = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = syntax if little else uid.ExplicitVRBigEndian
        if ds["PixelData"].is_undefined_length:
            _refuse_syntax("and does not name its transfer syntax")
        return ds.file_meta.TransferSyntaxUID
    text = str(named)  # comes from the file, so that only digits and dots are repeated
    words = f"with transfer syntax {text}" if re.fullmatch(r"[0-9.]{1,64}", text) else "with an invalid transfer syntax"
    return uid.UID(text) if text in UNCOMPRESSED or text in DECODERS else _refuse_syntax(words)


def _refuse_syntax(words: str) -> NoReturn:
    raise UnsupportedFormat(
        f"The DICOM file is compressed {words}, which cannot be decoded here.",
        "Export it uncompressed (Explicit VR Little Endian, 1.2.840.10008.1.2.1) or as JPEG 2000.",
    )

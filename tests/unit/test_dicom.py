"""DICOM reading, on files written by hand; numbers worked out from PS3.3 C.11."""

import logging
import threading
import traceback
import warnings
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from cxrkit.errors import CorruptFile, CxrError, TooLarge, UnsuitableImage, UnsupportedFormat
from cxrkit.imaging import dicom_facts, greyscale, isolated
from cxrkit.imaging.codestream import declared_size, repaired_size, swings
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom, phantom_dicom
from tests.dicom_encoders import write

IMPLICIT = "1.2.840.10008.1.2"
LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
SYNTAXES = (IMPLICIT, LITTLE, DEFLATED, BIG, RLE, JPEG_LS, JPEG_2000)

RAMP = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)  # 0..1999


def ramp(**attributes: object) -> bytes:
    return write_dicom(RAMP, bits_stored=12, attributes=attributes)


def pixels(**attributes: object) -> np.ndarray:
    return load_radiograph(ramp(**attributes)).pixels


def table(first: int, entries: list[int], bits: int) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = np.array(entries, "<u2").tobytes()
    return [item]


# -- windows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("centre", "width", "function", "values", "expected"),
    [
        # PS3.3 C.11.2.1.2.1, the notes' examples with an output range of 0..1
        (2048, 4096, "LINEAR", [-5, 0, 2047.5, 4095, 4096], [0, 0, 0.5, 1, 1]),
        (2048, 1, "LINEAR", [2047, 2047.5, 2048], [0, 0, 1]),
        (0, 100, "LINEAR", [-50, -49, 0, 49, 50], [0, 1 / 99, 50 / 99, 99 / 99, 1]),
        (0, 1, "LINEAR", [-1, -0.5, 0], [0, 0, 1]),
        # C.11.2.1.3.2
        (2048, 4096, "LINEAR_EXACT", [0, 1024, 2048, 4096, 5000], [0, 0.25, 0.5, 1, 1]),
        (0, 0.5, "LINEAR_EXACT", [-0.25, 0, 0.125, 0.25], [0, 0.5, 0.75, 1]),
        # C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w))
        (10, 4, "SIGMOID", [10, 11, 9, -1e6, 1e6], [0.5, 0.7310586, 0.2689414, 0, 1]),
    ],
)
def test_window_formulas(centre, width, function, values, expected) -> None:
    result = greyscale.apply_window(np.array(values, dtype=np.float64), centre, width, function)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert result.dtype == np.float32


@pytest.mark.parametrize(
    ("centre", "width", "function"),
    [
        (1e308, 1e308, "LINEAR"),
        (float("nan"), 100, "LINEAR"),
        (0, float("inf"), "SIGMOID"),
        (0, 0.5, "LINEAR"),
        (0, 0, "LINEAR_EXACT"),
        (0, -5, "SIGMOID"),
        (0, 10, "CUBIC"),
    ],
)
def test_absurd_windows_are_unusable(centre, width, function) -> None:
    assert not greyscale.window_usable(centre, width, function)
    with pytest.raises(ValueError, match="unusable window"):
        greyscale.apply_window(np.arange(3), centre, width, function)


def test_windows_of_a_file() -> None:
    np.testing.assert_allclose(
        pixels(WindowCenter=1000, WindowWidth=1001), np.clip((RAMP - 999.5) / 1000 + 0.5, 0, 1), atol=1e-6
    )
    np.testing.assert_allclose(
        pixels(WindowCenter=1000, WindowWidth=400, VOILUTFunction="LINEAR_EXACT"),
        np.clip((RAMP - 1000.0) / 400 + 0.5, 0, 1),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        pixels(WindowCenter=1000, WindowWidth=400, VOILUTFunction="SIGMOID"),
        1 / (1 + np.exp(-4 * (RAMP - 1000.0) / 400)),
        atol=1e-6,
    )


def test_the_first_of_several_windows_counts() -> None:
    several = pixels(WindowCenter=[1000, 5], WindowWidth=[400, 9])
    np.testing.assert_array_equal(several, pixels(WindowCenter=1000, WindowWidth=400))


@pytest.mark.parametrize(
    "window", [("1e308", "1e308"), ("1000", "0"), ("1000", "-5"), ("1e308", "1"), ("-90000", "10"), ("5", "1e308")]
)
def test_unusable_windows_fall_back_to_the_full_range_and_say_so(window: tuple[str, str]) -> None:
    radiograph = load_radiograph(ramp(WindowCenter=window[0], WindowWidth=window[1]))
    np.testing.assert_allclose(radiograph.pixels, RAMP / 1999, atol=1e-6)
    assert radiograph.notes == (
        "The display window of the file is unusable; the full range of values is shown instead.",
    )


# -- look-up tables and their order --------------------------------------------------------------


def test_look_up_clamps_at_both_ends() -> None:
    entries = np.array([10, 20, 30])
    np.testing.assert_array_equal(
        greyscale.look_up(np.array([0, 5, 6, 7, 8, 99]), 5, entries), [10, 10, 20, 30, 30, 30]
    )
    np.testing.assert_array_equal(greyscale.look_up(np.array([-3, -2, -1]), 2**16 - 2, entries), [10, 10, 20])
    np.testing.assert_array_equal(greyscale.look_up(np.array([5.4, 5.6]), 5, entries), [10, 20])


def test_voi_lut() -> None:
    entries = [int(4095 * (index / 1999) ** 2) for index in range(2000)]
    radiograph = load_radiograph(ramp(VOILUTSequence=table(0, entries, 12), WindowCenter=3, WindowWidth=5))
    np.testing.assert_allclose(radiograph.pixels, np.array(entries)[RAMP] / 4095, atol=1e-6)
    assert radiograph.notes == ("Shown as display 1 of 3: VOI LUT 1.",)
    alone = load_radiograph(ramp(VOILUTSequence=table(0, entries, 12)))
    np.testing.assert_array_equal(alone.pixels, radiograph.pixels)
    assert alone.notes == ("The VOI LUT of the file was applied.",)


def test_modality_comes_before_voi() -> None:
    # 0..1999 -> 5000..1002 descending, and the window lies in that output range
    modality = [5000 - 2 * index for index in range(2000)]
    radiograph = load_radiograph(ramp(ModalityLUTSequence=table(0, modality, 16), WindowCenter=3000, WindowWidth=1001))
    np.testing.assert_allclose(radiograph.pixels, np.clip((5000.0 - 2 * RAMP - 2999.5) / 1000 + 0.5, 0, 1), atol=1e-6)
    assert [note.split(" of ")[0] for note in radiograph.notes] == ["The modality LUT", "The display window"]


def test_rescale_comes_before_the_window() -> None:
    rescaled = pixels(RescaleSlope="0.5", RescaleIntercept="-100", WindowCenter=0, WindowWidth=101)
    np.testing.assert_allclose(rescaled, np.clip((RAMP * 0.5 - 100 + 0.5) / 100 + 0.5, 0, 1), atol=1e-6)


def test_a_negative_slope_inverts_once() -> None:
    np.testing.assert_allclose(pixels(RescaleSlope="-1", RescaleIntercept="0"), 1 - RAMP / 1999, atol=1e-6)


@pytest.mark.parametrize("slope", ["0", "1e308"])
def test_rescales_that_leave_no_contrast_are_refused(slope: str) -> None:
    with pytest.raises(UnsuitableImage, match="blank"):
        pixels(RescaleSlope=slope, RescaleIntercept="0")


@pytest.mark.parametrize("broken", ["", "one", "1.0.0", "nan", "inf"])
@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_unusable_rescales_do_not_cost_the_picture(keyword: str, broken: str) -> None:
    valid = {"RescaleSlope": "1234.5", "RescaleIntercept": "1234.5", "WindowCenter": 1000, "WindowWidth": 1001}
    data = ramp(**valid | {keyword: "1234.25" if broken else ""})
    assert data.count(b"1234.25 ") == bool(broken)
    radiograph = load_radiograph(data.replace(b"1234.25 ", broken.encode().ljust(8)))
    np.testing.assert_allclose(radiograph.pixels, np.clip((RAMP - 999.5) / 1000 + 0.5, 0, 1), atol=1e-6)
    assert radiograph.notes == (
        "The rescale slope or intercept of the file is empty or malformed; neither was applied.",
        "The display window of the file was applied.",
    )


def test_a_table_that_is_too_short_is_refused_and_an_empty_one_is_noted() -> None:
    short = table(0, [0, 5, 9], 12)
    short[0].LUTDescriptor = [500, 0, 12]
    with pytest.raises(CorruptFile, match="look-up table"):
        pixels(VOILUTSequence=short)
    empty = Dataset()
    empty.LUTDescriptor = [4, 0, 12]
    assert "unusable" in load_radiograph(ramp(VOILUTSequence=[empty])).notes[0]


# -- polarity ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "INVERSE", True),  # PS3.3 C.8.11.3.1.2: both say the same
    ],
)
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 900, "WindowWidth": 600}])
def test_inverted_once_or_never(photometric: str, shape: str | None, inverted: bool, window: dict[str, int]) -> None:
    attributes = {**window, "PhotometricInterpretation": photometric}
    if shape:
        attributes["PresentationLUTShape"] = shape
    radiograph = load_radiograph(ramp(**attributes))
    upright = pixels(**window)
    np.testing.assert_allclose(radiograph.pixels, 1 - upright if inverted else upright, atol=1e-6)
    assert sum("Inverted" in note for note in radiograph.notes) == inverted


# -- padding, frames, colour ---------------------------------------------------------------------


def test_padding_does_not_count_for_the_range_and_is_black() -> None:
    stored = RAMP + 1000
    stored[:, :5], stored[:, 5:8] = 4000, 4050
    data = write_dicom(
        stored, photometric="MONOCHROME1", attributes={"PixelPaddingValue": 4000, "PixelPaddingRangeLimit": 4095}
    )
    radiograph = load_radiograph(data)
    assert (radiograph.pixels[:, :8] == 0).all()
    np.testing.assert_allclose(radiograph.pixels[:, 8:], 1 - (RAMP[:, 8:] - 8) / (1999 - 8), atol=1e-6)
    assert "Padding around the picture is shown black." in radiograph.notes


@pytest.mark.parametrize("syntax", [LITTLE, RLE, JPEG_2000])
def test_only_the_first_frame_is_shown(syntax: str) -> None:
    two = np.concatenate([RAMP, RAMP[::-1]])
    data = write_dicom(two, transfer_syntax=syntax, attributes={"Rows": 40, "NumberOfFrames": 2})
    radiograph = load_radiograph(data)
    np.testing.assert_allclose(radiograph.pixels, RAMP / 1999, atol=1e-6)
    assert radiograph.notes[0] == "Shows frame 1 of 2."


def colour(photometric: str, values: np.ndarray) -> bytes:
    rows, columns, _ = values.shape
    return write_dicom(
        values.reshape(rows, -1).astype(np.uint8),
        bits_stored=8,
        attributes={
            "Columns": columns,
            "SamplesPerPixel": 3,
            "PlanarConfiguration": 0,
            "PhotometricInterpretation": photometric,
        },
    )


def test_colour_becomes_luminance() -> None:
    values = np.zeros((40, 40, 3))
    values[:20] = (255, 0, 0)
    radiograph = load_radiograph(colour("RGB", values))
    assert radiograph.pixels[0, 0] == pytest.approx(0.299)
    assert "Converted from colour to grey." in radiograph.notes
    values[:20], values[20:] = (200, 128, 128), (20, 128, 128)  # Y, Cb, Cr without colour
    radiograph = load_radiograph(colour("YBR_FULL", values))
    assert radiograph.pixels[0, 0] == pytest.approx(200 / 255)
    assert radiograph.notes == ()


# -- encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_encoding_gives_the_same_picture(syntax: str, photometric: str, bits: int) -> None:
    data = phantom_dicom(0, 128, photometric=photometric, bits_stored=bits, transfer_syntax=syntax)
    plain = phantom(0, 128).pixels
    np.testing.assert_allclose(load_radiograph(data).pixels, plain / plain.max(), atol=0.005)


@pytest.mark.parametrize("syntax", [IMPLICIT, LITTLE, BIG])
def test_files_without_preamble_and_meta_information_are_read(syntax: str) -> None:
    data = write_dicom(RAMP, transfer_syntax=syntax)
    meta = 144 + int.from_bytes(data[140:144], "little")  # group length, PS3.10 7.1
    for stripped in (data[meta:], data[132:]):
        np.testing.assert_allclose(load_radiograph(stripped).pixels, RAMP / 1999, atol=1e-6)


def test_the_preamble_may_look_like_another_format() -> None:
    data = b"II*\0".ljust(128, b"\0") + ramp()[128:]
    assert load_radiograph(data).source_format == "DICOM"


def test_unreadable_transfer_syntaxes_are_named() -> None:
    data = ramp().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
    with pytest.raises(UnsupportedFormat, match=r"1\.2\.840\.10008\.1\.2\.9.*Export it uncompressed"):
        load_radiograph(data)
    with pytest.raises(UnsupportedFormat) as refusal:
        load_radiograph(ramp().replace(b"1.2.840.10008.1.2.1\0", b"DOE^JANE^1950-01-01\0"))
    assert "DOE" not in str(refusal.value)


def test_private_sop_classes_are_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="SOP class"):
        pixels(SOPClassUID="1.2.276.0.19.55.1.5.1.1.1")


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_truncated_files_are_refused(syntax: str, share: float) -> None:
    data = phantom_dicom(0, 128, transfer_syntax=syntax)
    with pytest.raises(CxrError):
        load_radiograph(data[: int(len(data) * share)])


def test_a_deflated_bomb_is_not_inflated() -> None:
    data = write_dicom(RAMP, transfer_syntax=DEFLATED)
    meta = 144 + int.from_bytes(data[140:144], "little")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(squeeze.compress(bytes(2**20)) for _ in range(300)) + squeeze.flush()
    with pytest.raises(TooLarge, match="unpacks"):
        load_radiograph(data[:meta] + bomb)


@pytest.mark.parametrize(
    "attributes",
    [{"Rows": 60_000, "Columns": 60_000}, {"NumberOfFrames": 1_000_000}],
    ids=["pixels", "frames"],
)
def test_oversized_declarations_are_refused(attributes: dict[str, int]) -> None:
    with pytest.raises(TooLarge):
        pixels(**attributes)


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"Rows": 0}, UnsuitableImage),
        ({"Rows": 39}, None),
        ({"Rows": 41}, CorruptFile),
        ({"Columns": 4, "Rows": 500}, UnsuitableImage),
        ({"PhotometricInterpretation": "PURPLE"}, UnsupportedFormat),
        ({"PhotometricInterpretation": "RGB"}, CorruptFile),
        ({"BitsStored": 17}, CorruptFile),
        ({"BitsAllocated": 12}, CorruptFile),
        ({"NumberOfFrames": -3}, TooLarge),
    ],
)
def test_contradictions(attributes: dict[str, object], error: type[CxrError] | None) -> None:
    if error is None:
        assert pixels(**attributes).shape == (39, 50)
        return
    with pytest.raises(error):
        pixels(**attributes)


def test_a_compressed_frame_of_another_size_is_refused_before_decoding() -> None:
    data = write_dicom(RAMP, transfer_syntax=JPEG_2000)
    at = data.index(b"\xff\x4f\xff\x51") + 8
    assert data[at : at + 8] == (50).to_bytes(4, "big") + (40).to_bytes(4, "big")
    huge = (60_000).to_bytes(4, "big")
    # image and tiles enlarged: nothing confirms the header any more
    patched = data[:at] + huge * 2 + data[at + 8 : at + 16] + huge * 2 + data[at + 24 :]
    with pytest.raises(CorruptFile, match="size"):
        load_radiograph(patched)
    # only the image size overwritten: the tile still confirms the header
    patched = data[:at] + huge * 2 + data[at + 8 :]
    repaired = load_radiograph(patched)
    np.testing.assert_allclose(repaired.pixels, RAMP / 1999, atol=1e-6)
    assert "damaged size" in repaired.notes[0]


def test_declared_sizes() -> None:
    # SOI, APP0 of 4 bytes, fill byte, SOF3: 16 bits, 300 rows, 200 columns, 1 component
    jpeg = bytes.fromhex("ffd8 ffe0000401 02 ff ffc3 000b 10 012c 00c8 01 01 11 00")
    assert declared_size(jpeg) == (300, 200, 1)
    assert declared_size(jpeg[:12]) is None
    assert declared_size(b"raw pixels of no format at all") is None
    assert declared_size(jpeg + b"\xff\xda" * 500) is None
    assert repaired_size(jpeg, 300, 200) is None


def test_wrapped_values_are_noticed() -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.int16) * 100
    wrapped = (smooth * 40).astype(np.int16)
    assert not swings(smooth, 16)
    assert swings(wrapped, 16)
    assert not swings(np.tile([0, 255], (64, 32)).astype(np.uint8), 8)


def test_a_decoder_that_dies_takes_nothing_with_it() -> None:
    """Garbage between the header and the end of a lossless JPEG, as it once ended the process."""
    head = bytes.fromhex("ffd8 ffc3 000b 10 0028 0032 01 01 11 00")
    for garbage in (bytes(500), b"\xff\xc4" * 200, bytes(range(256)) * 4):
        frame = head + garbage + b"\xff\xd9"
        runner = SimpleNamespace(
            transfer_syntax="1.2.840.10008.1.2.4.70",
            rows=40,
            columns=50,
            samples_per_pixel=1,
            bits_allocated=16,
            bits_stored=12,
            pixel_representation=0,
            planar_configuration=0,
            photometric_interpretation="MONOCHROME2",
        )
        with pytest.raises(ValueError, match="damaged"):
            isolated.decode_frame(frame, runner)


# -- facts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "band"),
    [
        ({"PatientAge": "004Y"}, "1-5"),
        ({"PatientAge": "071Y"}, "65-89"),
        ({"PatientAge": "095Y"}, "90 or over"),
        ({"PatientAge": "011M"}, "under 1"),
        ({"PatientAge": "030M"}, "1-5"),
        ({"PatientAge": "060W"}, "1-5"),
        ({"PatientAge": "010D"}, "under 1"),
        ({"PatientAge": "28"}, "18-44"),
        ({"PatientAge": "000Y"}, None),
        ({"PatientAge": "old"}, None),
        ({"PatientAge": ""}, None),
        ({"PatientBirthDate": "20000615", "StudyDate": "20040616"}, "1-5"),
        ({"PatientBirthDate": "20000615", "StudyDate": "19990616"}, None),
        ({"PatientBirthDate": "20001315", "StudyDate": "20040616"}, None),
        ({"PatientBirthDate": "20000615"}, None),
        ({}, None),
    ],
)
def test_age_bands(header: dict[str, str], band: str | None) -> None:
    assert dicom_facts.band(header) == band


def test_facts_of_a_file() -> None:
    radiograph = load_radiograph(
        ramp(ViewPosition="AP", PatientSex="F", PatientAge="050Y", ImagerPixelSpacing=[0.2, 0.2], PixelSpacing=[9, 9])
    )
    assert (radiograph.view, radiograph.sex, radiograph.age_band) == ("AP", "F", "45-64")
    assert (radiograph.modality, radiograph.spacing_mm, radiograph.source_format) == ("DX", (0.2, 0.2), "DICOM")
    radiograph = load_radiograph(ramp(ViewPosition="LL", PatientSex="O", PixelSpacing=[0.3, 0.3]))
    assert (radiograph.view, radiograph.sex, radiograph.spacing_mm) == ("LATERAL", None, (0.3, 0.3))
    assert load_radiograph(ramp(ViewPosition="XCCL", ImagerPixelSpacing=[0, 0])).spacing_mm is None


def test_pixels_become_square() -> None:
    radiograph = load_radiograph(ramp(ImagerPixelSpacing=[0.4, 0.2]))
    assert radiograph.pixels.shape == (80, 50)
    assert radiograph.spacing_mm == (0.2, 0.2)
    assert "not square" in radiograph.notes[-1]


# -- identity ------------------------------------------------------------------------------------

IDENTITY = {
    "PatientName": "DOE^JANE",
    "PatientID": "SECRET-1",
    "InstitutionName": "SECRET HOSPITAL",
    "ReferringPhysicianName": "SECRET^DOCTOR",
}


def test_no_identity_leaves_the_reader(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        good = ramp(**IDENTITY)
        odd = ramp(**IDENTITY).replace(b"DX", b"\xff\x01").replace(b"SYNTHETIC", b"DOE\x1b^JANE")
    bad = ramp(**IDENTITY).replace(b"MONOCHROME2 ", b"DOE^JANE 195")
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        texts = [repr(load_radiograph(good)), repr(load_radiograph(odd))]
        for data in (bad, good[:-5], good[:700], good.replace(b"OW\0\0", b"ZZ\0\0")):
            try:
                load_radiograph(data)
            except CxrError as error:
                texts += ["".join(traceback.format_exception(error))]
    assert not caught
    assert len(texts) >= 4
    for text in (*texts, caplog.text):
        assert "DOE" not in text
        assert "SECRET" not in text


def test_many_threads_leave_the_warning_filters_as_they_were() -> None:
    data = [phantom_dicom(seed, 64, transfer_syntax=syntax) for seed, syntax in enumerate((LITTLE, RLE, JPEG_2000))]
    expected = [load_radiograph(item).pixels for item in data]
    before = list(warnings.filters)
    wrong: list[int] = []

    def work() -> None:
        for turn in range(12):
            if not np.array_equal(load_radiograph(data[turn % 3]).pixels, expected[turn % 3]):
                wrong.append(turn)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert warnings.filters == before


# -- bits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [LITTLE, BIG, RLE])
def test_other_bits_of_a_word_are_no_brightness(syntax: str) -> None:
    """PS3.5 8.1.1: an overlay in the bits above, as in the standard's older editions, or values at the upper end."""
    overlay = RAMP | (np.arange(50) % 2 << 13).astype(np.uint16)
    got = load_radiograph(write_dicom(overlay, bits_stored=12, transfer_syntax=syntax))
    np.testing.assert_allclose(got.pixels, RAMP / 1999, atol=1e-6)
    upper = write_dicom(RAMP << 4, bits_stored=12, transfer_syntax=syntax, attributes={"HighBit": 15})
    np.testing.assert_allclose(load_radiograph(upper).pixels, RAMP / 1999, atol=1e-6)
    negative = (RAMP.astype(np.int16) - 1000).view(np.uint16) & 0xFFF
    signed = write_dicom(negative, bits_stored=12, transfer_syntax=syntax, attributes={"PixelRepresentation": 1})
    np.testing.assert_allclose(load_radiograph(signed).pixels, RAMP / 1999, atol=1e-6)
    absurd = write_dicom(RAMP, bits_stored=12, transfer_syntax=syntax, attributes={"HighBit": 3})
    np.testing.assert_allclose(load_radiograph(absurd).pixels, RAMP / 1999, atol=1e-6)


def test_lossy_compression_that_overshoots_white_does_not_turn_black() -> None:
    picture = np.zeros((200, 700), np.int64)
    picture[:, 350:] = 1023
    picture[::2, 400:500] = 700
    for syntax in ("1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.91"):
        radiograph = load_radiograph(write(picture, syntax, 10, {}))
        np.testing.assert_allclose(radiograph.pixels, picture / 1023, atol=0.05)
        assert radiograph.notes == ()


def test_a_header_that_declares_too_few_bits_is_not_believed() -> None:
    data = write(RAMP.astype(np.int64), JPEG_2000, 12, {"BitsStored": 8, "HighBit": 7})
    radiograph = load_radiograph(data)
    np.testing.assert_allclose(radiograph.pixels, RAMP / 1999, atol=1e-6)
    assert radiograph.notes == ("The picture uses more bits than the file declares; all of them are shown.",)

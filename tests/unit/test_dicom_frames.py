"""Enhanced multi-frame objects, the shape of pixels, padding, and colour; expected values are worked out here."""

import io

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import EnhancedMRImageStorage

from cxrkit.errors import UnsupportedFormat
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph, load_with_alternatives

IMPLICIT, LITTLE, BIG, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"
RAMP = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)  # 0..1999
FRAMES = np.concatenate([RAMP, 1999 - RAMP, RAMP])


def holding(**attributes: object) -> Dataset:
    one = Dataset()
    for keyword, value in attributes.items():
        setattr(one, keyword, value)
    return one


def window(centre: object, width: object, **more: object) -> list[Dataset]:
    return [holding(WindowCenter=centre, WindowWidth=width, **more)]


def enhanced(per_frame: dict[str, object], shared: dict[str, object], syntax: str = LITTLE, **top: object) -> bytes:
    """Three frames; `per_frame` describes the first, and the others are described otherwise."""
    further = holding(
        FrameVOILUTSequence=window(7, 8), PixelValueTransformationSequence=[holding(RescaleSlope=9, RescaleIntercept=9)]
    )
    groups = {
        "PerFrameFunctionalGroupsSequence": [holding(**per_frame), further, further],
        "SharedFunctionalGroupsSequence": [holding(**shared)],
        "SOPClassUID": EnhancedMRImageStorage,
    }
    return write_dicom(FRAMES, transfer_syntax=syntax, attributes={"Rows": 40, "NumberOfFrames": 3, **groups, **top})


def linear(centre: float, width: float, x: np.ndarray) -> np.ndarray:
    return np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


# -- functional groups ---------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [IMPLICIT, LITTLE, BIG])
@pytest.mark.parametrize("where", ["per frame", "shared"])
def test_the_first_frame_is_shown_as_its_groups_say(where: str, syntax: str) -> None:
    groups = {
        "PixelMeasuresSequence": [holding(PixelSpacing=[0.3, 0.3])],
        "PixelValueTransformationSequence": [holding(RescaleSlope="0.5", RescaleIntercept="-100", RescaleType="US")],
        "FrameVOILUTSequence": window(400, 801, WindowCenterWidthExplanation="DOE^JANE"),
    }
    radiograph = load_radiograph(enhanced(*((groups, {}) if where == "per frame" else ({}, groups)), syntax=syntax))
    np.testing.assert_allclose(radiograph.pixels, linear(400, 801, RAMP * 0.5 - 100), atol=1e-6)
    assert radiograph.spacing_mm == (0.3, 0.3)
    assert radiograph.notes == (
        "Shows frame 1 of 3.",
        "The rescale slope and intercept of the file were applied.",
        "The display window of the file was applied.",
    )


def test_what_is_said_per_frame_and_shared_is_joined() -> None:
    transformation = [holding(RescaleSlope="2", RescaleIntercept="10")]
    data = enhanced(
        {"FrameVOILUTSequence": window(2000, 1001, VOILUTFunction="LINEAR_EXACT")},
        {"PixelValueTransformationSequence": transformation, "FrameVOILUTSequence": window(5, 6)},
    )
    expected = np.clip((RAMP * 2.0 + 10 - 2000) / 1001 + 0.5, 0, 1)
    np.testing.assert_allclose(load_radiograph(data).pixels, expected, atol=1e-6)


def test_the_top_level_goes_before_the_groups() -> None:
    groups = {
        "PixelMeasuresSequence": [holding(PixelSpacing=[0.3, 0.3])],
        "PixelValueTransformationSequence": [holding(RescaleSlope="0.5", RescaleIntercept="-100")],
        "FrameVOILUTSequence": window(400, 801, VOILUTFunction="SIGMOID"),
    }
    top = {
        "WindowCenter": 900,
        "WindowWidth": 601,
        "RescaleSlope": "1",
        "RescaleIntercept": "5",
        "PixelSpacing": [1, 1],
    }
    radiograph = load_radiograph(enhanced(groups, {}, **top))
    np.testing.assert_allclose(radiograph.pixels, linear(900, 601, RAMP + 5), atol=1e-6)  # not as a sigmoid
    assert radiograph.spacing_mm == (1, 1)
    empty = load_radiograph(enhanced(groups, {}, WindowCenter="", WindowWidth=""))
    np.testing.assert_allclose(empty.pixels, 1 / (1 + np.exp(-4 * (RAMP * 0.5 - 100 - 400) / 801)), atol=1e-6)


def test_several_windows_of_a_frame_can_be_chosen() -> None:
    curve = holding(LUTDescriptor=[2000, 0, 12], LUTData=(4095 - 2 * np.arange(2000)).astype("<u2").tobytes())
    voi = window([400, 900], [801, 301])
    voi[0].VOILUTSequence = [curve]  # Frame VOI LUT With LUT
    radiograph, others = load_with_alternatives(enhanced({"FrameVOILUTSequence": voi}, {}))
    assert radiograph.displays == ("VOI LUT 1", "Window 400 / 801", "Window 900 / 301", "Full range")
    expected = [(4095 - 2 * RAMP) / 4095, linear(400, 801, RAMP), linear(900, 301, RAMP), RAMP / 1999]
    for display, picture in enumerate(expected):
        np.testing.assert_allclose(others.show(radiograph, display).pixels, picture, atol=1e-6)


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"FrameVOILUTSequence": []},
        {"FrameVOILUTSequence": [Dataset()], "PixelMeasuresSequence": [Dataset()]},
    ],
)
def test_empty_groups_say_nothing(groups: dict[str, object]) -> None:
    radiograph = load_radiograph(enhanced(groups, {}))
    np.testing.assert_allclose(radiograph.pixels, RAMP / 1999, atol=1e-6)
    assert radiograph.notes == ("Shows frame 1 of 3.",)
    no_items = enhanced({}, {}, PerFrameFunctionalGroupsSequence=[], SharedFunctionalGroupsSequence=[])
    np.testing.assert_array_equal(load_radiograph(no_items).pixels, radiograph.pixels)


def test_malformed_numbers_of_a_group_are_unknown() -> None:
    groups = {"PixelMeasuresSequence": [holding(PixelSpacing=["0.25", "0.25"])]}
    groups["FrameVOILUTSequence"] = window("1234.25", "801")
    data = enhanced(groups, {})
    broken = data.replace(b"0.25\\0.25 ", b"0.25\\wide ").replace(b"1234.25 ", b"DOE^JANE")
    assert broken != data
    radiograph = load_radiograph(broken)
    np.testing.assert_allclose(radiograph.pixels, RAMP / 1999, atol=1e-6)
    assert radiograph.spacing_mm is None
    assert "DOE" not in repr(radiograph)


# -- the shape of pixels -------------------------------------------------------------------------


def ramp(**attributes: object) -> bytes:
    return write_dicom(RAMP, attributes=attributes)


@pytest.mark.parametrize(
    ("ratio", "shape"),
    [
        ([2, 1], (80, 50)),  # height : width of a pixel, PS3.3 C.7.6.3.1.7
        ([1, 2], (40, 100)),
        ([100, 75], (53, 50)),
        ([1, 1], (40, 50)),
        ([0, 1], (40, 50)),
        ([1, 1000], (40, 50)),  # a mistake
        ([-2, -1], (40, 50)),
        ([2], (40, 50)),
    ],
)
def test_pixel_aspect_ratio_without_spacing(ratio: list[int], shape: tuple[int, int]) -> None:
    radiograph = load_radiograph(ramp(PixelAspectRatio=ratio))
    assert radiograph.pixels.shape == shape
    assert radiograph.spacing_mm is None
    assert sum("not square" in note for note in radiograph.notes) == (shape != (40, 50))


def test_spacing_goes_before_the_aspect_ratio() -> None:
    radiograph = load_radiograph(ramp(PixelAspectRatio=[2, 1], PixelSpacing=[0.2, 0.2]))
    assert (radiograph.pixels.shape, radiograph.spacing_mm) == ((40, 50), (0.2, 0.2))


@pytest.mark.parametrize(
    ("spacings", "expected"),
    [
        ({"NominalScannedPixelSpacing": [0.17, 0.17]}, (0.17, 0.17)),
        ({"NominalScannedPixelSpacing": [0.17, 0.17], "PixelSpacing": [0.2, 0.2]}, (0.2, 0.2)),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.14, 0.14]}, (0.14, 0.14)),
        ({"PixelSpacing": [0, 0], "NominalScannedPixelSpacing": [0.17, 0.17]}, (0.17, 0.17)),
    ],
)
def test_which_spacing_counts(spacings: dict[str, object], expected: tuple[float, float]) -> None:
    assert load_radiograph(ramp(**spacings)).spacing_mm == expected


# -- polarity and padding ------------------------------------------------------------------------


def test_monochrome1_with_identity_is_inverted_once() -> None:
    """PS3.3 C.8.11.3.1.2 forbids the pair for DX; the photometric interpretation is what other readers follow."""
    attributes = {"PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME1"}
    np.testing.assert_allclose(load_radiograph(ramp(**attributes)).pixels, 1 - RAMP / 1999, atol=1e-6)


@pytest.mark.parametrize("syntax", [IMPLICIT, LITTLE, BIG, RLE])
def test_padding_below_zero(syntax: str) -> None:
    signed = RAMP.astype(np.int16) - 1000
    signed[:, :4] = -2000
    attributes = {"PixelRepresentation": 1, "PixelPaddingValue": -2000}
    data = write_dicom(signed.view(np.uint16), bits_stored=16, transfer_syntax=syntax, attributes=attributes)
    for written in (data, data.replace(b"\x28\0\x20\x01SS", b"\x28\0\x20\x01US")):  # 63536, as some write it
        radiograph = load_radiograph(written)
        assert (radiograph.pixels[:, :4] == 0).all()
        np.testing.assert_allclose(radiograph.pixels[:, 4:], (RAMP[:, 4:] - 4) / 1995, atol=1e-6)


def test_a_range_of_padding_in_either_order() -> None:
    for ends in ((0, 99), (99, 0)):
        radiograph = load_radiograph(ramp(PixelPaddingValue=ends[0], PixelPaddingRangeLimit=ends[1]))
        assert (radiograph.pixels[:2] == 0).all()
        np.testing.assert_allclose(radiograph.pixels[2:], (RAMP[2:] - 100) / 1899, atol=1e-6)


# -- colour --------------------------------------------------------------------------------------

TURN = np.arange(40 * 40).reshape(40, 40)
RED, GREEN, BLUE = TURN % 256, (TURN // 3) % 256, (255 - TURN // 7) % 256
GREY = (0.299 * RED + 0.587 * GREEN + 0.114 * BLUE) / 255


def colour(photometric: str, stored: np.ndarray, planar: int = 0, syntax: str = LITTLE) -> bytes:
    """Bytes of 40 x 40 pixels of three samples, in the order in which they are written."""
    attributes = {"Columns": 40, "SamplesPerPixel": 3, "PlanarConfiguration": planar}
    attributes["PhotometricInterpretation"] = photometric
    rows = stored.astype(np.uint8).reshape(40, -1)
    return write_dicom(rows, bits_stored=8, transfer_syntax=syntax, attributes=attributes)


@pytest.mark.parametrize("planar", [0, 1])
def test_both_orders_of_colour_planes(planar: int) -> None:
    samples = np.stack([RED, GREEN, BLUE], axis=0 if planar else 2)  # PS3.3 C.7.6.3.1.3
    radiograph = load_radiograph(colour("RGB", samples, planar))
    np.testing.assert_allclose(radiograph.pixels, GREY, atol=1e-6)
    assert radiograph.notes == ("Converted from colour to grey.",)
    assert radiograph.displays == ()


def chroma() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, Cb, Cr that stay within red, green and blue of 0..255."""
    return 60 + TURN % 120, np.full((40, 40), 140), np.full((40, 40), 118)


def test_ybr_full() -> None:
    """PS3.3 C.7.6.3.1.2: Y is .299 R + .587 G + .114 B, which is the luminance that is shown."""
    y, cb, cr = chroma()
    radiograph = load_radiograph(colour("YBR_FULL", np.stack([y, cb, cr], axis=2)))
    np.testing.assert_allclose(radiograph.pixels, y / 255, atol=1 / 255)


def test_ybr_full_422() -> None:
    """Two Y, then the Cb and the Cr of both (PS3.3 C.7.6.3.1.2)."""
    y, cb, cr = chroma()
    halves = np.stack([y[:, ::2], y[:, 1::2], cb[:, ::2], cr[:, ::2]], axis=2)
    radiograph = load_radiograph(
        write_dicom(
            halves.astype(np.uint8).reshape(40, -1),
            bits_stored=8,
            attributes={
                "Columns": 40,
                "SamplesPerPixel": 3,
                "PlanarConfiguration": 0,
                "PhotometricInterpretation": "YBR_FULL_422",
            },
        )
    )
    np.testing.assert_allclose(radiograph.pixels, y / 255, atol=1 / 255)


@pytest.mark.parametrize(
    ("photometric", "syntax"),
    [("YBR_RCT", "1.2.840.10008.1.2.4.90"), ("YBR_ICT", "1.2.840.10008.1.2.4.91"), ("RGB", "1.2.840.10008.1.2.4.90")],
)
def test_colour_transforms_of_jpeg_2000(photometric: str, syntax: str) -> None:
    samples, lossless = np.stack([RED, GREEN, BLUE], axis=2).astype(np.uint8), photometric != "YBR_ICT"
    frame = imagecodecs.jpeg2k_encode(
        samples, level=None if lossless else 80, codecformat="j2k", reversible=lossless, mct=photometric != "RGB"
    )
    file = dcmread(io.BytesIO(colour(photometric, samples)))
    file.PixelData = encapsulate([frame])
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    file.save_as(stream)
    np.testing.assert_allclose(load_radiograph(stream.getvalue()).pixels, GREY, atol=1e-6 if lossless else 0.01)


def palette(entries: list[np.ndarray], first: int, bits: int, **more: object) -> dict[str, object]:
    words = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in zip(("Red", "Green", "Blue"), entries, strict=True):
        words[f"{name}PaletteColorLookupTableDescriptor"] = [len(values), first, bits]
        words[f"{name}PaletteColorLookupTableData"] = values.astype(np.uint8 if bits == 8 else "<u2").tobytes()
    return words | more


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_colour(bits: int) -> None:
    """PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6: values below the first mapped one take the first entry."""
    top = 2**bits - 1
    position = np.arange(200)
    entries = [position * top // 199, top - position * top // 199, np.full(200, top // 4)]
    stored = (TURN % 230).astype(np.uint8)
    data = write_dicom(stored, bits_stored=8, attributes=palette(entries, 10, bits))
    at = np.clip(stored.astype(int) - 10, 0, 199)
    red, green, blue = (one[at] for one in entries)
    expected = (0.299 * red + 0.587 * green + 0.114 * blue) / top
    radiograph = load_radiograph(data)
    np.testing.assert_allclose(radiograph.pixels, expected, atol=1e-6)
    assert radiograph.notes == ("Converted from colour to grey.",)


def test_a_palette_of_greys_loses_nothing() -> None:
    curve = np.rint(255 * (np.arange(256) / 255) ** 0.5).astype(int)
    stored = (TURN % 256).astype(np.uint8)
    radiograph = load_radiograph(write_dicom(stored, bits_stored=8, attributes=palette([curve] * 3, 0, 8)))
    np.testing.assert_allclose(radiograph.pixels, curve[stored] / 255, atol=1e-6)
    assert radiograph.notes == ()


@pytest.mark.parametrize("photometric", ["YBR_PARTIAL_422", "YBR_PARTIAL_420", "CMYK", "HSV", "ARGB"])
def test_what_no_readable_encoding_carries_is_refused(photometric: str) -> None:
    """YBR_PARTIAL_420 belongs to MPEG alone (PS3.5 8.2.5 and on); the others are retired."""
    with pytest.raises(UnsupportedFormat, match="in terms that are known"):
        load_radiograph(colour(photometric, np.stack([RED, GREEN, BLUE], axis=2)))

"""Several windows and look-up tables of one file: which there are, which is shown, and the others without the file."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest
from pydicom.dataset import Dataset

from cxrkit.errors import CxrError, DisplayUnknown
from cxrkit.imaging import alternatives
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph, load_with_alternatives
from cxrkit.imaging.phantom import phantom_png

RAMP = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)  # 0..1999
CURVE = np.array([int(4095 * (index / 1999) ** 2) for index in range(2000)])
TWO = {"WindowCenter": [1000, 500], "WindowWidth": [1001, 401]}
IMPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def ramp(**attributes: object) -> bytes:
    return write_dicom(RAMP, bits_stored=12, attributes=attributes)


def item(entries: np.ndarray, bits: int = 12, said: str = "Jane Doe") -> Dataset:
    one = Dataset()
    one.LUTDescriptor, one.LUTExplanation = [len(entries), 0, bits], said
    one.LUTData = entries.astype("<u2").tobytes()
    return one


def linear(centre: float, width: float, x: np.ndarray = RAMP) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1 as its pseudocode has it, for an output of 0 to 1."""
    low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return np.where(x <= low, 0, np.where(x > high, 1, ((x - (centre - 0.5)) / (width - 1)) + 0.5))


# -- which there are -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ({}, ()),
        ({"WindowCenter": 1000, "WindowWidth": 400}, ()),
        ({"VOILUTSequence": [item(CURVE)]}, ()),
        (TWO, ("Window 1000 / 1001", "Window 500 / 401", "Full range")),
        (
            TWO | {"VOILUTFunction": "SIGMOID"},
            ("Window 1000 / 1001 (sigmoid)", "Window 500 / 401 (sigmoid)", "Full range"),
        ),
        (
            TWO | {"VOILUTFunction": "LINEAR_EXACT", "WindowCenter": ["1000.25", "-3"]},
            ("Window 1000.25 / 1001 (exact)", "Window -3 / 401 (exact)", "Full range"),
        ),
        (
            TWO | {"VOILUTSequence": [item(CURVE), item(CURVE[::-1])]},
            ("VOI LUT 1", "VOI LUT 2", "Window 1000 / 1001", "Window 500 / 401", "Full range"),
        ),
        ({"WindowCenter": [1000, 1000, 1000], "WindowWidth": [400, 400, 400]}, ()),  # one window, thrice
        ({"WindowCenter": [1000, 500], "WindowWidth": [400]}, ()),  # a centre without a width
        ({"WindowCenter": [1000, 500, 9], "WindowWidth": [400, 0, 90]}, None),  # the second cannot be applied
        ({"WindowCenter": [1000, 500], "WindowWidth": [0, 401]}, ("Full range", "Window 500 / 401")),
        ({"WindowCenter": list(range(100)), "WindowWidth": [50] * 100}, 8),
        ({"VOILUTSequence": [item(CURVE)] * 50}, 8),
    ],
)
def test_names_of_the_displays(attributes: dict[str, object], names: tuple[str, ...] | int | None) -> None:
    radiograph = load_radiograph(ramp(**attributes))
    if isinstance(names, int):
        assert len(radiograph.displays) == len(set(radiograph.displays)) == names
        assert radiograph.displays[-1] == "Full range"
    else:
        expected = ("Window 1000 / 400", "Window 9 / 90", "Full range") if names is None else names
        assert radiograph.displays == expected
    assert radiograph.display == 0


def test_pictures_without_several_displays_have_no_other(tmp_path) -> None:
    for source in (ramp(), ramp(WindowCenter=1000, WindowWidth=400), phantom_png(size=64)):
        radiograph, others = load_with_alternatives(source)
        assert others is None
        assert (radiograph.displays, radiograph.display) == ((), 0)
        np.testing.assert_array_equal(radiograph.pixels, load_radiograph(source, display=0).pixels)
        with pytest.raises(DisplayUnknown, match="only one way"):
            load_radiograph(source, display=1)


@pytest.mark.parametrize("wrong", [3, 99, -1])
def test_a_display_that_does_not_exist_is_refused(wrong: int) -> None:
    with pytest.raises(DisplayUnknown, match="it has 3"):
        load_radiograph(ramp(**TWO), display=wrong)
    radiograph, others = load_with_alternatives(ramp(**TWO))
    with pytest.raises(DisplayUnknown, match="it has 3"):
        others.show(radiograph, wrong)


# -- what they show ------------------------------------------------------------------------------


def test_each_display_shows_what_the_standard_says() -> None:
    """The modality transformation before each of them, one inversion after."""
    slope = {"RescaleSlope": "0.5", "RescaleIntercept": "100"}
    data = ramp(
        **TWO, **slope, VOILUTSequence=[item(CURVE), item(CURVE[::-1])], PhotometricInterpretation="MONOCHROME1"
    )
    x = RAMP * 0.5 + 100
    at = np.rint(x).astype(int)
    shown = [CURVE[at] / 4095, CURVE[::-1][at] / 4095, linear(1000, 1001, x), linear(500, 401, x), RAMP / 1999]
    names = ("VOI LUT 1", "VOI LUT 2", "Window 1000 / 1001", "Window 500 / 401", "Full range")
    for display, (expected, name) in enumerate(zip(shown, names, strict=True)):
        radiograph = load_radiograph(data, display=display)
        np.testing.assert_allclose(radiograph.pixels, 1 - expected, atol=1e-6)
        assert radiograph.display == display
        assert radiograph.displays == names
        assert radiograph.notes[1] == f"Shown as display {display + 1} of 5: {name}."
        assert sum("Inverted" in note for note in radiograph.notes) == 1
        assert radiograph.sha256 == load_radiograph(data).sha256


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG])
def test_every_byte_order_has_the_same_displays(syntax: str) -> None:
    other = item(CURVE)
    if syntax == BIG:
        other.LUTData = CURVE.astype(">u2").tobytes()
    data = write_dicom(RAMP, transfer_syntax=syntax, attributes={**TWO, "VOILUTSequence": [other]})
    np.testing.assert_allclose(load_radiograph(data).pixels, CURVE[RAMP] / 4095, atol=1e-6)
    np.testing.assert_allclose(load_radiograph(data, display=2).pixels, linear(500, 401), atol=1e-6)


def test_a_window_beyond_all_values_shows_the_full_range_and_says_so() -> None:
    radiograph = load_radiograph(ramp(WindowCenter=[1000, 9000], WindowWidth=[1001, 10]), display=1)
    np.testing.assert_allclose(radiograph.pixels, RAMP / 1999, atol=1e-6)
    assert radiograph.notes == (
        "The display window of the file is unusable; the full range of values is shown instead "
        "(display 2 of 3: Window 9000 / 10).",
    )


def test_an_unusable_first_window_stays_the_default_and_the_next_can_be_chosen() -> None:
    data = ramp(WindowCenter=[1000, 500], WindowWidth=[0, 401])
    radiograph = load_radiograph(data)
    np.testing.assert_allclose(radiograph.pixels, RAMP / 1999, atol=1e-6)
    assert "unusable" in radiograph.notes[0]
    np.testing.assert_allclose(load_radiograph(data, display=1).pixels, linear(500, 401), atol=1e-6)


def test_a_damaged_table_behind_the_first_is_left_out() -> None:
    short = item(CURVE)
    short.LUTDescriptor = [2500, 0, 12]
    radiograph = load_radiograph(ramp(VOILUTSequence=[item(CURVE), short], **TWO))
    assert radiograph.displays == ("VOI LUT 1", "Window 1000 / 1001", "Window 500 / 401", "Full range")
    with pytest.raises(CxrError, match="look-up table"):
        load_radiograph(ramp(VOILUTSequence=[short, item(CURVE)]))


def test_explanations_are_neither_shown_nor_kept() -> None:
    data = ramp(**TWO, WindowCenterWidthExplanation=["DOE^JANE", "Smith"], VOILUTSequence=[item(CURVE, said="DOE")])
    radiograph, others = load_with_alternatives(data)
    for text in (repr(radiograph), repr(others), *(repr(others.show(radiograph, k)) for k in range(4))):
        assert "DOE" not in text
        assert "Smith" not in text


# -- without the file ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        TWO,
        TWO | {"VOILUTFunction": "SIGMOID"},
        TWO | {"VOILUTSequence": [item(CURVE), item(CURVE[::-1])], "PresentationLUTShape": "INVERSE"},
        TWO | {"RescaleSlope": "0.5", "RescaleIntercept": "-300", "PhotometricInterpretation": "MONOCHROME1"},
        TWO | {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 250},
        TWO | {"ModalityLUTSequence": [item(CURVE[::-1], 16)], "ImagerPixelSpacing": [0.4, 0.2]},
        TWO | {"PixelAspectRatio": [1, 2], "NumberOfFrames": 2},
        {"WindowCenter": [1000, 500, 9000], "WindowWidth": [0, 401, 10]},
    ],
)
def test_alternatives_are_the_pictures_of_the_file(attributes: dict[str, object]) -> None:
    stored = np.vstack([RAMP] * attributes.get("NumberOfFrames", 1))
    data = write_dicom(stored, bits_stored=12, attributes=attributes | {"Rows": 40})
    radiograph, others = load_with_alternatives(data, name="scan.dcm")
    assert len(radiograph.displays) >= 2
    assert others.choices == tuple(range(len(radiograph.displays)))
    shown = radiograph
    for display in (*others.choices, 0):  # each from the one before it
        shown = others.show(shown, display)
        again = load_radiograph(data, display=display)
        np.testing.assert_array_equal(shown.pixels, again.pixels)
        for field in dataclasses.fields(again):
            if field.name != "pixels":
                assert getattr(shown, field.name) == getattr(again, field.name), field.name


def test_alternatives_take_two_bytes_a_pixel() -> None:
    _, others = load_with_alternatives(ramp(**TWO))
    assert others.places.dtype == np.uint16
    assert others.places.shape == RAMP.shape
    assert others.tables.shape == (3, RAMP.size)
    assert not others.places.flags.writeable
    assert not others.tables.flags.writeable


def test_a_display_that_leaves_the_picture_blank_is_no_choice() -> None:
    # over 0..1999 this window rises by 1999 / 4000000 only, less than half a level of an 8-bit display
    data = ramp(WindowCenter=[1000, 1000], WindowWidth=[1001, 4_000_001])
    radiograph, others = load_with_alternatives(data)
    assert others.choices == (0, 2)
    with pytest.raises(CxrError, match="blank"):
        load_radiograph(data, display=1)
    assert others.show(radiograph, 2).display == 2


def test_values_too_far_apart_for_a_table_have_no_alternatives() -> None:
    wide = RAMP.astype(np.uint32) * 100
    words = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "WindowCenter": [100000, 50000]}
    data = write_dicom(wide, bits_stored=32, attributes={**words, "WindowWidth": [100001, 5001]})
    radiograph, others = load_with_alternatives(data)
    assert others is None
    assert len(radiograph.displays) == 3
    np.testing.assert_allclose(load_radiograph(data, display=1).pixels, linear(50000, 5001, wide), atol=1e-6)


def test_large_pictures_have_no_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alternatives, "MOST_PIXELS", RAMP.size - 1)
    radiograph, others = load_with_alternatives(ramp(**TWO))
    assert others is None
    assert len(radiograph.displays) == 3
    assert radiograph.notes[1] == "Its other displays were not kept, because the picture is too large."


def test_displays_of_a_file_in_an_archive() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("IM1", ramp(ViewPosition="LL"))
        archive.writestr("IM2", ramp(**TWO))
    radiograph, others = load_with_alternatives(stream.getvalue())
    assert radiograph.notes == ("Read out of a ZIP archive.", "Shown as display 1 of 3: Window 1000 / 1001.")
    for shown in (others.show(radiograph, 1), load_radiograph(stream.getvalue(), display=1)):
        assert shown.notes == ("Read out of a ZIP archive.", "Shown as display 2 of 3: Window 500 / 401.")
        np.testing.assert_allclose(shown.pixels, linear(500, 401), atol=1e-6)
    with pytest.raises(DisplayUnknown):
        load_radiograph(stream.getvalue(), display=3)


def test_alternatives_that_contradict_themselves_are_none() -> None:
    _, others = load_with_alternatives(ramp(**TWO))
    for wrong in ({"tables": others.tables[:, :-1]}, {"notes": others.notes[1:]}, {"choices": (0, 3)}):
        with pytest.raises(ValueError, match="tables"):
            dataclasses.replace(others, **wrong)

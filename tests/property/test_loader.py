"""Whatever the bytes: a valid Radiograph or a CxrError, and inversion twice is identity."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxrkit.errors import CxrError
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.radiograph import AGE_BANDS, Radiograph
from tests.unit.test_raster import EXACT

MAGIC = (
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"II*\0",
    b"MM\0*",
    b"BM\0\0\0\0\0\0\0\0",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"\x08\0\x05\0",
    b"\0\x08\0\x05",
    bytes(128) + b"DICM",
    bytes(128) + b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0",
)
VALID = (
    phantom_png(0, 48),
    *(data for data, _ in EXACT.values()),
    *(
        phantom_dicom(0, 48, transfer_syntax=syntax, window=(2000, 3000), attributes={"PatientAge": "040Y"})
        for syntax in (
            "1.2.840.10008.1.2",
            "1.2.840.10008.1.2.1",
            "1.2.840.10008.1.2.2",
            "1.2.840.10008.1.2.1.99",
            "1.2.840.10008.1.2.5",
            "1.2.840.10008.1.2.4.80",
            "1.2.840.10008.1.2.4.90",
        )
    ),
)
PATIENT = settings(max_examples=150, deadline=None)


def loaded(data: bytes) -> Radiograph | CxrError:
    """What loading gives; any other exception fails the test."""
    try:
        return load_radiograph(data)
    except CxrError as error:
        return error


def ends_well(data: bytes) -> None:
    radiograph = loaded(data)
    if isinstance(radiograph, CxrError):
        assert radiograph.message.endswith(".")
        assert radiograph.remedy.endswith(".")
        return
    assert isinstance(radiograph, Radiograph)
    assert radiograph.pixels.dtype == np.float32
    assert not radiograph.pixels.flags.writeable
    assert 0 <= radiograph.pixels.min() < radiograph.pixels.max() <= 1
    assert min(radiograph.pixels.shape) >= 32
    assert radiograph.view in (None, "PA", "AP", "LATERAL")
    assert radiograph.age_band in (None, *(name for name, _, _ in AGE_BANDS))
    assert all(note.endswith(".") for note in radiograph.notes)


@PATIENT
@given(st.sampled_from(MAGIC), st.binary(max_size=600))
def test_arbitrary_bytes(magic: bytes, rest: bytes) -> None:
    ends_well(magic + rest)


@PATIENT
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
    st.booleans(),
)
def test_overwritten_files(data: bytes, changes: list[tuple[float, bytes]], header: bool) -> None:
    mutated = bytearray(data)
    reach = min(len(data), 900) if header else len(data)  # a DICOM header ends before byte 900
    for where, new in changes:
        at = int(where * reach)
        mutated[at : at + len(new)] = new
    ends_well(bytes(mutated))


@PATIENT
@given(st.sampled_from(VALID), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_cut_and_doubled_files(data: bytes, first: float, second: float, double: bool) -> None:
    low, high = sorted((int(first * len(data)), int(second * len(data))))
    ends_well(data[:high] + data[low:] if double else data[:low] + data[high:])


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint16, st.tuples(st.integers(32, 40), st.integers(32, 40)), elements=st.integers(0, 4095)))
def test_inversion_twice_is_identity(stored: np.ndarray) -> None:
    """Inverting the stored values and the photometric interpretation shows the same picture."""
    if np.ptp(stored) == 0:
        stored[0, 0] ^= 1
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = write_dicom(stored, photometric="MONOCHROME2", attributes=window)
    inverted = write_dicom(4095 - stored, photometric="MONOCHROME1", attributes=window)
    expected = loaded(plain)
    if isinstance(expected, CxrError):
        assert "blank" in expected.message  # a few grey levels of 4096 are no contrast
        return
    np.testing.assert_allclose(load_radiograph(inverted).pixels, expected.pixels, atol=1e-6)

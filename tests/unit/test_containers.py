"""Radiographs within ZIP archives and on DICOM discs."""

import gc
import hashlib
import io
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from cxrkit.errors import CorruptFile, RadiographError, TooLarge, UnsuitableImage, UnsupportedFormat
from cxrkit.imaging import archive
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom, phantom_png

FRONTAL = phantom_dicom(0, 64)
LATERAL = phantom_dicom(1, 64, attributes={"ViewPosition": "LL"})
ICON = phantom_png(2, 48)


def zipped(*files: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as bundle:
        bundle.mkdir("DICOM")
        for name, data in files:
            bundle.writestr(name, data)
    return stream.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def report() -> bytes:
    """A DICOM file without an image."""
    stream = io.BytesIO(FRONTAL)
    ds = pydicom.dcmread(stream)
    del ds.PixelData
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()


def test_the_first_frontal_radiograph_of_an_archive_is_read() -> None:
    data = zipped(
        ("VIEWER/icon.png", ICON), ("readme.txt", b"hello"), ("DICOM/DOE_JANE/1", report()),
        ("DICOM/DOE_JANE/2", LATERAL), ("DICOM/DOE_JANE/3", FRONTAL), ("DICOM/DOE_JANE/4", phantom_dicom(5, 64)),
    )  # fmt: skip
    radiograph = load_radiograph(data)
    alone = load_radiograph(FRONTAL)
    assert radiograph.sha256 == alone.sha256 == sha256(FRONTAL)
    np.testing.assert_array_equal(radiograph.pixels, alone.pixels)
    assert radiograph.notes == ("Read out of a ZIP archive.", *alone.notes)
    laterals = zipped(("a", LATERAL), ("b", phantom_dicom(3, 64, attributes={"ViewPosition": "LL"})))
    assert load_radiograph(laterals).sha256 == sha256(LATERAL)


def test_pictures_count_where_there_is_no_dicom_file() -> None:
    assert load_radiograph(zipped(("x.txt", b"hello"), ("x", ICON))).sha256 == sha256(ICON)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_of_an_archive_is_read(compression: int) -> None:
    assert load_radiograph(zipped(("x", FRONTAL), compression=compression)).sha256 == sha256(FRONTAL)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_members_are_refused_whatever_their_compression(compression: int) -> None:
    whole = zipped(("x", FRONTAL), compression=compression)
    start = whole.index(b"x", whole.index(b"PK\x03\x04", 30))  # the member's name; its data follow
    ends = set()
    for at in range(start + 1, start + 200):
        damaged = whole[:at] + bytes([whole[at] ^ 0xFF] * 8) + whole[at + 8 :]
        with pytest.raises(RadiographError) as refused:
            load_radiograph(damaged)
        ends.add(type(refused.value))
    # where the beginning comes out wrong but whole, the member no longer looks like an image
    assert CorruptFile in ends <= {CorruptFile, UnsuitableImage}


def test_archives_that_hold_none_are_refused() -> None:
    with pytest.raises(UnsuitableImage, match="ZIP archive holds no radiograph"):
        load_radiograph(zipped(("x.txt", b"hello"), ("inner.zip", zipped(("x", FRONTAL)))))
    with pytest.raises(UnsuitableImage, match="no image"):  # what the only candidate lacks
        load_radiograph(zipped(("x", report()), ("icon.png", ICON)))
    with pytest.raises(UnsuitableImage, match="holds no radiograph"):
        load_radiograph(zipped())


def test_damaged_and_protected_archives_are_refused() -> None:
    data = zipped(("x", FRONTAL))
    for damaged in (data[:-30], data[: len(data) // 2], b"PK\x03\x04", data[:100] + bytes(50) + data[150:]):
        with pytest.raises(CorruptFile):
            load_radiograph(damaged)
    protected = bytearray(data)
    place = protected.rindex(b"PK\x01\x02")
    protected[place + 8] |= 1
    with pytest.raises(UnsupportedFormat, match="password"):
        load_radiograph(bytes(protected))


def test_bombs_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 10**6)
    monkeypatch.setattr(archive, "MAX_UNPACKED", 2 * 10**6)
    large = FRONTAL + bytes(10**6)
    assert load_radiograph(zipped(("x", large), ("y", FRONTAL))).sha256 == sha256(FRONTAL)  # passed over
    many = [(str(number), LATERAL + bytes(9 * 10**5)) for number in range(3)]
    with pytest.raises(TooLarge, match="unpacks"):
        load_radiograph(zipped(*many))
    lying = bytearray(zipped(("x", large)))  # says that it is small
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = lying.rindex(signature) + offset
        lying[at : at + 4] = struct.pack("<I", 5000)
    with pytest.raises(CorruptFile):
        load_radiograph(bytes(lying))
    monkeypatch.setattr(archive, "MAX_MEMBERS", 4)
    with pytest.raises(TooLarge, match="more files"):
        load_radiograph(zipped(*((str(number), b"") for number in range(5))))


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    folder = tmp_path / "disc"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # pydicom leaves its temporary folder to the collector
        _write_disc(folder)
        gc.collect()
    return folder


def _write_disc(folder: Path) -> None:
    files = FileSet()
    for data, number in ((LATERAL, "1"), (FRONTAL, "2")):
        ds = pydicom.dcmread(io.BytesIO(data))
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.StudyID = "1.2.3", "1.2.3.4", "1"
        ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20200101", "120000", ""
        ds.SeriesNumber, ds.InstanceNumber = 1, number
        files.add(ds)
    files.write(folder)


def test_a_disc_is_read_through_its_index(disc: Path) -> None:
    expected = load_radiograph(FRONTAL)
    radiograph = load_radiograph(disc / "DICOMDIR")
    np.testing.assert_array_equal(radiograph.pixels, expected.pixels)
    assert radiograph.notes[0] == "Read out of a disc."
    for path in sorted(disc.rglob("*"), reverse=True):  # as some systems mount a disc
        path.rename(path.with_name(path.name.lower()))
    assert load_radiograph(disc / "dicomdir").sha256 == radiograph.sha256


def test_an_index_alone_says_what_is_missing(disc: Path) -> None:
    with pytest.raises(UnsuitableImage, match=r"DICOMDIR.*ZIP"):
        load_radiograph((disc / "DICOMDIR").read_bytes())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        for path in disc.rglob("*"):
            bundle.write(path, path.relative_to(disc))
    np.testing.assert_array_equal(load_radiograph(stream.getvalue()).pixels, load_radiograph(FRONTAL).pixels)


def test_an_index_leads_nowhere_else(disc: Path) -> None:
    index = pydicom.dcmread(disc / "DICOMDIR")
    (disc.parent / "SECRET").write_bytes(FRONTAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pydicom's, of the two dots
        for record in index.DirectoryRecordSequence:
            if record.DirectoryRecordType == "IMAGE":
                record.ReferencedFileID = ["..", "SECRET"]
        index.save_as(disc / "DICOMDIR")
    with pytest.raises(UnsuitableImage, match="disc holds no radiograph"):
        load_radiograph(disc / "DICOMDIR")

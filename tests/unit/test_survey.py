"""One look at every image: which show the same picture, and which cannot be read."""

import cv2
import numpy as np
import pytest

from cxrkit.data.leaks import Leak, leaks_between
from cxrkit.data.manifest import read_manifest
from cxrkit.errors import ManifestError
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.imaging.survey import pixel_digest, readable, survey
from cxrkit.radiograph import Radiograph


def digest(data):
    return pixel_digest(load_radiograph(data))


def png(levels):
    return cv2.imencode(".png", levels)[1].tobytes()


@pytest.fixture
def narrow():
    """Levels 40..173 only, so that DICOM without a window is shown stretched and PNG is not."""
    levels = np.random.default_rng(0).integers(40, 174, (48, 40), dtype=np.uint8)
    levels[0, :2] = 40, 173
    return levels


def test_the_same_picture_has_one_digest_in_every_format(narrow):
    as_png = digest(png(narrow))
    bmp = cv2.imencode(".bmp", narrow)[1].tobytes()
    grey16 = png(narrow.astype(np.uint16) * 257)
    colour = png(cv2.cvtColor(narrow, cv2.COLOR_GRAY2BGR))
    dicom = write_dicom(narrow, photometric="MONOCHROME2", bits_stored=8)
    inverted = write_dicom(255 - narrow, photometric="MONOCHROME1", bits_stored=8)
    assert {digest(data) for data in (bmp, grey16, colour, dicom, inverted)} == {as_png}
    assert digest(phantom_png(3, 64)) == digest(phantom_dicom(3, 64, bits_stored=8))


def test_other_pictures_have_other_digests(narrow):
    one = narrow.copy()
    one[20, 20] ^= 1
    others = [one, narrow[:, ::-1], narrow.T, narrow[:-1], np.rot90(narrow, 2), cv2.resize(narrow, (80, 96))]
    assert len({digest(png(np.ascontiguousarray(levels))) for levels in [narrow, *others]}) == 7
    # the same bytes in another shape are another picture
    flat = np.arange(4096, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    assert digest(png(flat)) != digest(png(flat.reshape(32, 128)))


def test_a_window_changes_the_digest_only_where_it_clips(narrow):
    """Levels 40..173: a window of 20..220 shows all of them, one of 60..150 does not."""

    def windowed(low, high):
        attributes = {"WindowCenter": (low + high + 1) / 2, "WindowWidth": high - low + 1}
        return digest(write_dicom(narrow, bits_stored=8, attributes=attributes))

    assert windowed(40, 173) == windowed(20, 220) == digest(png(narrow))
    assert windowed(60, 150) != digest(png(narrow))


def test_rounding_does_not_hang_on_the_path_that_a_value_took():
    """Levels at 255 k / r of every span r: float32 scaled as PNG is, and as a stretched DICOM is."""
    for span in range(1, 256):
        levels = np.arange(span + 1, dtype=np.float32).repeat(2).reshape(1, -1)
        as_png = Radiograph(pixels=levels / np.float32(255), sha256="a")
        as_dicom = Radiograph(pixels=levels / np.float32(span), sha256="b")
        assert pixel_digest(as_png) == pixel_digest(as_dicom), span


def test_a_blank_radiograph_has_a_digest():
    assert pixel_digest(Radiograph(pixels=np.full((32, 32), 0.5, np.float32), sha256="x"))


@pytest.fixture
def table(tmp_path):
    """Six rows, of which rows 3, 5 and 6 cannot be read: cut off, too small, and text."""
    whole = phantom_png(1, 64)
    files = [whole, whole[:-400], phantom_png(2, 64), png(np.eye(8, dtype=np.uint8)), b"secret words", whole]
    for number, data in enumerate(files):
        (tmp_path / f"secret{number}.png").write_bytes(data)
    lines = [f"secret{n}.png,secret{n // 2},{n % 2}" for n in range(6)]
    (tmp_path / "t.csv").write_text("\n".join(["image,patient_id,Mass", *lines]) + "\n")
    return read_manifest(tmp_path / "t.csv", ["Mass"])


def test_survey_and_readable_name_every_row_and_no_file(table):
    steps = []
    seen = survey(table, progress=lambda *step: steps.append(step))
    assert steps == [(n, 6) for n in range(1, 7)]
    assert [one.row for one in seen.unreadable] == [3, 5, 6]
    assert [d is None for d in seen.digests] == [False, True, False, True, True, False]
    assert seen.digests[0] == seen.digests[5] != seen.digests[2]
    with pytest.raises(ManifestError) as refused:
        readable(table, skip=False)
    lines = refused.value.message.splitlines()
    assert lines[0] == "3 of 6 images cannot be read:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["row 3", "row 5", "row 6"]
    assert "too small" in lines[2]
    assert "--skip-unreadable" in refused.value.remedy
    assert "secret" not in str(refused.value)
    kept, left_out = readable(table, skip=True)
    assert kept.rows.tolist() == [2, 4, 7]
    assert left_out == seen.unreadable
    sound, nothing = readable(kept, skip=False)
    assert sound is kept
    assert nothing == ()
    with pytest.raises(ManifestError, match="2 of 2 images"):
        readable(table.subset([1, 3]), skip=True)


def test_of_many_unreadable_images_twenty_are_listed(table):
    with pytest.raises(ManifestError) as refused:
        readable(table.subset([1] * 25), skip=False)
    lines = refused.value.message.splitlines()
    assert len(lines) == 22
    assert lines[-1].strip() == "and 5 more"


def test_leaks_between_every_pair_of_splits():
    sides = {
        "train": (["a", "b", "", None, "c", "a"], [2, 3, 4, 5, 6, 7]),
        "val": (["b", "a", "d", ""], [8, 9, 10, 11]),
        "test": (["e", "d", "d", None], np.array([12, 13, 14, 15])),
    }
    assert leaks_between("patients", sides) == (
        Leak("patients", ("train", "val"), 2, ((2, 3, 7), (8, 9))),
        Leak("patients", ("val", "test"), 1, ((10,), (13, 14))),
    )
    assert leaks_between("pictures", {"train": sides["train"]}) == ()

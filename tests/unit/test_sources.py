"""Every image is looked at before training: unreadable ones and copies across splits are found."""

import cv2
import numpy as np
import pytest

from cxrkit.errors import ManifestError
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.training.sources import Source, split_sources
from tests.factory_training import toy_recipe

ONE = toy_recipe(backbone="cnn", findings=("Mass",))

DAMAGED = (3, 17, 20)


def levels(seed):
    return np.random.default_rng(seed).integers(0, 256, (40, 40), dtype=np.uint8)


@pytest.fixture
def table(tmp_path):
    """24 images of one patient each: 16 train, 4 val, 4 test; three of them, one per split, damaged."""
    rows = []
    for n in range(24):
        cv2.imwrite(str(tmp_path / f"secret{n}.png"), levels(n))
        rows.append(f"secret{n}.png,p{n},{'train' if n < 16 else 'val' if n < 20 else 'test'},{n % 2}")
    for n in DAMAGED:
        (tmp_path / f"secret{n}.png").write_bytes(b"no image")
    (tmp_path / "t.csv").write_text("\n".join(["image,patient_id,split,Mass", *rows]) + "\n")
    return tmp_path / "t.csv"


def test_all_unreadable_images_are_named_before_training(table):
    with pytest.raises(ManifestError) as refused:
        split_sources([Source(table)], ONE, False)
    lines = refused.value.message.splitlines()
    assert lines[0] == "3 of 24 images cannot be read:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["row 5", "row 19", "row 22"]
    assert "secret" not in str(refused.value)


def test_unreadable_images_are_left_out_on_request(table):
    said: list[str] = []
    parts = split_sources([Source(table)], ONE, False, skip_unreadable=True, progress=said.append)
    assert 5 not in parts.training[0].rows
    assert (len(parts.training[0]), len(parts.validation[0])) == (15, 3)
    assert [line.split(":")[0] for line in said] == ["left out row 5", "left out row 19", "left out row 22"]
    whole = split_sources([Source(mended(table))], ONE, False)
    assert whole.checksum() != parts.checksum()  # a run cannot resume with other images


def mended(table):
    for n in DAMAGED:
        cv2.imwrite(str(table.parent / f"secret{n}.png"), levels(n))
    return table


def test_of_several_tables_the_row_s_table_is_named(table):
    other = table.with_name("other.csv")
    other.write_text(table.read_text().replace(",p", ",q"))
    with pytest.raises(ManifestError, match=r"^4 of 40 images(.|\n)*table 1, row 22(.|\n)*table 2, row 5: The file is"):
        split_sources([Source(table), Source(other, split="train")], ONE, False)


@pytest.mark.parametrize(
    ("copy", "of", "words"),
    [
        (16, 2, "1 validation images are identical to training images"),
        (21, 2, "1 test images are identical to training images"),
        (21, 18, "1 test images are identical to validation images"),
    ],
)
def test_a_copy_in_another_format_is_found_in_any_pair_of_splits(table, copy, of, words):
    mended(table)
    split_sources([Source(table)], ONE, False)
    path = table.parent / f"secret{copy}.png"
    path.write_bytes(write_dicom(levels(of), photometric="MONOCHROME2", bits_stored=8))
    with pytest.raises(ManifestError, match=words):
        split_sources([Source(table)], ONE, False)


def test_validation_and_test_share_no_patient_either(table):
    mended(table)
    table.write_text(table.read_text().replace(",p21,", ",p17,"))
    with pytest.raises(ManifestError, match="1 patients stand in both"):
        split_sources([Source(table)], ONE, False)


@pytest.mark.parametrize(("header", "blank"), [("patient_key,patient_id", ","), ("patient_id", "")])
@pytest.mark.parametrize(("column", "shared"), [("patient_key", 2), ("patient_id", 2), ("note", 0)])
def test_keys_of_one_table_are_compared_with_ids_of_the_other(tmp_path, header, blank, column, shared):
    """P2 and P3 are trained on from one table and validate in the other, under whichever column."""
    for n in range(6):
        cv2.imwrite(str(tmp_path / f"{n}.png"), levels(n))
    trained = [f"{n}.png,train,{blank}P{n},{n % 2}" for n in range(4)]
    (tmp_path / "a.csv").write_text("\n".join([f"image,split,{header},Mass", *trained]) + "\n")
    others = ["3.png,train,P3,1", "4.png,val,P2,0", "5.png,val,P3,1"]
    (tmp_path / "b.csv").write_text("\n".join([f"image,split,{column},Mass", *others]) + "\n")
    sources = [Source(tmp_path / "a.csv"), Source(tmp_path / "b.csv")]
    if not shared:
        assert [len(part) for part in split_sources(sources, ONE, False).validation] == [2]
        return
    with pytest.raises(ManifestError, match=f"^{shared} patients stand in both tables"):
        split_sources(sources, ONE, False)

"""Tables of boxes: three forms, one meaning."""

from pathlib import Path

import numpy as np
import pytest

from cxrkit.data.boxes import read_boxes
from cxrkit.data.manifest import read_manifest
from cxrkit.data.table import read_table
from cxrkit.errors import ManifestError

NIH = (
    "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
    "00000001_000.png,Infiltrate,256,512,128,256,,,\n"
    "00000001_000.png,Mass,0,0,64,64,,,\n"
)


def write(folder: Path, text: str, name: str = "boxes.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_fractions_of_the_frame(tmp_path):
    boxes = read_boxes(write(tmp_path, "image,label,x,y,w,h\na.png,Mass,256,512,128,256\na.png,Mass,0,0,1024,512\n"))
    np.testing.assert_array_equal(boxes.by_image["a"]["Mass"], [[0.25, 0.5, 0.375, 0.75], [0, 0, 1, 0.5]])
    assert len(boxes) == 2
    assert boxes.source == "boxes.csv"
    assert len(boxes.sha256) == 64


def test_another_frame(tmp_path):
    path = write(tmp_path, "image,label,x,y,w,h\na.png,Mass,20,30,20,30\n")
    np.testing.assert_allclose(read_boxes(path, frame=(200, 100)).by_image["a"]["Mass"], [[0.1, 0.3, 0.2, 0.6]])
    np.testing.assert_allclose(read_boxes(path, frame=100).by_image["a"]["Mass"], [[0.2, 0.3, 0.4, 0.6]])


def test_nihs_own_table(tmp_path):
    boxes = read_boxes(write(tmp_path, NIH))
    assert boxes.findings == ("Infiltration", "Mass")
    np.testing.assert_array_equal(boxes.by_image["00000001_000"]["Infiltration"], [[0.25, 0.5, 0.375, 0.75]])


def test_rsna_opacities_are_pneumonia_unless_said_otherwise(tmp_path):
    path = write(tmp_path, "image,label,rsna_id,x,y,w,h,mse\na.png,Lung_Opacity,7,0,0,10,10,.1\n")
    assert read_boxes(path).findings == ("Pneumonia",)
    assert read_boxes(path, label_map={"Lung_Opacity": "Consolidation"}).findings == ("Consolidation",)
    assert read_boxes(path, label_map={}).findings == ("Lung_Opacity",)


def test_boxes_are_clipped(tmp_path):
    boxes = read_boxes(write(tmp_path, "image,label,x,y,w,h\na.png,Mass,-100,900,612,400\n"))
    np.testing.assert_array_equal(boxes.by_image["a"]["Mass"], [[0, 900 / 1024, 0.5, 1]])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a.png,Mass,10,10,0,10", "without area"),
        ("a.png,Mass,10,10,10,-1", "without area"),
        ("a.png,Mass,1024,10,10,10", "without area"),
        ("a.png,Mass,10,10,,10", "four numbers"),
        ("a.png,Mass,10,10,inf,10", "four numbers"),
        (",Mass,10,10,10,10", "names no image"),
        ("a.png,,10,10,10,10", "names no label"),
    ],
)
def test_a_bad_row_is_refused_by_number(tmp_path, row, words):
    path = write(tmp_path, f"image,label,x,y,w,h\nsecret_1.png,Mass,1,1,5,5\n{row}\n")
    with pytest.raises(ManifestError, match=words) as caught:
        read_boxes(path)
    assert "Row 3 " in caught.value.message
    assert "a.png" not in str(caught.value)


def test_a_missing_column_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="lacks a column"):
        read_boxes(write(tmp_path, "image,label,x,y,w\na.png,Mass,1,1,5\n"))


def manifest(folder: Path, text: str):
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        (folder / name).touch()
    return read_manifest(write(folder, text, "index.csv"), ["Mass"])


def test_rows_are_joined_by_nih_name_or_by_image(tmp_path):
    boxes = read_boxes(write(tmp_path, "image,label,x,y,w,h\nA_1.png,Mass,1,1,5,5\n2.png,Nodule,1,1,5,5\n"))
    rows = boxes.join(
        manifest(tmp_path, "image,nih_name,Mass\n1.jpg,A_1.png,1\n2.jpg,,1\n3.jpg,B_1.png,0\n4.jpg,old/A_1.png,0\n")
    )
    assert [sorted(row) for row in rows] == [["Mass"], ["Nodule"], [], ["Mass"]]
    rows = boxes.join(manifest(tmp_path, "image,Mass\n1.jpg,1\n./2.jpg,1\n"))
    assert [sorted(row) for row in rows] == [[], ["Nodule"]]


def test_blank_columns_at_the_end_of_a_table_are_left_out(tmp_path):
    table, _ = read_table(write(tmp_path, "a,b,,\n1,2,,\n3,,,\n"))
    assert table.columns.tolist() == ["a", "b"]
    assert table.to_numpy().tolist() == [["1", "2"], ["3", ""]]
    with pytest.raises(ManifestError, match="twice"):
        read_table(write(tmp_path, "a,b,,\n1,2,,5\n"))

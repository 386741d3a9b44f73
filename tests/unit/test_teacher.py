"""A teacher's table: matched by the publisher's name of an image, and refused where it is no such table."""

import numpy as np
import pytest

from cxrkit.data.manifest import read_manifest
from cxrkit.data.teacher import read_teacher, taught_by
from cxrkit.errors import ManifestError

FINDINGS = ("Mass", "Effusion")


def written(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_images_are_matched_by_the_publishers_name_where_there_is_one(tmp_path):
    scores = read_teacher(
        written(
            tmp_path / "t.csv",
            "image,prob_Effusion,prob_Other,prob_Mass",
            "7.png,0.25,0,0.5",
            "folder/8.png,1,0,0",
        ),
        FINDINGS,
    )
    for name in ("a.jpg", "7.jpg", "8.jpg"):
        (tmp_path / name).touch()
    named = written(
        tmp_path / "named.csv", "image,nih_name,Mass,Effusion", "a.jpg,8.png,0,1", "7.jpg,,1,", "8.jpg,9.png,0,0"
    )
    plain = written(tmp_path / "plain.csv", "image,Mass,Effusion", "a.jpg,0,1", "8.jpg,0,1")
    found = taught_by(scores, [read_manifest(path, FINDINGS) for path in (named, plain)])
    nothing = [np.nan, np.nan]
    np.testing.assert_array_equal(found, np.float32([[0, 1], [0.5, 0.25], nothing, nothing, [0, 1]]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("image,prob_Mass", "7.png,0.5"), "no column prob_Effusion"),
        (("image,prob_Mass,prob_Effusion", "7.png,0.5,1.2"), "no probabilities"),
        (("image,prob_Mass,prob_Effusion", "7.png,0.5,"), "no probabilities"),
        (("image,prob_Mass,prob_Effusion", "7.png,0,1", "x/7.jpg,0,1"), "twice"),
    ],
)
def test_another_table_is_refused(tmp_path, lines, message):
    with pytest.raises(ManifestError, match=message):
        read_teacher(written(tmp_path / "t.csv", *lines), FINDINGS)

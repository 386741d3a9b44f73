"""The checks of the picture itself, the corrections, and the report."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from cxrkit.imaging.decode import colourfulness
from cxrkit.imaging.derived import suspected_text, working_copy
from cxrkit.imaging.dicom_facts import body_part
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom, phantom_dicom
from cxrkit.imaging.quality import check_picture, corrected
from cxrkit.quality import REASONS, QualityIssue, QualityReport, ordered
from cxrkit.radiograph import Radiograph

TEXT = "burned-in-text"


def codes(radiograph: Radiograph) -> dict[str, str]:
    """Without the text, which the phantom's pixels have."""
    return {issue.code: issue.severity for issue in check_picture(radiograph) if issue.code != TEXT}


def changed(pixels: np.ndarray) -> Radiograph:
    return Radiograph(np.asarray(pixels, dtype=np.float32), "0" * 64)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_the_phantom_has_nothing_against_it():
    assert check_picture(phantom(0, 512)) == ()


def test_text_in_the_picture_is_named():
    # the phantom says in its pixels that it is none
    assert QualityIssue(TEXT, "warn") in check_picture(changed(phantom(0, 512).pixels))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda p: np.clip(p * 4, 0, 1), "over-exposed"),
        (lambda p: np.clip(p * 2 - 1.3, 0, 1), "under-exposed"),
        (lambda p: 0.5 + 0.05 * p, "low-contrast"),
        (lambda p: p[::3, ::3], "too-small"),
    ],
)
def test_exposure_contrast_and_size(change, code):
    assert codes(changed(change(phantom(0, 512).pixels))) == {code: "warn"}


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"modality": "CT"}, "other-modality"),
        ({"modality": "US"}, "other-modality"),
        ({"body_part": "OTHER"}, "other-body-part"),
        ({"view": "LATERAL"}, "lateral"),
    ],
)
def test_what_the_header_says_is_refused(facts, code):
    assert codes(dataclasses.replace(phantom(0, 512), **facts)) == {code: "refuse"}


@pytest.mark.parametrize("modality", ["CR", "DX", None])
def test_radiographs_of_a_chest_are_not(modality):
    assert codes(dataclasses.replace(phantom(0, 512), modality=modality, body_part="CHEST", view="PA")) == {}


def test_a_colour_photograph_is_refused_and_a_tint_is_named():
    levels = (255 * phantom(0, 512).pixels).astype(np.uint8)
    tint = np.stack([levels, levels * 0.9, levels * 0.7], axis=-1).astype(np.uint8)
    assert codes(load_radiograph(png(tint))) == {"tinted": "warn"}
    hues = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    photo = np.asarray(Image.fromarray(hues).resize((512, 512))) // 2 + levels[..., None] // 2
    assert codes(load_radiograph(png(photo.astype(np.uint8))))["colour-photo"] == "refuse"
    assert load_radiograph(png(levels)).colour == (0.0, 0.0)


def test_colourfulness_by_hand():
    grey = np.linspace(0, 255, 300)
    # a tint of red 1.0, green 0.8, blue 0.6: differences 0.2 v and 0.3 v, of length sqrt(0.13) v, v on average a half
    picture = np.stack([grey, 0.8 * grey, 0.6 * grey], axis=-1)[None].repeat(3, axis=0)
    saturation, variety = colourfulness(picture, 255)
    assert saturation == pytest.approx(0.5 * np.sqrt(0.04 + 0.09), rel=0.01)
    assert variety == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("CHEST", "CHEST"),
        ("Thorax ap", "CHEST"),
        ("HAND", "OTHER"),
        ("L-SPINE LSPINE", "OTHER"),
        ("CHEST AND ABDOMEN", "CHEST"),
        ("Doe^Jane", None),
        ("", None),
    ],
)
def test_body_part(text, part):
    assert body_part({"BodyPartExamined": text}) == part


def test_the_header_reaches_the_radiograph():
    hand = load_radiograph(phantom_dicom(attributes={"BodyPartExamined": "HAND", "Modality": "DX"}))
    assert hand.body_part == "OTHER"
    assert "other-body-part" in codes(hand)


def test_corrections_turn_clockwise_invert_and_say_so():
    pixels = np.array([[0.0, 0.25], [0.5, 1.0], [0.75, 0.125]], dtype=np.float32)
    radiograph = dataclasses.replace(changed(pixels), spacing_mm=(1.0, 2.0))
    turned = corrected(radiograph, ("rotate-90", "invert"))
    np.testing.assert_array_equal(turned.pixels, 1 - np.array([[0.75, 0.5, 0.0], [0.125, 1.0, 0.25]], dtype=np.float32))
    assert turned.spacing_mm == (2.0, 1.0)
    assert turned.correction == ("rotate-90", "invert")
    assert [note.split(":")[0] for note in turned.notes] == ["Turned by 90 degrees clockwise", "Inverted"]
    assert turned.sha256 == radiograph.sha256
    assert turned.key != radiograph.key
    back = corrected(turned, ("rotate-270", "invert"))
    np.testing.assert_allclose(back.pixels, pixels, atol=1e-7)
    with pytest.raises(ValueError, match="unknown correction"):
        corrected(radiograph, ("mirror",))


def test_a_report_refuses_until_it_is_overridden():
    issues = (
        QualityIssue("burned-in-text", "warn"),
        QualityIssue("lateral", "refuse"),
        QualityIssue("lateral", "warn"),
    )
    report = QualityReport(ordered(issues))
    assert [(i.code, i.severity) for i in report.issues] == [("lateral", "refuse"), ("burned-in-text", "warn")]
    assert report.refused
    asked = report.override()
    assert not asked.refused
    assert asked.to_dict()["overridden"] is True
    assert asked.to_dict()["issues"][0] == {"code": "lateral", "severity": "refuse", "message": REASONS["lateral"]}
    assert not report.gated


def test_an_unknown_reason_is_refused():
    with pytest.raises(ValueError, match="unknown reason"):
        QualityIssue("ugly", "warn")


def test_what_follows_from_the_pixels_is_computed_once_and_not_passed_on():
    first = radiograph = dataclasses.replace(phantom(0, 700), source_format="PNG")
    assert working_copy(radiograph).shape == (350, 350)
    np.testing.assert_allclose(working_copy(radiograph)[:2, :2].mean(), radiograph.pixels[:4, :4].mean(), rtol=1e-5)
    assert working_copy(radiograph) is working_copy(first)
    small = phantom(0, 511)
    assert working_copy(small) is small.pixels
    assert suspected_text(radiograph) is suspected_text(radiograph)
    other = corrected(radiograph, ("rotate-90",))
    np.testing.assert_allclose(working_copy(other), np.rot90(working_copy(radiograph), -1), atol=1e-6)
    assert len(suspected_text(dataclasses.replace(radiograph, pixels=np.full((300, 300), 0.5, np.float32)))) == 0


def test_a_last_row_or_column_that_fills_no_square_is_left_out():
    copy = working_copy(phantom(0, 1023))
    assert copy.shape == (341, 341)
    assert working_copy(phantom(0, 1025)).shape == (256, 256)

"""Radiographs made worse on purpose."""

import numpy as np
import pytest

from cxrkit.errors import ManifestError
from cxrkit.imaging.degradation import CHANGES, degrade, describe, parse_degradation
from cxrkit.radiograph import Radiograph


@pytest.fixture
def radiograph():
    pixels = np.random.default_rng(0).random((60, 80), dtype=np.float32)
    return Radiograph(pixels, "0" * 64, view="PA", spacing_mm=(0.1, 0.1), notes=("Inverted.",))


def test_each_change_does_what_it_says(radiograph):
    before = radiograph.pixels.copy()
    blurred = degrade(radiograph, {"blur": 0.05}).pixels
    assert blurred.std() < 0.2 * before.std()
    assert blurred.mean() == pytest.approx(before.mean(), abs=0.02)
    shrunk = degrade(radiograph, {"shrink": 0.5}).pixels
    assert shrunk.shape == before.shape
    np.testing.assert_allclose(shrunk[15:45, 20:60], before.reshape(30, 2, 40, 2).mean(axis=(1, 3)), atol=1e-6)
    shrunk = shrunk.copy()
    shrunk[15:45, 20:60] = 0
    assert not shrunk.any()
    np.testing.assert_allclose(degrade(radiograph, {"gamma": 2}).pixels, before**2, atol=1e-6)
    noisy = degrade(radiograph, {"noise": 0.1}).pixels
    inside = (before > 0.4) & (before < 0.6)  # away from the ends, where it is cut off
    assert (noisy - before)[inside].std() == pytest.approx(0.1, abs=0.01)
    np.testing.assert_array_equal(noisy, degrade(radiograph, {"noise": 0.1}).pixels)
    np.testing.assert_array_equal(radiograph.pixels, before)


def test_changes_are_made_in_their_order_and_noted(radiograph):
    changes = parse_degradation({"gamma": "2", "blur": "0.02"})
    got = degrade(radiograph, changes)
    one_by_one = degrade(degrade(radiograph, {"gamma": 2}), {"blur": 0.02})
    np.testing.assert_array_equal(got.pixels, one_by_one.pixels)
    assert abs(got.pixels - degrade(radiograph, {"blur": 0.02, "gamma": 2}).pixels).max() > 0.01
    assert got.notes == ("Inverted.", "Degraded: gamma 2, blur 0.02.")
    assert (got.view, got.sha256, got.spacing_mm) == ("PA", radiograph.sha256, None)
    assert describe(changes) == "gamma 2, blur 0.02"


@pytest.mark.parametrize("name", CHANGES)
def test_every_end_of_every_range_gives_a_radiograph(name, radiograph):
    for amount in (CHANGES[name].low, CHANGES[name].high):
        assert degrade(radiograph, {name: amount}).pixels.shape == (60, 80)


@pytest.mark.parametrize(
    ("name", "text"),
    [("haze", "1"), ("blur", "wide"), ("blur", "nan"), ("blur", "0"), ("shrink", "1.5"), ("gamma", "inf")],
)
def test_what_cannot_be_done_is_refused(name, text):
    with pytest.raises(ManifestError):
        parse_degradation({name: text})

"""The lung network: its mask, the share of evidence outside, and the file that ships."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from cxrkit.errors import PresetInvalid, WeightsCorrupt
from cxrkit.imaging.phantom import phantom
from cxrkit.lung_card import CARD, LUNGS, load_card
from cxrkit.model.lungs import (
    SIDE,
    LungFinder,
    edge_share,
    lung_mask,
    outside_shares,
    share_inside,
    shipped_finder,
)
from cxrkit.reading import Box


def test_the_mask_has_two_regions_without_specks_and_holes():
    logits = np.full((64, 64), -1.0, np.float32)
    logits[10:50, 5:25] = logits[10:50, 35:55] = 1
    logits[20:25, 10:15] = -1  # a hole
    logits[60, 60] = 1  # a speck
    mask = lung_mask(logits)
    assert mask.sum() == 2 * 40 * 20
    assert mask[22, 12]


def test_what_is_too_small_is_no_lung():
    logits = np.full((64, 64), -1.0, np.float32)
    logits[10:18, 5:15] = 1
    assert not lung_mask(logits).any()
    assert not lung_mask(np.full((64, 64), -1.0, np.float32)).any()


def test_share_inside_and_outside_by_hand():
    mask = np.zeros((128, 128), np.bool_)
    mask[:, :32] = True  # the left quarter
    inside = share_inside(mask, Box(0, 0, 200, 100), 100, 200, (2, 2))
    np.testing.assert_allclose(inside, [[0.5, 0], [0.5, 0]])
    maps = np.array([[[3.0, 1], [0, 0]], [[0, 0], [0, 0]]], np.float32)
    assert outside_shares(maps, inside) == [pytest.approx(1 - 1.5 / 4), None]
    assert outside_shares(maps, None) == [None, None]
    assert share_inside(np.zeros((8, 8), np.bool_), Box(0, 0, 1, 1), 1, 1, (2, 2)) is None


def test_what_lies_beyond_the_radiograph_is_outside():
    inside = share_inside(np.ones((128, 128), np.bool_), Box(0, -100, 200, 100), 100, 200, (2, 2))
    np.testing.assert_allclose(inside, [[0, 0], [1, 1]])  # a padded square: its upper half is black


def test_edge_share():
    mask = np.zeros((8, 8), np.bool_)
    mask[0, :4] = True
    assert edge_share(mask) == 0.5


def test_the_lungs_of_the_phantom_are_found():
    finder = shipped_finder()
    for seed in range(3):
        mask = finder.find(phantom(seed, 512).pixels)
        assert mask.shape == (SIDE, SIDE)
        assert 0.1 < mask.mean() < 0.5
        assert mask[:, : SIDE // 2].any()
        assert mask[:, SIDE // 2 :].any()
        assert edge_share(mask) < 0.25
    assert not finder.find(np.zeros((256, 256), np.float32)).any()


def test_the_card_holds_what_was_measured_on_patients_of_its_own():
    card = load_card(LUNGS)
    held = [overlap for overlap in card.overlaps if overlap.split == "test"]
    assert sum(overlap.n for overlap in held) >= 100
    assert all(overlap.dice > 0.95 for overlap in held)


def test_other_weights_and_broken_cards_are_refused(tmp_path):
    assert shipped_finder(tmp_path) is None
    shutil.copytree(LUNGS, tmp_path / "lungs")
    card = load_card(tmp_path / "lungs")
    (tmp_path / "lungs" / card.weights_file).write_bytes(b"nothing")
    with pytest.raises(WeightsCorrupt, match="lung network"):
        LungFinder(card, tmp_path / "lungs")
    (tmp_path / "lungs" / CARD).write_text("{}")
    with pytest.raises(PresetInvalid, match="malformed"):
        shipped_finder(tmp_path / "lungs")

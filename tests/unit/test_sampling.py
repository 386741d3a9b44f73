"""The order of an epoch, by its properties: proportions of every batch, equal draws, seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from cxrkit.errors import TrainingError
from cxrkit.training.sampling import NONE, UNKNOWN, epoch_order, strata

NAN = np.nan


def test_an_image_belongs_to_its_rarest_positive_finding():
    labels = np.array(
        [[1, 1, 0], [1, 0, 0], [1, NAN, 1], [0, 1, NAN], [0, 0, NAN], [NAN, NAN, NAN], [1, 1, 0], [0, NAN, 0]],
        dtype=np.float32,
    )
    # positives: 4, 3 and 1
    assert list(strata(labels)) == [1, 0, 2, 1, NONE, UNKNOWN, 1, NONE]


labels_of_images = st_numpy.arrays(
    np.float32,
    st.tuples(st.integers(1, 120), st.integers(1, 4)),
    elements=st.sampled_from([0.0, 0.0, 0.0, 1.0, NAN]),
)
seeds = st.tuples(st.integers(0, 99), st.integers(0, 9))


def weights_for(labels, data):
    return data.draw(st_numpy.arrays(np.float64, len(labels), elements=st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0])))


@settings(max_examples=60, deadline=None)
@given(labels_of_images, st.integers(1, 24), seeds, st.data())
def test_every_stratified_batch_has_each_stratum_in_its_proportion(labels, batch, seed, data):
    weight = weights_for(labels, data)
    shuffled = epoch_order(labels, weight, batch, "shuffled", seed)
    order = epoch_order(labels, weight, batch, "stratified", seed)
    assert sorted(order) == sorted(shuffled)
    steps = len(order) // batch
    stratum = strata(labels)[order]
    for one in np.unique(stratum):
        share = batch * (stratum == one).mean()
        counts = (stratum[: steps * batch].reshape(steps, batch) == one).sum(axis=1)
        assert (np.abs(counts - share) < 1 + 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(labels_of_images, seeds, st.data())
def test_a_balanced_epoch_draws_the_strata_equally_often_and_is_as_long(labels, seed, data):
    weight = weights_for(labels, data)
    shuffled = epoch_order(labels, weight, 8, "shuffled", seed)
    present = {one for one in strata(labels)[shuffled] if one != UNKNOWN}
    if not present:
        with pytest.raises(TrainingError, match="known label"):
            epoch_order(labels, weight, 8, "balanced", seed)
        return
    order = epoch_order(labels, weight, 8, "balanced", seed)
    assert len(order) == len(shuffled)
    drawn, counts = np.unique(strata(labels)[order], return_counts=True)
    assert set(drawn) <= present
    assert UNKNOWN not in drawn
    if len(order) >= len(present):
        assert set(drawn) == present
        assert counts.max() - counts.min() <= 1
    # none is drawn again before all of its stratum were, by as often as the epoch shows it
    shown = np.bincount(shuffled, minlength=len(labels))
    times = np.bincount(order, minlength=len(labels))
    assert (times[shown == 0] == 0).all()
    for one in present:
        alike = (strata(labels) == one) & (shown == 1)
        if alike.sum() > 1 and not (shown[strata(labels) == one] > 1).any():
            assert times[alike].max() - times[alike].min() <= 1


@pytest.mark.parametrize("sampling", ["shuffled", "stratified", "balanced"])
def test_orders_are_seeded_and_repeat_by_weight(sampling):
    labels = np.tile(np.array([[1, 0], [0, 0], [0, 1], [0, 0], [0, 0]], np.float32), (8, 1))
    weight = np.ones(40)
    one, same, other = (epoch_order(labels, weight, 8, sampling, seed) for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    weights = np.array([1, 1, 1, 0.5, 2, 0.0])
    times = sum(
        np.bincount(epoch_order(np.zeros((6, 1), np.float32), weights, 2, sampling, (seed,)), minlength=6)
        for seed in range(200)
    )
    np.testing.assert_allclose(times / 200, weights, atol=0.15)
    assert times[5] == 0


def test_fewer_images_than_a_batch_are_all_in_the_order():
    order = epoch_order(np.zeros((3, 1), np.float32), np.ones(3), 8, "stratified", (0,))
    assert sorted(order) == [0, 1, 2]

"""A head in closed form: it finds the direction that labels and teacher share, and mixes them as asked."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from cxrkit.errors import TrainingError
from cxrkit.evaluation.metrics import auroc
from cxrkit.training.linear_head import LinearHead, blended, fit_linear_head


@pytest.fixture(scope="module")
def made():
    """Features of unlike scales, of which the third and the fifth tell the finding; the labels are noisy."""
    random = np.random.default_rng(0)
    features = (random.normal(size=(400, 8)) * [1, 5, 0.1, 2, 3, 1, 1, 0] + np.arange(8)).astype(np.float32)
    truth = (features[:, 2] - 2) / 0.1 + (features[:, 4] - 4) / 3
    labels = (truth + random.normal(size=400) * 2 > 0.5).astype(np.float32)[:, None]
    taught = (1 / (1 + np.exp(-(truth - 3))))[:, None].astype(np.float32)
    labels[:50], taught[100:] = np.nan, np.nan
    return features, truth, labels, taught


def angle(kernel, features):
    """Cosine between the kernel and the true direction, for features of deviation 1."""
    right = np.zeros(8)
    right[[2, 4]] = 1
    scaled = kernel * features.std(axis=0)
    return float(scaled @ right / np.linalg.norm(scaled) / np.linalg.norm(right))


def test_both_parts_find_the_direction_and_the_teacher_does_better(made):
    features, truth, labels, taught = made
    cosines = []
    for share in (0.0, 0.5, 1.0):
        head = fit_linear_head(features, labels, taught, alpha=1.0, teacher_share=share)
        logits = head.logits(features)[:, 0]
        assert logits.mean() == pytest.approx(0, abs=1e-3)
        assert auroc((truth > 0.5).astype(float), logits).value > 0.9
        cosines.append(angle(head.kernel[:, 0], features))
    assert 0.9 < cosines[0] < cosines[1] < cosines[2]
    assert cosines[2] > 0.999


def test_a_share_of_one_is_ridge_regression_of_the_teachers_logits(made):
    features, _, labels, taught = made
    head = fit_linear_head(features, labels, taught, alpha=30.0, teacher_share=1.0)
    spread = np.where(features.std(axis=0) > 0, features.std(axis=0), 1)
    scaled = (features - features.mean(axis=0)) / spread
    logit = np.log(taught[:100, 0] / (1 - taught[:100, 0]))
    expected = Ridge(alpha=30.0).fit(scaled[:100], (logit - logit.mean()) / logit.std()).predict(scaled)
    assert np.corrcoef(expected, head.logits(features)[:, 0])[0, 1] == pytest.approx(1, abs=1e-6)
    assert head.logits(features).std() == pytest.approx(1, abs=1e-3)


def test_a_finding_without_one_of_the_two_takes_the_other(made):
    features, _, labels, taught = made
    nothing = np.full_like(labels, np.nan)
    alone = fit_linear_head(features, labels, nothing, alpha=1.0, teacher_share=0.5)
    only = fit_linear_head(features, labels, taught, alpha=1.0, teacher_share=0.0)
    np.testing.assert_allclose(alone.kernel, only.kernel, rtol=1e-6)
    with pytest.raises(TrainingError, match="neither positives and negatives nor a teacher"):
        fit_linear_head(features, nothing, nothing, alpha=1.0, teacher_share=0.5)


def test_a_mean_of_heads_weighs_their_standardised_outputs():
    features = np.array([[0.0, 0], [2, 4], [4, 2]], np.float32)
    first = LinearHead(np.array([[3.0], [0]], np.float32), np.array([7.0], np.float32))
    second = LinearHead(np.array([[0.0], [-1]], np.float32), np.array([0.5], np.float32))
    mean = blended(first, second, 0.25, features).logits(features)[:, 0]
    spread = np.sqrt(8 / 3)  # of 0, 2, 4; the outputs are (x - 2) and -(y - 2) in units of it
    np.testing.assert_allclose(
        mean, 0.25 * np.array([-2, 0, 2]) / spread - 0.75 * np.array([-2, 2, 0]) / spread, atol=1e-6
    )

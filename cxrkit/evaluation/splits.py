"""Which splits a model has seen: by the names that people give them."""

from __future__ import annotations

import re

_TRAINING = re.compile(r"train|development|dev[ _-]?train", re.IGNORECASE)
_VALIDATION = re.compile(r"val|dev$|tun", re.IGNORECASE)
_CUT = re.compile(r"\(cut out of (\w+)\)")


def is_training(split: str) -> bool:
    """Whether a split is one that models learn from: train, training, train_val ..., in any case."""
    return _TRAINING.match(split.strip()) is not None


def is_validation(split: str) -> bool:
    """Whether a split is one that thresholds and epochs are chosen on: val, validation, dev, tune ..."""
    return not is_training(split) and _VALIDATION.match(split.strip()) is not None


def fitted_within(fit_split: str, split: str) -> bool:
    """Whether rows of `split` may be those that were fitted on, as a card calls them.

    ``"val"`` is found in ``"val"``, and ``"val (cut out of train)"`` in ``"train"`` and in itself.
    """
    cut = _CUT.search(fit_split)
    homes = (fit_split, cut[1]) if cut else (fit_split,)
    return split.strip().lower() in {home.strip().lower() for home in homes}

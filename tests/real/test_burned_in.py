"""Text drawn into real radiographs is found, and films without text are left alone: docs/decisions/0018.

Training and validation rows only. ``pytest -n 0 -s tests/real/test_burned_in.py`` prints the rates.
"""

import random
from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest

from cxrkit.imaging.burned_in import find_text
from tests.lettering import covered, letter_at_random

# Films of Montgomery carry a label, NIH's the word PORTABLE or a time: the other sets have next to no text.
BARE = ("JSRT", "Wingspan", "Shenzhen", "kermany")


def films(folder, query, count, name=None):
    table = pd.read_csv(folder / "index.csv", dtype=str).query(query)
    rows = table.sample(min(count, len(table)), random_state=0)["image"]
    for row in rows:
        path = folder / row if "/" in row else folder / "images" / row
        yield name, np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))


@pytest.fixture(scope="module")
def pictures(data_dir):
    """Set and grey levels of each film."""
    return [
        *films(data_dir / "cxr14", "split == 'val'", 200, "NIH"),
        *films(data_dir / "kermany", "split == 'train'", 200, "kermany"),
        *films(data_dir / "cxr_more", "dataset == 'JSRT'", 100, "JSRT"),
        *films(data_dir / "cxr_more", "dataset == 'Wingspan'", 100, "Wingspan"),
        *films(data_dir / "lungmasks", "dataset == 'Shenzhen'", 200, "Shenzhen"),
    ]


def text_in(levels):
    return find_text(levels.astype(np.float32) / 255)


def test_films_without_text_are_left_alone(pictures):
    seen, flagged = Counter(), Counter()
    for name, levels in pictures:
        seen[name] += 1
        flagged[name] += bool(text_in(levels))
    print({name: f"{flagged[name]} of {seen[name]}" for name in seen})
    bare = sum(seen[name] for name in BARE)
    assert bare == 600
    assert sum(flagged[name] for name in BARE) <= 6
    assert flagged["NIH"] >= 12  # by eye, 20 of the 185 show PORTABLE or SUPINE legibly


def test_drawn_text_is_found(pictures):
    chance = random.Random(0)
    tried, found, whole = Counter(), Counter(), 0
    for _, levels in chance.sample(pictures, 500):
        scale = 1024 / max(levels.shape)
        large = cv2.resize(levels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        drawn = letter_at_random(large, chance)
        if drawn is None:
            continue
        picture, ink, kind = drawn
        share = covered(ink, text_in(picture))
        whole += share > 0.95
        for key in ("all", ("size", kind["size"]), ("font", kind["font"]), ("bright", kind["bright"])):
            tried[key] += 1
            found[key] += share > 0.5
    print({key: f"{found[key]} of {tried[key]}" for key in sorted(tried, key=str)}, "whole:", whole)
    assert tried["all"] > 200
    assert found["all"] >= 0.95 * tried["all"]
    assert whole >= 0.9 * tried["all"]
    assert min(found[key] / tried[key] for key in tried) >= 0.85

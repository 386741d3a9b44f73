"""The checklist is whole, its pointers lead somewhere, and where there is a gap it says so."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from cxrkit.claim import ANSWERS, checklist
from tests.conftest import REPOSITORY


def test_all_44_items_are_answered_in_order() -> None:
    items = checklist().items
    assert [item.number for item in items] == list(range(1, 45))
    assert all(item.topic and item.words for item in items)
    assert set(Counter(item.answer for item in items)) == set(ANSWERS)


def test_every_pointer_leads_to_a_file() -> None:
    for item in checklist().items:
        assert item.where or item.answer in ("no", "not applicable"), item.number
        for path in item.where:
            assert (REPOSITORY / path).is_file(), path


def test_sections_are_not_torn_apart() -> None:
    sections = [item.section for item in checklist().items]
    changes = sum(a != b for a, b in pairwise(sections))
    assert changes == len(set(sections)) - 1

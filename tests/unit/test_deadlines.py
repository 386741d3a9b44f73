"""Deadlines that many share."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from cxrkit.imaging.deadlines import Deadlines


def test_what_takes_too_long_is_told_and_what_does_not_is_not():
    deadlines, met, late = Deadlines(), threading.Event(), threading.Event()
    with deadlines.within(0.2, met.set):
        pass
    with deadlines.within(0.05, late.set):
        assert late.wait(20)
    time.sleep(0.3)
    assert not met.is_set()


def test_an_earlier_one_does_not_wait_for_those_before_it():
    deadlines, late = Deadlines(), threading.Event()
    began = time.monotonic()
    with deadlines.within(60, pytest.fail), deadlines.within(30, pytest.fail), deadlines.within(0.05, late.set):
        assert late.wait(20)
    assert time.monotonic() - began < 20


def test_one_that_fails_does_not_cost_the_next(caplog):
    def fail() -> None:
        raise OSError

    deadlines, late = Deadlines(), threading.Event()
    with caplog.at_level(logging.ERROR), deadlines.within(0.01, fail), deadlines.within(0.05, late.set):
        assert late.wait(20)
    assert "what was to end at a deadline did not" in caplog.text


def test_many_take_one_thread():
    deadlines = Deadlines()
    before = threading.active_count()
    for _ in range(500):
        with deadlines.within(60, pytest.fail):
            pass
    assert threading.active_count() == before + 1

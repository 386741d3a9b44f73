"""Requests that are read together: none is lost or mistaken for another, and an error reaches the one it belongs to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrkit.errors import Overloaded
from cxrkit.serving.micro_batch import MicroBatch

POISON = -1.0


class Fake:
    """Doubles what it gets and keeps the sizes; with a picture of `POISON` in the batch it fails as a whole."""

    name, precision = "fake", "float32"

    def __init__(self, streams: int = 1) -> None:
        self.streams = streams
        self.sizes: list[int] = []
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()

    def features(self, tensor: np.ndarray) -> np.ndarray:
        self.entered.set()
        assert self.free.wait(10)
        if (tensor == POISON).any():
            raise ValueError("poison")
        self.sizes.append(len(tensor))
        return tensor * 2


def tensor(value: float, images: int = 1, side: int = 2) -> np.ndarray:
    return np.full((images, side, side, 3), value, np.float32)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5), st.integers(2, 3)), min_size=1, max_size=24))
def test_each_gets_its_own(requests: list[tuple[bool, int, int]]) -> None:
    fake = Fake()
    batch = MicroBatch(fake, most=4, patience=0.001)

    def ask(number: int) -> np.ndarray | str:
        poisoned, images, side = requests[number]
        try:
            return batch.features(tensor(POISON if poisoned else number, images, side))
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(ask, range(len(requests))))
    batch.close()
    for number, ((poisoned, images, side), answer) in enumerate(zip(requests, answers, strict=True)):
        if poisoned:
            assert answer == "poison"
        else:
            np.testing.assert_array_equal(answer, tensor(2 * number, images, side))
    assert sum(fake.sizes) == sum(images for poisoned, images, _ in requests if not poisoned)
    assert all(size <= 4 or any(images == size for _, images, _ in requests) for size in fake.sizes)


def wait_for(waiting: MicroBatch, count: int) -> None:
    deadline = threading.Event()
    while waiting._jobs.qsize() < count:
        assert not deadline.wait(0.002)


def test_what_gathers_during_a_pass_is_read_in_the_next_one() -> None:
    fake, seen = Fake(), []
    batch = MicroBatch(fake, on_batch=seen.append, patience=0)
    fake.free.clear()
    with ThreadPoolExecutor(30) as pool:
        first = pool.submit(batch.features, tensor(1))
        assert fake.entered.wait(10)
        others = [pool.submit(batch.features, tensor(n)) for n in range(20)]
        wait_for(batch, 20)
        fake.free.set()
        assert first.result(10).max() == 2
        assert [other.result(10).max() for other in others] == [2 * n for n in range(20)]
    batch.close()
    assert fake.sizes == seen == [1, 16, 4]


def test_a_full_queue_refuses_and_recovers() -> None:
    fake = Fake()
    batch = MicroBatch(fake, waiting=2, patience=0)
    fake.free.clear()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(batch.features, tensor(0))]
        assert fake.entered.wait(10)
        asked += [pool.submit(batch.features, tensor(n)) for n in (1, 2)]
        wait_for(batch, 2)
        with pytest.raises(Overloaded, match="wait to be read"):
            batch.features(tensor(3))
        fake.free.set()
        assert [answer.result(10).max() for answer in asked] == [0, 2, 4]
        assert batch.features(tensor(5)).max() == 10
    batch.close()


def test_closing_finishes_what_waits_and_refuses_what_follows() -> None:
    fake = Fake()
    batch = MicroBatch(fake, most=2, patience=0.05)
    fake.free.clear()
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(batch.features, tensor(n)) for n in range(5)]
        assert fake.entered.wait(10)
        wait_for(batch, 3)
        closing = pool.submit(batch.close)
        while not batch._closed:
            pass
        with pytest.raises(Overloaded):
            batch.features(tensor(9))
        fake.free.set()
        assert [answer.result(10).max() for answer in asked] == [2 * n for n in range(5)]
        closing.result(10)
    batch.close()  # twice is once


def test_one_copy_is_kept_alone() -> None:
    """A slice would keep the feature maps of the whole batch in memory for as long as one reading lives."""
    fake = Fake()
    batch = MicroBatch(fake, patience=0)
    fake.free.clear()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(batch.features, tensor(0))]
        assert fake.entered.wait(10)
        asked += [pool.submit(batch.features, tensor(n)) for n in (1, 2)]
        wait_for(batch, 2)
        fake.free.set()
        assert all(answer.result(10).base is None for answer in asked)
    batch.close()
    assert fake.sizes == [1, 2]


def test_a_runtime_with_two_streams_computes_two_batches_at_once() -> None:
    fake = Fake(streams=2)
    together = threading.Barrier(2)
    compute = fake.features

    def both(given: np.ndarray) -> np.ndarray:
        together.wait(10)  # fails unless another call is at work
        return compute(given)

    fake.features = both  # type: ignore[method-assign]
    batch = MicroBatch(fake, most=1, patience=0.0)
    assert batch.streams == 2
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda k: float(batch.features(tensor(k)).mean()), range(4)))
    batch.close()
    assert answers == [0.0, 2.0, 4.0, 6.0]

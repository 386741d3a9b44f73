"""Several untrusted files handed to a process at once: each has its own result, whatever happens to the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cxrkit.errors import CorruptFile, TooLarge, UnsupportedFormat
from cxrkit.imaging import worker
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_png
from cxrkit.imaging.worker import Pool
from cxrkit.imaging.worker_process import WorkerDefect, WorkerProcess
from cxrkit.radiograph import Radiograph
from tests.unit.test_decoding_worker import OBEDIENT, running, same

FILES = [phantom_png(seed, 64 + seed) for seed in range(4)]
UNTIL = "worker_child.prepare = worker_child.load_radiograph, 2**30, lambda: None"


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(command=running(OBEDIENT))
    yield made
    made.close()


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files went to a process each time."""
    numbers: list[int] = []
    load: Callable[..., list[Any]] = WorkerProcess.load

    def counted(self: WorkerProcess, files: Any, *rest: Any) -> list[Any]:
        numbers.append(len(files))
        return load(self, files, *rest)

    monkeypatch.setattr(WorkerProcess, "load", counted)
    return numbers


def several(pool: Pool, files: list[bytes]) -> list[Any]:
    return [*pool.load_several([(data, "x.png") for data in files])]


def right(results: list[Any], files: list[bytes]) -> bool:
    """Whether every picture is that of its file; of other files there must be an error."""
    assert len(results) == len(files)
    sound = [(result, data) for result, data in zip(results, files, strict=True) if data in FILES]
    assert sum(isinstance(result, Radiograph) for result in results) == len(sound)
    return all(same(result, load_radiograph(data)) for result, data in sound)


def test_each_has_its_own_result(pool: Pool, handed: list[int]) -> None:
    files = [FILES[0], b"neither", FILES[1], b"defect", FILES[2], FILES[3]]
    results = several(pool, files)
    assert right(results, files)
    assert isinstance(results[1], UnsupportedFormat)
    assert isinstance(results[3], WorkerDefect)
    assert handed == [6]
    assert several(pool, []) == []


def test_large_ones_go_alone(pool: Pool, handed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FEW_BYTES", len(FILES[0]) + len(FILES[1]))
    files = [FILES[0], FILES[1], b"x" * (worker.FEW_BYTES + 1), FILES[0]]
    assert right(several(pool, files), files)
    assert handed == [2, 1, 1]
    monkeypatch.setattr("cxrkit.imaging.decode.MAX_BYTES", worker.FEW_BYTES)
    assert isinstance(several(pool, files)[2], TooLarge)


def test_an_answer_ends_when_it_is_large_and_the_rest_is_asked_for_again(handed: list[int]) -> None:
    assert UNTIL in OBEDIENT
    hasty = Pool(command=running(OBEDIENT.replace(UNTIL, f"{UNTIL}\nworker_child.ENOUGH = 2 * 4 * 64**2")))
    try:
        assert right(several(hasty, FILES), FILES)
    finally:
        hasty.close()
    assert handed == [4, 2]


def test_a_crash_costs_the_others_nothing(pool: Pool, handed: list[int]) -> None:
    files = [FILES[0], FILES[1], b"crash", FILES[2]]
    results = several(pool, files)
    assert right(results, files)
    assert isinstance(results[2], CorruptFile)
    assert handed == [4, 1, 1, 1, 1]  # which of them it was is not known


def test_nor_does_an_endless_loop(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.load(FILES[0])
    monkeypatch.setattr(worker, "SECONDS", 1.5)
    results = several(pool, [b"loop", FILES[3]])
    assert isinstance(results[0], TooLarge)
    assert same(results[1], load_radiograph(FILES[3]))


def test_a_process_that_was_taken_over_speaks_for_no_other_file(pool: Pool) -> None:
    forged = b"say " + json.dumps([{"read": {}}, []]).encode()
    files = [FILES[0], forged, FILES[1]]
    results = several(pool, files)
    assert right(results, files)
    assert isinstance(results[1], CorruptFile)


@pytest.mark.parametrize("answers", ["{}", "[]", "[head, head, head]", "[1, 2]", "None"])
def test_another_number_of_answers_is_refused(answers: str) -> None:
    code = OBEDIENT.replace(
        "sys.exit(",
        f"""
def answers(files, alternatives):
    head, arrays = worker_child.answer(*files[0], alternatives)
    return {{"answers": {answers}}}, arrays
worker_child.answers = answers
sys.exit(""",
    )
    lying = Pool(command=running(code))
    try:
        for result in several(lying, FILES[:2]):
            assert isinstance(result, CorruptFile)
    finally:
        lying.close()


def test_answers_share_the_room_of_one(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    """Else a process that was taken over could fill the memory with as many pictures as it was handed files."""
    monkeypatch.setattr("cxrkit.imaging.worker_process.MOST_ANSWER", 4 * 100**2)
    answers: list[list[Any]] = []
    load: Callable[..., list[Any]] = WorkerProcess.load

    def kept(self: WorkerProcess, *rest: Any) -> list[Any]:
        answers.append(load(self, *rest))
        return answers[-1]

    monkeypatch.setattr(WorkerProcess, "load", kept)
    assert right(several(pool, FILES), FILES)
    assert [len(some) for some in answers] == [1, 1, 1, 1]  # that of four was refused

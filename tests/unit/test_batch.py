"""What a batch takes out of files and archives, and how a job keeps to its order, its limits and its promises."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrkit.errors import CorruptFile, CxrError, Overloaded, TooLarge
from cxrkit.evaluation.predictions import findings_of, probability_cells
from cxrkit.imaging import archive
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.model.manager import XRayModelManager
from cxrkit.radiograph import Radiograph
from cxrkit.serving import batch, batch_files, batch_job
from cxrkit.serving.batch import Contents, Source, contents, count_outcomes, files, read_file
from cxrkit.serving.batch_job import BatchJob, Progress

PICTURE, OTHER = phantom_png(seed=1, size=96), phantom_png(seed=2, size=96)
DICOM = phantom_dicom(size=96)
INDEX = phantom_dicom(size=96).replace(b"1.2.840.10008.5.1.4.1.1.1.1\0", b"1.2.840.10008.1.3.10\0\0\0\0\0\0\0\0")


@pytest.fixture(scope="module")
def manager(tiny_folder: Path) -> XRayModelManager:
    return XRayModelManager("tiny", folder=tiny_folder)


def zipped(*members: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", compression) as out:
        for place, member in enumerate(members):
            out.writestr(f"folder/{place}", member)
    return whole.getvalue()


def taken(data: bytes) -> list[object]:
    """Bytes, or the kinds of errors, that a file gives; their number is what was counted before."""
    found = list(files(Source(data)))
    assert contents(Source(data)).radiographs == len(found)
    return [f if isinstance(f, bytes) else type(f) for f in found]


def raising(error: Exception) -> CxrError:
    raise error


def test_a_plain_file_is_one_whatever_it_holds() -> None:
    assert taken(PICTURE) == [PICTURE]
    assert taken(b"") == [b""]


def test_an_archive_gives_its_pictures_in_order_and_counts_the_others() -> None:
    data = zipped(PICTURE, b"read me", OTHER, zipped(PICTURE))
    assert taken(data) == [PICTURE, OTHER]
    assert contents(Source(data)) == Contents(2, 2)


def test_of_an_archive_with_dicom_files_only_these_are_read_and_never_its_index() -> None:
    assert INDEX != DICOM
    data = zipped(PICTURE, DICOM, INDEX)
    assert taken(data) == [DICOM]
    assert contents(Source(data)) == Contents(1, 2)


def test_archives_that_give_nothing_say_why() -> None:
    (nothing,) = files(Source(zipped(b"read me")))
    assert "no radiograph" in str(nothing)
    assert taken(b"PK\x03\x04 and no more") == [CorruptFile]
    protected = bytearray(zipped(PICTURE))
    protected[protected.rindex(b"PK\x01\x02") + 8] |= 1
    (locked,) = files(Source(bytes(protected)))
    assert "password" in str(locked)


def test_a_damaged_member_costs_only_itself() -> None:
    data = bytearray(zipped(PICTURE, OTHER, PICTURE))
    at = data.index(OTHER) + len(OTHER) // 2
    data[at : at + 4] = bytes(b ^ 0xFF for b in data[at : at + 4])
    assert taken(bytes(data)) == [PICTURE, CorruptFile, PICTURE]


def test_a_member_that_is_too_large_is_told_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", len(PICTURE) + 100)
    assert taken(zipped(PICTURE, PICTURE + bytes(200), PICTURE)) == [PICTURE, TooLarge, PICTURE]


def test_an_archive_that_swells_is_left_where_it_passes_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_UNPACKED", 2 * len(PICTURE) + 600)
    found = list(files(Source(zipped(PICTURE, PICTURE, PICTURE, PICTURE))))
    assert found[:2] == [PICTURE, PICTURE]
    assert isinstance(found[2], TooLarge)
    assert len(found) == 3
    monkeypatch.undo()
    bomb = zipped(*[PICTURE + bytes(17 * 2**20)] * 2, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**17
    refused = list(files(Source(bomb)))
    assert isinstance(refused[0], TooLarge)  # more than 200 times what it was
    assert len(refused) == 1


def test_too_many_members_are_refused_before_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    assert taken(zipped(*[PICTURE] * 4)) == [TooLarge]


def test_a_row_holds_numbers_and_a_thumbnail_only(manager: XRayModelManager) -> None:
    row = read_file(manager, 7, PICTURE, load_radiograph)
    assert (row.number, row.outcome, row.sha256) == (7, "read", hashlib.sha256(PICTURE).hexdigest())
    assert (row.height, row.width, row.source_format) == (96, 96, "PNG")
    assert row.reading is not None
    assert dict(row.reading.prediction) == dict(manager.read(load_radiograph(PICTURE)).prediction)
    assert row.reading.explanations == {}
    assert row.reading.lungs is None
    held = [value for value in vars(row).values() if isinstance(value, (np.ndarray, Radiograph, bytes))]
    assert held == []
    assert 500 < len(row.thumbnail) < 6000


def test_errors_are_copied_without_the_frames_that_hold_the_file(manager: XRayModelManager) -> None:
    row = read_file(manager, 1, b"no radiograph", load_radiograph)
    assert row.outcome == "failed"
    assert row.error is not None
    assert row.error.__traceback__ is None
    assert row.error.__context__ is None
    assert "neither DICOM nor an image" in row.reason


def test_a_defect_is_raised_unless_somebody_turns_it_into_a_row(manager: XRayModelManager) -> None:
    def broken(data: bytes, *, name: str = "") -> Radiograph:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError):
        read_file(manager, 1, PICTURE, broken)
    row = read_file(manager, 1, PICTURE, broken, defect=lambda error: CxrError(type(error).__name__, "Report it."))
    assert row.reason == "RuntimeError Report it."


def test_the_table_is_a_predictions_table_once_labels_stand_beside_it(manager: XRayModelManager) -> None:
    rows = [read_file(manager, k, data, load_radiograph) for k, data in enumerate((PICTURE, b"x", OTHER), start=1)]
    table = pd.read_csv(io.BytesIO(batch_files.to_csv(rows, manager.preset)))
    for finding in manager.findings:
        table.insert(0, finding, [1.0, np.nan, 0.0])
    assert findings_of(table) == manager.findings
    shares = probability_cells(table, "Mass", table["Mass"].to_numpy())
    expected = [row.prediction["Mass"] for row in rows if row.prediction is not None]
    assert shares[[0, 2]].tolist() == expected
    assert np.isnan(shares[1])
    assert count_outcomes(rows) == {"read": 2, "refused": 0, "failed": 1}


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()


class Gate:
    """Loads a file whenever it is let through."""

    def __init__(self) -> None:
        self.turns = threading.Semaphore(0)
        self.calls = 0

    def __call__(self, data: bytes, *, name: str = "") -> Radiograph:
        self.calls += 1
        assert self.turns.acquire(timeout=20)
        return load_radiograph(data)


def test_rows_come_in_order_and_the_job_lets_go_of_what_it_read(manager: XRayModelManager) -> None:
    job = BatchJob(
        manager, manager.preset, [Source(PICTURE), Source(zipped(OTHER, b"x")), Source(DICOM)], load_radiograph, raising
    )
    assert job.state == "waiting"
    job.start()
    job.start()  # which changes nothing
    wait_for(lambda: job.state == "done")
    assert [row.sha256 for row in job.rows] == [hashlib.sha256(f).hexdigest() for f in (PICTURE, OTHER, DICOM)]
    assert [row.number for row in job.rows] == [1, 2, 3]
    assert job.progress.done == job.progress.total == 3
    assert job.passed_over == 1
    assert job._sources == []
    job.start()
    job.pause()
    assert job.state == "done"


def test_pause_finishes_the_file_and_start_goes_on_behind_it(manager: XRayModelManager) -> None:
    gate = Gate()
    job = BatchJob(manager, manager.preset, [Source(zipped(PICTURE, OTHER, PICTURE))], gate, raising)
    job.start()
    wait_for(lambda: gate.calls == 1)
    job.pause()
    job.start()  # before the first thread noticed: still one file at a time
    time.sleep(0.1)
    assert gate.calls == 1
    job.pause()
    gate.turns.release()
    wait_for(lambda: len(job.rows) == 1)
    time.sleep(0.1)
    assert gate.calls == 1
    gate.turns.release(2)
    job.start()
    wait_for(lambda: job.state == "done")
    assert [row.number for row in job.rows] == [1, 2, 3]
    assert gate.calls == 3


def test_cancel_keeps_the_rows_and_nothing_else(manager: XRayModelManager) -> None:
    gate = Gate()
    job = BatchJob(manager, manager.preset, [Source(PICTURE) for _ in range(4)], gate, raising)
    job.start()
    gate.turns.release(2)
    wait_for(lambda: gate.calls == 3)
    job.cancel()
    gate.turns.release(2)
    time.sleep(0.2)
    assert job.state == "cancelled"
    assert len(job.rows) == 2
    assert gate.calls == 3
    assert job._sources == []
    assert job._waiting is None
    job.start()
    assert job.state == "cancelled"


def test_a_job_reads_so_many_and_says_how_many_are_left(
    manager: XRayModelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_job, "MOST_ROWS", 3)
    job = BatchJob(
        manager,
        manager.preset,
        [Source(zipped(*[PICTURE] * 3)), Source(OTHER), Source(OTHER)],
        load_radiograph,
        raising,
    )
    job.start()
    wait_for(lambda: job.state == "done")
    assert len(job.rows) == job.progress.total == 3
    assert job.left_out == 2


class Busy:
    """Has no turn to give, so many times; then it loads."""

    def __init__(self, times: int) -> None:
        self.times, self.calls = times, 0

    def __call__(self, data: bytes, *, name: str = "") -> Radiograph:
        self.calls += 1
        if self.calls <= self.times:
            raise Overloaded("Others are being read.", "Try again.")
        return load_radiograph(data)


def test_a_file_that_waits_for_its_turn_is_read_later_and_never_called_unreadable(
    manager: XRayModelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_job, "AGAIN", 0.01)
    with pytest.raises(Overloaded):
        read_file(manager, 1, PICTURE, Busy(1), defect=raising)
    job = BatchJob(manager, manager.preset, [Source(zipped(PICTURE, OTHER))], Busy(3), raising)
    job.start()
    wait_for(lambda: job.state == "done")
    assert [row.outcome for row in job.rows] == ["read", "read"]
    assert [row.sha256 for row in job.rows] == [hashlib.sha256(f).hexdigest() for f in (PICTURE, OTHER)]


def test_pause_and_cancel_take_effect_while_a_file_waits_for_its_turn(
    manager: XRayModelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_job, "AGAIN", 60)  # so that only a stop ends the waiting
    load = Busy(1)
    job = BatchJob(manager, manager.preset, [Source(zipped(PICTURE, OTHER)), Source(DICOM)], load, raising)
    job.start()
    wait_for(lambda: load.calls == 1)
    job.pause()
    job.start()
    wait_for(lambda: job.state == "done")
    assert [row.sha256 for row in job.rows] == [hashlib.sha256(f).hexdigest() for f in (PICTURE, OTHER, DICOM)]
    assert [row.number for row in job.rows] == [1, 2, 3]
    load = Busy(1)
    job = BatchJob(manager, manager.preset, [Source(PICTURE)], load, raising)
    job.start()
    wait_for(lambda: load.calls == 1)
    job.cancel()
    wait_for(lambda: not job._turn.locked())
    assert (job.state, job.rows, job._waiting) == ("cancelled", (), None)


def test_an_archive_that_breaks_its_reader_is_one_row(
    manager: XRayModelManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(source: Source) -> object:
        if source.data == b"odd":
            raise RuntimeError("a defect")
        return iter([source.data])

    monkeypatch.setattr(batch_job, "files", broken)
    monkeypatch.setattr(batch_job, "contents", lambda source: broken(source) and Contents(1))
    odd = CxrError("An incident.", "Report it.")
    job = BatchJob(
        manager, manager.preset, [Source(PICTURE), Source(b"odd"), Source(OTHER)], load_radiograph, lambda _: odd
    )
    job.start()
    wait_for(lambda: job.state == "done")
    assert [row.outcome for row in job.rows] == ["read", "failed", "read"]
    assert [row.number for row in job.rows] == [1, 2, 3]


def test_rate_and_time_left_are_those_of_the_last_files() -> None:
    assert Progress(0, 0).share == 0.0
    assert Progress(0, 10).seconds_left is None
    progress = Progress(40, 100, (0.5, 0.25, 0.25, 1.0))
    assert progress.share == 0.4
    assert progress.rate == 2.0
    assert progress.seconds_left == 30.0
    assert Progress(10, 10, (1.0,)).seconds_left == 0.0


def test_the_bytes_of_a_batch_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_BYTES", 10)
    assert batch.too_many_bytes([Source(bytes(5)), Source(bytes(5))]) is None
    assert isinstance(batch.too_many_bytes([Source(bytes(5)), Source(bytes(6))]), TooLarge)

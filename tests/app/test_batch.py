"""The Batch page: many files and archives at once, a row for each, cancelling, filters and what can be saved."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard import intake
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.reading import DISCLAIMER
from cxrkit.serving import batch as batch_rows
from cxrkit.serving import batch_files
from cxrkit.serving.batch_job import BatchJob
from tests.app.conftest import page_text
from tests.app.test_read_films import address

SECRET = "Doe_Jane_4711"
PHANTOM = phantom_png(size=128)
LYING = b"%PDF-1.7 a report"


def zipped(*members: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for place, member in enumerate(members):
            archive.writestr(f"{SECRET}/{place}", member)
    return whole.getvalue()


@pytest.fixture
def page(app: AppTest) -> AppTest:
    return app.switch_page("pages/batch.py").run()


@pytest.fixture
def put(page: AppTest) -> Callable[..., AppTest]:
    """Upload files and look again until they are read."""

    def put(*files: bytes, wait: bool = True) -> AppTest:
        page.file_uploader[0].set_value(
            [(f"{SECRET}_{k}.dcm", f, "application/octet-stream") for k, f in enumerate(files)]
        )
        page.run()
        until = time.monotonic() + 40
        while wait and job_of(page).state == "running" and time.monotonic() < until:
            time.sleep(0.1)
        return page.run() if wait else page

    return put


def job_of(page: AppTest) -> BatchJob:
    job: BatchJob = page.session_state["batch_job"]
    return job


def table(page: AppTest) -> pd.DataFrame:
    (shown,) = page.dataframe
    return shown.value


def button(page: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(b for b in page.button if b.label == label)


def test_page_starts_with_what_it_does(page: AppTest) -> None:
    assert not page.exception
    text = page_text(page)
    assert "Drop many radiographs above" in text
    assert "Not a medical device" in text
    assert not page.dataframe


def test_every_file_has_a_row_and_a_failure_its_reason(put: Callable[..., AppTest]) -> None:
    page = put(PHANTOM, LYING, zipped(phantom_png(seed=2, size=128), b"read me", phantom_png(seed=3, size=128)))
    assert not page.exception
    shown = table(page)
    assert shown["No."].tolist() == [1, 2, 3, 4]
    assert shown["Outcome"].tolist() == ["Read", "Not readable", "Read", "Read"]
    assert "The file is a PDF document, not a radiograph" in shown["Past, or why not read"][1]
    assert shown["File sha256"].tolist()[:2] == [hashlib.sha256(f).hexdigest()[:12] for f in (PHANTOM, LYING)]
    assert shown["Picture"].notna().tolist() == [True, False, True, True]
    assert shown["Picture"][0].startswith("data:image/jpeg;base64,")
    for label in ("Pneumonia", "Pleural effusion", "Mass"):
        assert shown[label].notna().tolist() == [True, False, True, True]
        assert shown[label].dropna().between(0, 100).all()
    text = page_text(page)
    assert "3 read, 0 refused, 1 not readable." in text
    assert '<th scope="row">2</th><td>Not readable</td><td>The file is a PDF document' in text
    assert "Other files in archives, passed over: 1." in text
    assert SECRET not in text + shown.to_csv()


def test_the_numbers_are_those_of_read(put: Callable[..., AppTest], app: AppTest) -> None:
    page = put(PHANTOM)
    by_batch = job_of(page).rows[0].prediction
    assert by_batch
    app.switch_page("pages/read.py").run()
    app.file_uploader[0].set_value(("a.png", PHANTOM, "image/png")).run()
    assert f'class="cx-p">{100 * by_batch["Pneumonia"]:.1f} %' in page_text(app)


def test_a_refused_picture_has_its_reason_and_no_numbers(put: Callable[..., AppTest]) -> None:
    lateral = phantom_dicom(size=128, attributes={"ViewPosition": "LL"})
    page = put(PHANTOM, lateral)
    shown = table(page)
    assert shown["Outcome"].tolist() == ["Read", "Refused"]
    assert "lateral view" in shown["Past, or why not read"][1]
    assert pd.isna(shown["Mass"][1])
    for write in (batch_files.to_csv, batch_files.to_parquet):
        rows = job_of(page).rows
        data = io.BytesIO(write(rows, job_of(page).preset))
        read = pd.read_csv(data) if write is batch_files.to_csv else pd.read_parquet(data)
        assert read["outcome"].tolist() == ["read", "refused"]
        assert read["prob_Mass"].isna().tolist() == [False, True]


def test_filters_by_finding_and_operating_point(put: Callable[..., AppTest]) -> None:
    page = put(*(phantom_png(seed=k, size=128) for k in range(6)), LYING)
    chosen = page.segmented_control[0]
    finding = page.selectbox(key=f"batch_finding_{job_of(page).key}")
    assert finding.options[0] == "Any finding"
    values = table(page)["Pneumonia"].dropna() / 100
    page.radio[0].set_value("custom").run()
    finding.set_value("Pneumonia").run()
    shares = table(page)["Pneumonia"].dropna().tolist()
    assert shares == sorted(shares, reverse=True)  # the chosen finding sorts the rows
    middle = sorted(values)[3]
    page.session_state["custom_thresholds"] = {"mixed": {"Pneumonia": float(middle)}}
    chosen.set_value("past").run()
    assert len(table(page)) == sum(values >= middle) == 3
    assert (table(page)["Pneumonia"] / 100 >= middle - 1e-9).all()
    chosen.set_value("below").run()
    assert len(table(page)) == sum(values < middle) == 3
    chosen.set_value("failed").run()
    assert table(page)["No."].tolist() == [7]
    assert "Mass" not in table(page).columns  # reasons have the room
    chosen.set_value("refused").run()
    assert table(page).empty


def test_downloads_parse_back(put: Callable[..., AppTest]) -> None:
    page = put(PHANTOM, LYING)
    assert {d.label for d in page.get("download_button")} == {"CSV", "Parquet", "JSON"}
    job = job_of(page)
    csv = pd.read_csv(io.BytesIO(batch_files.to_csv(job.rows, job.preset)))
    parquet = pd.read_parquet(io.BytesIO(batch_files.to_parquet(job.rows, job.preset)))
    document = json.loads(batch_files.to_json(job.rows, job.preset))
    prediction = job.rows[0].prediction
    assert prediction
    for finding in ("Effusion", "Mass", "Pneumonia"):
        expected = prediction.score(finding)
        assert csv[f"prob_{finding}"][0] == parquet[f"prob_{finding}"][0] == expected.probability
        assert csv[f"logit_{finding}"][0] == parquet[f"logit_{finding}"][0] == expected.logit
        assert document["rows"][0]["findings"][finding]["probability"] == expected.probability
    assert csv["sha256"].tolist() == [hashlib.sha256(f).hexdigest() for f in (PHANTOM, LYING)]
    assert document["disclaimer"] == DISCLAIMER
    assert document["weights_sha256"] == job.preset.weights_sha256
    assert "PDF document" in document["rows"][1]["error"]["message"]
    assert "findings" not in document["rows"][1]
    points = document["rows"][0]["findings"]["Pneumonia"]["operating_points"]
    assert points["youden"]["positive"] == (prediction["Pneumonia"] >= 0.5)
    for text in (csv.to_csv(), parquet.to_csv(), json.dumps(document)):
        assert SECRET not in text


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Files are read only as this is released."""
    turns = threading.Semaphore(0)
    load = intake.load_untrusted

    def waiting(data: bytes, *, name: str = ""):  # type: ignore[no-untyped-def]
        assert turns.acquire(timeout=30)
        return load(data, name=name)

    monkeypatch.setattr(intake, "load_untrusted", waiting)
    return turns


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    assert condition()


def test_progress_is_shown_and_cancel_keeps_what_is_done(
    put: Callable[..., AppTest], held: threading.Semaphore
) -> None:
    page = put(*(phantom_png(seed=k, size=128) for k in range(5)), wait=False)
    job = job_of(page)
    held.release(2)
    wait_for(lambda: len(job.rows) == 2)
    page.run()
    (bar,) = page.get("progress")
    assert "2 of 5 files" in bar.proto.text
    assert "per second" in bar.proto.text
    assert bar.proto.value == 40
    assert table(page)["No."].tolist() == [2, 1]  # the latest first
    assert page.file_uploader[0].disabled
    button(page, "Cancel").click().run()
    held.release(3)
    assert job.state == "cancelled"
    assert "Cancelled after 2 of 5 files: the rows so far are kept." in page_text(page)
    assert table(page)["No."].tolist() == [1, 2]
    time.sleep(0.5)
    assert len(job.rows) == 2  # the one that was being read is dropped, the others never were
    assert "Cancel" not in {b.label for b in page.button}


def test_clear_patient_stops_and_empties(put: Callable[..., AppTest], held: threading.Semaphore) -> None:
    page = put(PHANTOM, PHANTOM, PHANTOM, wait=False)
    job = job_of(page)
    held.release(1)
    wait_for(lambda: len(job.rows) == 1)
    page.run()
    button(page, "Clear patient").click().run()
    held.release(2)
    assert job.state == "cancelled"
    assert "batch_job" not in page.session_state
    assert not page.dataframe
    assert "Drop many radiographs above" in page_text(page)
    time.sleep(0.3)
    assert len(job.rows) == 1


def test_clear_patient_on_read_empties_the_batch_too(put: Callable[..., AppTest], app: AppTest) -> None:
    put(PHANTOM)
    app.switch_page("pages/read.py").run()
    button(app, "Synthetic phantom").click().run()
    assert "batch_job" in app.session_state  # another patient on Read is none of the batch's business
    button(app, "Clear patient").click().run()
    assert "batch_job" not in app.session_state


def test_work_goes_on_on_another_page(put: Callable[..., AppTest], held: threading.Semaphore, app: AppTest) -> None:
    page = put(PHANTOM, PHANTOM, wait=False)
    app.switch_page("pages/model_info.py").run()
    held.release(2)
    wait_for(lambda: job_of(page).state == "done")
    app.switch_page("pages/batch.py").run()
    assert len(table(app)) == 2


def test_a_lost_connection_pauses_and_coming_back_goes_on(
    put: Callable[..., AppTest], held: threading.Semaphore
) -> None:
    import streamlit as st

    page = put(PHANTOM, PHANTOM, PHANTOM, wait=False)
    job = job_of(page)
    held.release(1)
    wait_for(lambda: len(job.rows) == 1)
    st.cache_resource.clear()  # what Streamlit does to a session's caches when its browser goes
    assert job.state == "paused"
    held.release(2)
    wait_for(lambda: len(job.rows) == 2)  # the file that was being read is finished, no other is begun
    time.sleep(0.3)
    assert len(job.rows) == 2
    page.run()
    wait_for(lambda: job.state == "done")
    assert [row.number for row in job.rows] == [1, 2, 3]


def test_too_many_files_are_said_to_be_left_out(put: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxrkit.serving.batch_job.MOST_ROWS", 2)
    monkeypatch.setattr("cxrkit.dashboard.batch_view.MOST_ROWS", 2)
    page = put(zipped(*(phantom_png(seed=k, size=128) for k in range(5))))
    assert len(table(page)) == 2
    assert "3 more files were not read: a batch takes 2." in page_text(page)


def test_too_many_bytes_make_no_batch(put: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_rows, "MOST_BYTES", 1000)
    page = put(PHANTOM, wait=False)
    assert any("MB together" in error.value for error in page.error)
    assert "batch_job" not in page.session_state
    button(page, "Clear patient").click().run()
    assert not page.error


def test_a_defect_is_one_row_with_an_incident(
    put: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(data: bytes, *, name: str = "") -> None:
        raise RuntimeError(f"cannot read {name}")

    monkeypatch.setattr(intake, "load_untrusted", broken)
    page = put(PHANTOM, PHANTOM)
    reasons = table(page)["Past, or why not read"].tolist()
    assert len(reasons) == 2
    assert all("incident" in reason for reason in reasons)
    assert SECRET not in caplog.text + "".join(reasons)


def test_another_preset_leaves_the_table_as_it_was_read(put: Callable[..., AppTest]) -> None:
    page = put(PHANTOM)
    page.selectbox(key="chosen_preset").set_value("single").run()
    assert not page.exception
    assert "not with the model that is now chosen in the sidebar" in page_text(page)
    assert {"Pneumonia", "Mass"} <= set(table(page).columns)


def test_the_job_lets_go_of_files_that_were_read(put: Callable[..., AppTest]) -> None:
    page = put(PHANTOM, zipped(PHANTOM))
    job = job_of(page)
    assert job._sources == []
    assert job._waiting is None
    for row in job.rows:
        assert row.reading is not None
        assert row.reading.explanations == {}
        assert row.reading.lungs is None
        assert len(row.thumbnail) < 6000


def test_the_operating_point_stands_in_the_address(page: AppTest) -> None:
    page.radio[0].set_value("screening").run()
    assert address(page)["rule"] == "screening"

"""The Read page: a real upload through the field, the reading, the sidebar, and errors that leave it usable."""

from __future__ import annotations

import dataclasses
import functools
import gc
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from cxrkit.imaging import worker
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from tests.app.conftest import page_text
from tests.conftest import REPOSITORY

Upload = Callable[[AppTest, bytes, str], AppTest]
IDENTITY = {"PatientName": "Doe^Jane", "PatientID": "4711", "PatientAge": "003Y"}


def rows(app: AppTest) -> list[str]:
    """HTML of the findings' rows, in the order of the page."""
    return [h.proto.body for h in app.get("html") if 'class="cx-row' in h.proto.body]


def name_of(row: str) -> str:
    found = re.search(r'class="cx-name">([^<]+)<', row)
    assert found
    return found[1]


def button(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(b for b in app.button if b.label == label)


def test_page_starts_with_notice_disclaimer_and_no_reading(app: AppTest) -> None:
    assert not app.exception
    text = page_text(app)
    assert "Demonstration weights: random." in text
    assert "scripts/train.py" in text
    assert "Not a medical device" in text
    assert rows(app) == []


@pytest.mark.parametrize("kind", ["png", "dicom"])
def test_upload_gives_a_reading(app: AppTest, upload: Upload, kind: str) -> None:
    data = phantom_png(size=256) if kind == "png" else phantom_dicom(size=256)
    upload(app, data, "scan")  # a name without extension
    assert not app.exception
    assert not app.error
    assert [name_of(r) for r in rows(app)] == ["Pneumonia", "Pleural effusion", "Mass"]
    assert len(app.get("plotly_chart")) == 1
    assert {d.label for d in app.get("download_button")} == {"PNG", "JSON", "PDF", "HTML"}


def test_map_is_captioned_and_its_absence_is_said(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")  # nothing in it speaks for pneumonia to this network
    assert "<b>Pneumonia: no positive evidence.</b>" in page_text(app)
    assert "where the model looked" not in page_text(app)
    assert "{ opacity: 0.45 !important; }" not in page_text(app)
    spec = app.get("plotly_chart")[0].proto.spec
    assert len(json.loads(spec)["layout"]["images"]) == 3  # the radiograph and the two maps with evidence
    button(app, "Show Mass on the radiograph").click().run()
    assert "4 x 4: where the model looked, not the outline of a lesion" in page_text(app)
    assert "image:nth-of-type(3) { opacity: 0.45 !important; }" in page_text(app)
    assert app.get("plotly_chart")[0].proto.spec == spec  # an unchanged chart keeps its zoom


def test_nothing_of_name_or_identity_is_shown(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_dicom(size=256, attributes=IDENTITY), "Doe_Jane_4711.dcm")
    assert rows(app)
    text = page_text(app) + "".join(d.proto.SerializeToString().decode("latin1") for d in app.get("download_button"))
    for secret in ("Doe", "Jane", "4711"):
        assert secret not in text


def test_age_outside_the_training_population_is_warned_of(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_dicom(size=256, attributes=IDENTITY), "a.dcm")
    assert any("age band" in w.value and "1\\-5" in w.value for w in app.warning)


def test_supported_findings_come_first_and_others_are_never_positive(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    by_name = {name_of(r): r for r in rows(app)}
    assert "is-unsupported" not in by_name["Pneumonia"]
    for name in ("Mass", "Pleural effusion"):
        assert "is-unsupported" in by_name[name]
        assert "is-past" not in by_name[name]
    assert "no operating point" in by_name["Pleural effusion"]
    assert "Not supported" in page_text(app)
    assert "Stated at the prevalence of a made-up release" in page_text(app).replace("\\", "")  # Markdown's escapes


def test_operating_point_moves_threshold_and_predictive_values(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    assert "<dt>Threshold</dt><dd>50.0 %</dd>" in page_text(app)
    app.radio[0].set_value("screening").run()
    text = page_text(app)
    assert "<dt>Threshold</dt><dd>30.0 %</dd>" in text
    assert "<dt>n (positive)</dt><dd>200 (60)</dd>" in text
    app.slider(key="prevalence_mixed_Pneumonia").set_value(10.0).run()
    # sensitivity .8, specificity .7 at 10 %: PPV .08 / .35, NPV .63 / .65
    text = page_text(app)
    assert "<dd>22.9 %</dd>" in text
    assert "<dd>96.9 %</dd>" in text


def test_prevalence_starts_where_probabilities_are_stated(app: AppTest) -> None:
    assert app.slider(key="prevalence_mixed_Pneumonia").value == 10.0


def test_custom_threshold_claims_no_rates(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    app.radio[0].set_value("custom").run()
    text = page_text(app)
    assert "are not known" in text
    assert "<dt>Sensitivity</dt>" not in text
    app.select_slider[0].set_value(0.001).run()
    assert "past 0.10 %" in rows(app)[0]
    assert "is-past" in rows(app)[0]
    app.select_slider[0].set_value(0.99).run()
    assert "below 99.0 %" in rows(app)[0]
    assert "is-past" not in rows(app)[0]


def test_custom_threshold_states_what_it_gave_on_validation(app: AppTest, upload: Upload) -> None:
    app.selectbox(key="chosen_preset").set_value("single").run()
    app.radio[0].set_value("custom").run()
    # above .25 lie three of the four positives and three of the four negatives
    app.select_slider[0].set_value(0.25).run()
    text = page_text(app)
    assert "<dt>Sensitivity</dt><dd>75.0 %</dd>" in text
    assert "<dt>Specificity</dt><dd>25.0 %</dd>" in text
    assert "<dt>n (positive)</dt><dd>8 (4)</dd>" in text
    for word in ("Threshold", "Sensitivity", "Specificity", "Fitted on split", "n (positive)", "PPV", "NPV"):
        assert re.search(rf"<dt>{re.escape(word)}</dt><dd>[A-Z][^<]{{20,}}\.</dd>", text), word


def test_a_row_chooses_the_map_and_the_sidebar_follows(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    button(app, "Show Mass on the radiograph").click().run()
    assert app.selectbox(key="map_mixed_Mass").value == "Mass"
    assert "Mass at this operating point" in page_text(app)
    assert "Not supported: too few cases" in page_text(app)
    app.selectbox(key="map_mixed_Mass").set_value("Pneumonia").run()
    assert "Pneumonia at this operating point" in page_text(app)
    assert "is-shown" in rows(app)[0]


def test_preset_switch_reads_the_same_radiograph_again(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    app.selectbox(key="chosen_preset").set_value("single").run()
    assert not app.exception
    assert [name_of(r) for r in rows(app)] == ["Pneumonia"]
    assert "calibrated on: val (30.0 %)" in page_text(app).replace("\\", "")


def test_presets_of_one_title_are_told_apart_by_name(
    app_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        shutil.copytree(app_folder / "single", tmp_path / name)
        dataclasses.replace(Preset.load(app_folder / "single"), name=name).save(tmp_path / name)
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", tmp_path)
    st.cache_resource.clear()
    app = AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=60).run()
    model = app.selectbox(key="chosen_preset")
    assert [label.rsplit(": ")[-1] for label in model.options] == ["first", "second"]
    assert model.select_index(1).run().selectbox(key="chosen_preset").value == "second"
    st.cache_resource.clear()


def test_phantom_is_one_click(app: AppTest) -> None:
    button(app, "Synthetic phantom").click().run()
    assert len(rows(app)) == 3
    assert "Synthetic picture, not a patient." in page_text(app)


def test_unreadable_upload_shows_message_and_remedy_and_the_page_stays_usable(app: AppTest, upload: Upload) -> None:
    upload(app, b"%PDF-1.7 a report", "report.dcm")
    assert not app.exception
    assert rows(app) == []
    (error,) = app.error
    assert "The file is a PDF document, not a radiograph" in error.value.replace("\\", "")
    assert "Export the radiograph itself" in error.value
    upload(app, phantom_png(size=256), "a.png")
    assert not app.error
    assert len(rows(app)) == 3


def test_a_failed_upload_never_leaves_the_previous_patient_on_the_page(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=256), "a.png")
    upload(app, b"", "b.dcm")
    assert app.error
    assert rows(app) == []


def test_a_film_whose_turn_does_not_come_says_what_to_do_and_may_be_dropped_again(
    app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = worker.Pool(most=1)
    busy._turns.acquire()
    load = functools.partial(worker.load_untrusted_with_alternatives, seconds=0.05)
    with monkeypatch.context() as patch:
        patch.setattr(worker, "_pool", busy)
        patch.setattr("cxrkit.dashboard.intake.load_untrusted_with_alternatives", load)
        upload(app, phantom_png(size=256), "a.png")
    (error,) = app.error
    assert "others are being read" in error.value
    assert "Try again in a minute" in error.value
    assert rows(app) == []
    upload(app, phantom_png(size=256), "a.png")
    assert not app.error
    assert len(rows(app)) == 3
    busy.close()


def test_defect_shows_an_incident_number_and_logs_no_identity(
    app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(data: bytes, *, name: str) -> None:
        raise RuntimeError(f"cannot read {name}")

    monkeypatch.setattr("cxrkit.dashboard.intake.load_untrusted_with_alternatives", broken)
    upload(app, phantom_png(size=256), "Doe_Jane.png")
    (error,) = app.error
    number = re.search(r"incident ([0-9a-f]{8})", error.value)
    assert number
    assert number[1] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "Doe" not in caplog.text + page_text(app)


def test_defect_while_reading_shows_an_incident_number(
    app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("cxrkit.dashboard.services.readings.read", broken)
    upload(app, phantom_png(size=256), "a.png")
    (error,) = app.error
    assert "incident" in error.value
    assert "secret" not in error.value


def test_clear_patient_forgets_radiographs_readings_and_files(
    app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxrkit.model.manager import XRayModelManager

    calls: list[str] = []
    read = XRayModelManager.read
    monkeypatch.setattr(XRayModelManager, "read", lambda m, r, **how: (calls.append(r.sha256), read(m, r, **how))[1])
    upload(app, phantom_png(size=256), "a.png")
    app.radio[0].set_value("screening").run()
    assert len(calls) == 1  # a rerun does not infer again
    button(app, "Clear patient").click().run()
    assert rows(app) == []
    assert "films" not in app.session_state
    assert "Clear patient" not in {b.label for b in app.button}
    upload(app, phantom_png(size=256), "a.png")
    assert len(calls) == 2  # the reading itself was forgotten too


def test_uploaded_bytes_are_let_go_at_once(app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    remove = MemoryUploadedFileManager.remove_file
    monkeypatch.setattr(
        MemoryUploadedFileManager,
        "remove_file",
        lambda manager, session_id, file_id: (removed.append(file_id), remove(manager, session_id, file_id))[1],
    )
    upload(app, phantom_png(size=128), "a.png")
    assert len(removed) == 1
    assert app.file_uploader[0].value == []  # a new, empty field: no file name stays on the page
    upload(app, b"not an image", "b.png")
    assert len(removed) == 2


def test_reading_and_choices_survive_a_visit_to_another_page(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=128), "a.png")
    app.radio[0].set_value("rule-in").run()
    app.toggle(key="map_contour").set_value(False).run()
    app.switch_page("pages/model_info.py").run()
    app.switch_page("pages/read.py").run()
    assert len(rows(app)) == 3
    assert app.radio[0].value == "rule-in"
    assert app.toggle(key="map_contour").value is False


def test_what_tensorflow_has_prepared_is_kept_between_runs(
    app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit clears the session of Keras after each run, which costs the next reading most of a second."""
    import keras

    cleared: list[None] = []
    monkeypatch.setattr(keras.backend, "clear_session", lambda: cleared.append(None))
    upload(app, phantom_png(size=128), "a.png")
    assert cleared == []


def test_libraries_are_exempt_from_the_collection_of_garbage_after_every_run(app: AppTest, upload: Upload) -> None:
    upload(app, phantom_png(size=128), "a.png")
    assert gc.get_freeze_count() > 100_000


def test_choices_survive_where_two_pages_show_the_same_field(app: AppTest, upload: Upload) -> None:
    """To Streamlit they are two fields, and the second one would come up at its first option."""
    upload(app, phantom_png(size=128), "a.png")
    for page in ("compare", "batch", "compare", "read"):
        app.switch_page(f"pages/{page}.py").run()
        assert app.radio[0].value == "youden"
        assert app.selectbox(key="chosen_preset").value == "mixed"
    app.radio[0].set_value("rule-in").run()
    app.switch_page("pages/batch.py").run()
    assert app.radio[0].value == "rule-in"


def test_only_the_radiograph_that_is_shown_is_kept(app: AppTest, upload: Upload) -> None:
    seen = []
    for seed in (0, 1):
        upload(app, phantom_png(seed=seed, size=128), "a.png")
        seen.append(app.session_state["films"][0].radiograph.sha256)
    assert seen[0] != seen[1]
    held = [app.session_state[key] for key in app.session_state]
    assert not any(isinstance(value, Radiograph) for value in held)
    assert [film.radiograph.sha256 for film in app.session_state["films"]] == [seen[1]]
    upload(app, b"no radiograph at all", "a.png")
    assert [film.radiograph for film in app.session_state["films"]] == [None]


def test_map_controls_do_not_infer_again(app: AppTest, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(app, phantom_png(size=256), "a.png")
    button(app, "Show Mass on the radiograph").click().run()
    monkeypatch.setattr(
        "cxrkit.model.manager.XRayModelManager.read", lambda *_: pytest.fail("a slider must not infer again")
    )
    app.slider(key="map_opacity").set_value(90).run()
    assert "{ opacity: 0.90 !important; }" in page_text(app)
    assert not app.error


def test_a_broken_preset_is_named_and_leaves_the_others_usable(
    app_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: AppTest
) -> None:
    shutil.copytree(app_folder / "single", tmp_path / "single")
    shutil.copytree(app_folder / "single", tmp_path / "copied")  # under the name of another
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "preset.json").write_text('{"name": "torn"')
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", tmp_path)
    app.run()
    assert not app.error
    assert app.selectbox(key="chosen_preset").value == "single"
    copied, torn = (warning.value.replace("\\", "") for warning in app.sidebar.warning)
    assert "left out" in copied
    assert "The folder 'copied' holds the card of a preset named 'single'" in copied
    assert "The card of preset 'torn' is malformed" in torn
    assert "Restore preset.json" in torn
    button(app, "Synthetic phantom").click().run()
    assert len(rows(app)) == 1
    shutil.rmtree(tmp_path / "single")
    app.run()
    assert "The folder 'copied'" in app.error[0].value.replace("\\", "")


def test_no_preset_is_an_error_with_its_remedy(tmp_path, monkeypatch: pytest.MonkeyPatch, app: AppTest) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", tmp_path)
    app.run()
    assert "no preset" in app.error[0].value
    assert "scripts/train" in app.error[0].value

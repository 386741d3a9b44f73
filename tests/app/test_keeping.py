"""Every page where nothing can be written: it reads, or says why not; with a filled cache there is nothing to say."""

from __future__ import annotations

import errno
import io
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard.services import models as model_services
from cxrkit.imaging.phantom import phantom_png
from cxrkit.lung_card import LUNGS, load_card
from cxrkit.model import lungs, unkept
from cxrkit.model.compiled import Blueprint, compiled_form
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER
from cxrkit.serving import batch_files
from cxrkit.serving.batch_job import BatchJob
from tests.app.conftest import page_text
from tests.conftest import REPOSITORY

PAGES = ("read", "compare", "batch", "thresholds", "model_info", "learn")
SENTENCE = "compiled anew at every start of the server"
CURE = "let CXRKIT_CACHE name a folder that can be written to"


@pytest.fixture(scope="module")
def filled(app_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with all that the presets of these tests are read with."""
    cache = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXRKIT_CACHE", str(cache))
        for name in ("mixed", "single"):
            compiled_form(Blueprint.of(Preset.load(app_folder / name)), to_keep=True)
        card = load_card(LUNGS)
        assert card is not None
        compiled_form(Blueprint.of_lungs(card, LUNGS), to_keep=True)
    return cache


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A folder below a file, which not even an administrator can make."""
    (tmp_path / "file").write_text("no folder")
    return tmp_path / "file" / "cache"


@pytest.fixture
def dashboard(app_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """A server that has just started, before its first page."""
    monkeypatch.setattr("cxrkit.preset_folders.WEIGHTS", app_folder)
    st.cache_resource.clear()
    lungs._finder.cache_clear()
    yield AppTest.from_file(str(REPOSITORY / "streamlit_app.py"), default_timeout=60)
    st.cache_resource.clear()
    lungs._finder.cache_clear()


@pytest.fixture(scope="module")
def forgetful() -> Iterator[None]:
    """What these tests compile is forgotten after them, and once among them suffices."""
    unkept.forget()
    yield
    unkept.forget()


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


def nothing_is_written(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Read with this cache from now on; root may write anywhere, so nothing may even try."""
    unkept.forget()
    monkeypatch.setenv("CXRKIT_CACHE", str(cache))
    monkeypatch.setattr(Path, "mkdir", no_room)
    for name in ("mkdtemp", "mkstemp", "TemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, no_room)


def turn_to(dashboard: AppTest, page: str) -> AppTest:
    return dashboard.run().switch_page(f"pages/{page}.py").run()


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("page", PAGES)
def test_without_a_place_for_the_compiled_form_every_page_works_and_says_what_it_costs(
    page: str, dashboard: AppTest, unwritable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXRKIT_CACHE", str(unwritable))
    shown = turn_to(dashboard, page)
    text = page_text(shown)
    assert not shown.exception
    assert not shown.error
    assert DISCLAIMER in text
    (line,) = [c for c in shown.sidebar.caption if SENTENCE in c.value]
    assert line.value.startswith("Read with OpenVINO, ")
    assert "s): its cache folder cannot be written to." in line.value.replace("\\", "")
    assert CURE in line.help.replace("\\", "")
    assert (CURE in text) == (page == "model_info")  # else to whoever asks the line
    assert str(unwritable) not in text + line.help


@pytest.mark.usefixtures("forgetful")
def test_a_radiograph_is_read_and_how_long_compiling_took_is_said(
    dashboard: AppTest, unwritable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXRKIT_CACHE", str(unwritable))
    shown = dashboard.run()
    shown.file_uploader[0].set_value(("a.png", phantom_png(size=128), "image/png")).run()
    assert page_text(shown).count('class="cx-row ') == 3
    key = Blueprint.of(model_services.presets()["mixed"], to_build=False).key
    assert unkept.seconds_of(key) is not None
    (line,) = [c.value for c in shown.sidebar.caption if SENTENCE in c.value]
    assert "some seconds" not in line


@pytest.mark.parametrize("page", PAGES)
def test_where_not_even_a_temporary_folder_is_left_pages_that_read_say_so_and_the_others_work(
    page: str, dashboard: AppTest, unwritable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unkept.forget()
    monkeypatch.setenv("CXRKIT_CACHE", str(unwritable))
    monkeypatch.setattr(tempfile, "tempdir", str(unwritable))
    shown = turn_to(dashboard, page)
    text = page_text(shown)
    assert not shown.exception
    assert DISCLAIMER in text
    assert SENTENCE not in text
    if page == "thresholds":  # takes no model
        assert not shown.error
    elif page == "model_info":
        assert not shown.error
        assert "nothing can be read here" in text
        assert CURE in text
    else:
        (error,) = shown.error
        assert "neither the cache nor the system's temporary folder can be written to" in error.value.replace("\\", "")
        assert "Let CXRKIT_CACHE name a folder" in error.value.replace("\\", "")
        assert "incident" not in error.value


@pytest.mark.parametrize("page", PAGES)
def test_a_filled_cache_suffices_and_nothing_is_said(
    page: str, dashboard: AppTest, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_is_written(monkeypatch, filled)
    shown = turn_to(dashboard, page)
    text = page_text(shown)
    assert not shown.exception
    assert not shown.error
    assert DISCLAIMER in text
    assert SENTENCE not in text
    assert CURE not in text


def test_a_batch_and_what_is_saved_of_it_need_no_file(
    dashboard: AppTest, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", phantom_png(size=128))
    nothing_is_written(monkeypatch, filled)
    shown = turn_to(dashboard, "batch")
    files = [("a.zip", packed.getvalue(), "application/zip"), ("b.png", phantom_png(1, size=128), "image/png")]
    shown.file_uploader[0].set_value(files).run()
    job: BatchJob = shown.session_state["batch_job"]
    until = time.monotonic() + 40
    while job.state == "running" and time.monotonic() < until:
        time.sleep(0.05)
    shown.run()
    assert not shown.exception
    assert not shown.error
    assert [row.outcome for row in job.rows] == ["read", "read"]
    assert "The table itself lasts as long as this session." in page_text(shown)
    preset = job.preset
    assert batch_files.to_csv(job.rows, preset).count(b"\n") == 3
    assert len(pd.read_parquet(io.BytesIO(batch_files.to_parquet(job.rows, preset)))) == 2
    assert batch_files.to_json(job.rows, preset).startswith(b"{")

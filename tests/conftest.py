"""What all tests share: where the real data lies, and small presets."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cxrkit.model.manager import XRayModelManager

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "CXRKIT_CACHE" not in os.environ:  # one for both workers, who inherit it, and for no run but this
    os.environ["CXRKIT_CACHE"] = tempfile.mkdtemp(prefix="cxrkit-cache-")
    atexit.register(shutil.rmtree, os.environ["CXRKIT_CACHE"], ignore_errors=True)
for _library in ("OPENBLAS", "OMP"):  # two workers with two waiting threads each hold up one another on two cores
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Tests run on two workers; one marked ``alone`` waits for the other's test and holds back its next one.

    Their fixtures are theirs too, of whatever scope: what a module sets up costs as much as its tests. Outermost,
    so that waiting does not count as a test's own time.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    kind = fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH
    common = item.config._tmp_path_factory.getbasetemp().parent  # type: ignore[attr-defined]  # of both workers
    with (common / "turn.lock").open("w") as turn:
        with (common / "gate.lock").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)  # who waits to be alone waits in it, so that nobody overtakes
            fcntl.flock(turn, kind)
        return (yield)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data: ``$CXRKIT_DATA``, else ``../shared/data``; the test is skipped without it."""
    folder = Path(os.environ.get("CXRKIT_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "kermany" / "index.csv").is_file():
        pytest.skip("real radiographs are not at hand: set CXRKIT_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with the presets ``tiny`` (three findings, CNN) and ``single`` (one finding)."""
    from tests.factory import make_preset

    folder = tmp_path_factory.mktemp("weights")
    make_preset(folder, "tiny")
    make_preset(folder, "single", ("Pneumonia",), seed=1)
    return folder


@pytest.fixture(scope="session")
def shipped() -> Callable[[str], XRayModelManager]:
    """The manager of a shipped preset by name, loaded once for all tests, which only read with it."""
    from cxrkit.model.manager import XRayModelManager

    # by its own folder: another test may have had the manager imported while it set CXRKIT_WEIGHTS
    return cache(lambda name: XRayModelManager(name, folder=REPOSITORY / "weights"))

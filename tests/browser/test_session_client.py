"""What the benchmark of ten sessions measures with is a session of the dashboard, and sees what a reader would."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cxrkit.dashboard.session_client import SessionClient, SessionFailed
from cxrkit.imaging.phantom import phantom_png
from tests.browser.driving import PATIENCE

pytestmark = pytest.mark.timeout(180)


def test_a_session_without_a_browser_gets_findings_again_and_again(server: str) -> None:
    with SessionClient(server) as session:
        for seed in (1, 2):
            found = session.upload(phantom_png(seed=seed, size=256), "film.png")
            assert found.rows == 14
            assert 0 < found.seconds < PATIENCE / 1000
            session.settle()
            session.clear()


def test_what_cannot_be_read_is_a_failure_and_not_a_fast_reading(server: str) -> None:
    with SessionClient(server) as session, pytest.raises(SessionFailed, match="shows an error"):
        session.upload(b"no picture at all", "film.png")


def test_a_refused_picture_has_no_findings(server: str) -> None:
    noise = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8))[1].tobytes()
    with SessionClient(server) as session, pytest.raises(SessionFailed):
        session.upload(noise, "film.png")

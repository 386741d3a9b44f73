"""A radiograph by its address on the Read page: only where configured, taken in like an upload, nothing of it kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard import url_field
from cxrkit.errors import RemoteUnavailable
from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.serving.public_address import ALLOW
from tests.app.conftest import page_text
from tests.app.test_read import button, rows

ADDRESS = "https://images.example.org/Doe-4711.dcm"


def field(app: AppTest):  # type: ignore[no-untyped-def]
    return next((f for f in app.text_input if f.label == "Web address of a radiograph"), None)


@pytest.fixture
def allowed(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(ALLOW, "images.example.org")
    return app.run()


def ask(app: AppTest, address: str) -> AppTest:
    field(app).set_value(address)
    return button(app, "Fetch").click().run()


def test_off_unless_configured(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert field(app) is None
    monkeypatch.setenv(ALLOW, "images.example.org")
    app.run()
    assert field(app) is not None
    assert "Allowed here: images.example.org." in page_text(app)
    monkeypatch.setenv(ALLOW, "*")
    assert "any public host" in page_text(app.run())


def test_what_is_fetched_is_read_like_an_upload(allowed: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    data = phantom_dicom(size=256, attributes={"PatientName": "Doe^Jane"})
    monkeypatch.setattr(url_field, "fetch", lambda address, *, allowed: asked.append((address, allowed)) or data)
    ask(allowed, ADDRESS)
    assert not allowed.exception
    assert len(rows(allowed)) == 3
    assert asked == [(ADDRESS, url_field.AllowedHosts.parse("images.example.org"))]
    assert field(allowed).value == ""
    assert ADDRESS not in repr(allowed.session_state)
    assert "Doe" not in page_text(allowed)


def refuse(address: str, **_: object) -> bytes:
    raise RemoteUnavailable("The file cannot be fetched: the server answers with status 404.", "Upload the file.")


def fail(address: str, **_: object) -> bytes:
    raise RuntimeError(address)


@pytest.mark.parametrize(
    ("fetch", "said"),
    [(refuse, "status 404"), (fail, "incident"), (lambda address, **_: b"GIF89a" + bytes(40), "GIF image")],
)
def test_why_there_is_nothing_is_said_without_the_address(
    allowed: AppTest, monkeypatch: pytest.MonkeyPatch, fetch: Callable[..., bytes], said: str
) -> None:
    monkeypatch.setattr(url_field, "fetch", fetch)
    ask(allowed, ADDRESS)
    assert not allowed.exception
    text = page_text(allowed).replace("\\", "")
    assert said in text
    assert "4711" not in text
    assert rows(allowed) == []
    assert field(allowed) is not None


@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "https://evil.example/"]
)
def test_what_must_not_be_asked_is_refused_on_the_page(allowed: AppTest, address: str) -> None:
    ask(allowed, address)
    text = page_text(allowed).replace("\\", "")
    assert "may not be fetched" in text or "only http and https" in text
    assert "meta-data" not in text

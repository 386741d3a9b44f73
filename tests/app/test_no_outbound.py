"""Nothing leaves this computer: readings by the library and by the page, watched by an audit hook in every process.

The hook sees what Python does. That native code sends nothing either is shown where there is no network at all:
`.ci/run` runs all tests so, and tests/browser a server and a browser.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

LIBRARY = """
from cxrkit import XRayModelManager, load_radiograph
from cxrkit.imaging.phantom import phantom_dicom
reading = XRayModelManager("chestxray14").read(load_radiograph(phantom_dicom(size=256)))
print("read", len(reading.prediction))
"""
PAGE = """
from streamlit.testing.v1 import AppTest
from cxrkit.imaging.phantom import phantom_png
app = AppTest.from_file("streamlit_app.py", default_timeout=90).run()
app.file_uploader[0].set_value(("a.png", phantom_png(size=256), "image/png")).run()
assert not app.exception
print("read", sum('class="cx-row' in h.proto.body for h in app.get("html")))
app.switch_page("pages/model_info.py").run()
"""
ATTEMPTS = {
    "socket.connect 192.0.2.1": "socket.socket().connect(('192.0.2.1', 80))",
    "socket.connect 2001:db8::1": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "socket.sendto 192.0.2.1": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'a', ('192.0.2.1', 53))",
    "socket.getaddrinfo example.org": "urllib.request.urlopen('http://example.org', timeout=1)",
    "socket.bind 0.0.0.0": "socket.socket().bind(('0.0.0.0', 0))",
    "socket.bind ": "socket.socket().bind(('', 0))",
}


def watched(code: str, log: Path) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if name != "CI"}  # OpenVINO is silent there alone
    environment = ours | {
        "PYTHONPATH": str(REPOSITORY / "tests" / "guard"),
        "CXRKIT_OUTBOUND": str(log),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=110)


@pytest.mark.parametrize("sign", ATTEMPTS)
@pytest.mark.parametrize("child", [False, True])
def test_whatever_would_leave_is_caught_before_it_does(sign: str, child: bool, tmp_path: Path) -> None:
    """192.0.2.1 and 2001:db8::1 are nobody's, RFC 5737 and RFC 3849: to wait for them would take a second."""
    code = f"import socket, urllib.request\n{ATTEMPTS[sign]}"
    if child:
        code = f"import subprocess, sys\nsys.exit(subprocess.run([sys.executable, '-c', {code!r}]).returncode)"
    done = watched(code, tmp_path / "log")
    assert done.returncode == 1
    assert f"Outbound: {sign}" in done.stderr
    assert (tmp_path / "log").read_text() == f"{sign}\n"


def test_the_decoders_own_processes_are_watched_too(tmp_path: Path) -> None:
    """Their environment is a choice of few variables: the guard's folder is among them, its file is not."""
    bad = "import socket\nsocket.socket().connect(('192.0.2.1', 80))"
    code = (
        "import subprocess, sys\nfrom cxrkit.imaging.confinement import environment\n"
        f"sys.exit(subprocess.run([sys.executable, '-P', '-c', {bad!r}], env=environment()).returncode)"
    )
    assert watched(code, tmp_path / "log").returncode == 97


def test_loopback_is_let_through(tmp_path: Path) -> None:
    code = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(('localhost', server.getsockname()[1])).sendall(b'a')\n"
        "one, other = socket.socketpair()\none.sendall(b'a')"
    )
    done = watched(code, tmp_path / "log")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "log").exists()


def test_a_reading_by_the_library_and_by_the_page_opens_no_connection(tmp_path: Path) -> None:
    done = watched(LIBRARY + PAGE, tmp_path / "log")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n").count("read 14") == 2
    assert not (tmp_path / "log").exists()

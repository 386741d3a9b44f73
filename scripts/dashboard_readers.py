"""Readers of the dashboard for `benchmark_dashboard.py`: windows of a browser, and ten sessions that read at once."""

import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from cxrkit.dashboard.session_client import SessionClient, SessionFailed
from cxrkit.imaging.phantom import phantom_png

PATIENCE = 120_000  # ms
FINDINGS = 14
AT_ONCE = 10
PAUSE = 3.0  # seconds between turns, in which the server replaces what "Clear patient" had it drop
ERRORS = ".stException, .stAlert [data-testid=stAlertContentError]"


class Reader:
    """One window of a browser with the dashboard's Read page."""

    def __init__(self, browser, address: str) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.moved = 0
        self.page.on("websocket", self._watch)
        self.page.on("requestfinished", self._count)
        self.address = address

    def open(self) -> float:
        """Seconds until the page takes a file."""
        start = time.monotonic()
        self.page.goto(self.address)
        self.page.locator("input[type=file]").first.wait_for(state="attached")
        self.page.locator(".cx-welcome").wait_for()
        took = time.monotonic() - start
        self.rest()
        return took

    def rest(self) -> None:
        """Wait until nothing runs."""
        idle = "document.querySelector('[data-test-script-state]')?.dataset.testScriptState !== 'running'"
        for _ in range(2):
            self.page.wait_for_function(idle)
            self.page.wait_for_timeout(250)

    def choose(self, file: Path) -> None:
        """Upload a file."""
        self.page.locator("input[type=file]").first.set_input_files(file)

    def upload(self, file: Path) -> float:
        """Seconds from choosing a file to the findings."""
        start = time.monotonic()
        self.choose(file)
        self.page.locator(".cx-row").nth(FINDINGS - 1).wait_for()
        return time.monotonic() - start

    def check(self) -> None:
        """Fail where the page shows an error."""
        if self.page.locator(ERRORS).count():
            raise SessionFailed("a window shows an error")

    def clear(self) -> None:
        """Clear patient."""
        self.page.get_by_role("button", name="Clear patient").click()
        self.page.locator(".cx-welcome").wait_for()
        self.rest()

    def _watch(self, socket) -> None:
        for direction in ("framereceived", "framesent"):
            socket.on(direction, self._frame)

    def _frame(self, payload) -> None:
        self.moved += len(payload)

    def _count(self, request) -> None:
        if "/static/" not in request.url and "/_stcore/" not in request.url:
            self.moved += request.sizes()["responseBodySize"]


def sessions(browser, address: str, folder: Path, pid: int) -> dict[str, float]:
    """Ten sessions at once: see the head of `benchmark_dashboard.py`."""
    try:
        took, shown = one_window(browser, address, folder, turns=8)
        windows = ten_windows(browser, address, folder, turns=3)
    except (SessionFailed, TimeoutError) as error:
        raise SystemExit(f"{AT_ONCE} sessions at once: {error}") from error
    return {
        "sessions_p95_s": percentile_95(took),
        "sessions_median_s": statistics.median(took),
        "sessions_window_max_s": max(shown),
        "sessions_window_median_s": statistics.median(shown),
        "ten_windows_p95_s": percentile_95(windows),
        "ten_windows_median_s": statistics.median(windows),
    }


def one_window(browser, address: str, folder: Path, turns: int) -> tuple[list[float], list[float]]:
    """Seconds of all sessions, one of them a browser window; and those of the window alone."""
    took, shown = [], []
    with ExitStack() as stack:
        others = [stack.enter_context(SessionClient(address)) for _ in range(AT_ONCE - 1)]
        pool = stack.enter_context(ThreadPoolExecutor(len(others)))
        window = Reader(browser, address)
        stack.callback(window.context.close)
        window.open()
        for turn in range(turns):
            files = pictures(folder, turn)
            begin = threading.Barrier(AT_ONCE)
            reading = [pool.submit(_read, *one, begin) for one in zip(others, files[1:], strict=True)]
            begin.wait()
            shown.append(window.upload(files[0]))
            took += [shown[-1], *(one.result() for one in reading)]
            window.rest()
            window.check()
            for one in (window, *others):
                one.clear()
            time.sleep(PAUSE)
    return took, shown


def _read(session: SessionClient, file: Path, begin: threading.Barrier) -> float:
    data = file.read_bytes()
    begin.wait()
    found = session.upload(data, file.name)
    session.settle()
    if found.rows != FINDINGS:
        raise SessionFailed(f"a session got {found.rows} findings")
    return found.seconds


def ten_windows(browser, address: str, folder: Path, turns: int) -> list[float]:
    """Seconds of ten browser windows, from the moment at which the first one chooses its file."""
    readers = [Reader(browser, address) for _ in range(AT_ONCE)]
    for reader in readers:
        reader.open()
    took = []
    for turn in range(turns):
        files = pictures(folder, turn)
        start = time.monotonic()
        for reader, file in zip(readers, files, strict=True):
            reader.choose(file)
        waiting = list(readers)
        while waiting:
            for reader in list(waiting):
                if reader.page.locator(".cx-row").count() >= FINDINGS:
                    took.append(time.monotonic() - start)
                    waiting.remove(reader)
            if time.monotonic() - start > PATIENCE / 1000:
                raise SessionFailed("no answer")
        for reader in readers:
            reader.check()
            reader.clear()
        time.sleep(PAUSE)
    for reader in readers:
        reader.context.close()
    return took


def pictures(folder: Path, turn: int) -> list[Path]:
    """A file for each session, as no other one has."""
    files = [folder / f"session{turn}_{number}.png" for number in range(AT_ONCE)]
    for number, file in enumerate(files):
        file.write_bytes(phantom_png(seed=100 * turn + number, size=1024))
    return files


def percentile_95(seconds: Sequence[float]) -> float:
    """The value that 95 of 100 do not exceed, one of those measured."""
    return sorted(seconds)[max(0, round(0.95 * len(seconds)) - 1)]

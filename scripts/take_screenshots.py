"""Take the screenshots of the documents: the Read page with the synthetic phantom, wide and narrow.

  take_screenshots.py                     docs/screenshot.png (1440 x 900) and docs/screenshot-narrow.png (390 x 844)
  take_screenshots.py --file FILE --out out   of a radiograph of your own, into a folder that is not shared

Starts the dashboard on a free port of this computer and drives Chromium (Debian: apt-get install chromium) with
Playwright, which requirements-dev.txt installs.
"""

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"screenshot.png": (1440, 900), "screenshot-narrow.png": (390, 844)}
PATIENCE = 60_000  # ms; the first reading loads the network


@contextlib.contextmanager
def dashboard(**environment: str) -> Iterator[str]:
    """The address of a dashboard of this repository, with these variables set; ended afterwards."""
    with server_process(**environment) as (address, _):
        yield address


@contextlib.contextmanager
def server_process(**environment: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """`dashboard`, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "streamlit", "run", "streamlit_app.py", "--server.headless", "true", "--server.address", "127.0.0.1"]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, *words, "--server.port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=quiet, stderr=quiet)
    try:
        for _ in range(300):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1),
            ):
                break
            time.sleep(0.2)
        else:
            raise RuntimeError("the dashboard did not come up")
        yield address, process
    finally:
        process.terminate()
        process.wait(10)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and take both; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--file", type=Path, metavar="FILE", help="a radiograph instead of the phantom; needs --out")
    add("--out", type=Path, metavar="FOLDER", help="where the pictures go (default: docs)")
    options = parser.parse_args(arguments)
    if options.file is not None and options.out is None:
        parser.error("--file needs --out: a radiograph does not belong into the documents")
    folder = options.out or ROOT / "docs"
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("There is no Chromium here. Install it (Debian: apt-get install chromium).", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with dashboard() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (width, height) in SIZES.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(address)
            if options.file is None:
                page.get_by_role("button", name="Synthetic phantom").click(timeout=PATIENCE)
            else:
                page.locator("input[type=file]").first.set_input_files(options.file, timeout=PATIENCE)
            page.locator(".cx-row").first.wait_for(timeout=PATIENCE)
            page.locator(".st-key-viewport image").first.wait_for(timeout=PATIENCE)
            page.mouse.move(0, height // 2)  # no help text over the picture
            page.wait_for_timeout(3000)  # what fades in has come
            page.screenshot(path=folder / name)
            print(folder / name)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Time the dashboard as a reader meets it: in Chromium, against a server of its own on this computer.

  benchmark_dashboard.py                 everything, some five minutes on two cores
  benchmark_dashboard.py --only first_page,upload --check

first_page    from the address to a page that takes a file, on a warm server, in a fresh browser window (median)
upload        from choosing a DICOM file of 5 million pixels, 16 bits, to the findings on the screen (median)
transfer      what server and page exchange for one choice of a finding, operating point or opacity (the largest, MB)
changes       from a click on a finding, or a step of the opacity, to the frame with the new map (95th percentiles);
              and, without a bound, from the click to the text about it, which comes from the server
sessions      from choosing a file to the findings while ten sessions read at once, each a PNG of 1024 x 1024 pixels of
              its own: one browser window, to the rows on its screen, and nine that speak Streamlit's protocol
              without a browser, to the message with the last row (95th percentile over all ten). Without a bound: the
              same with ten browser windows on the server's own cores, which mostly times ten browsers
memory        what the server holds more after 200 readings than after the first 20 (MB)

The browser has the same cores as the server, so that a reader with a computer of their own waits less. Ten readers have
ten computers; hence the nine sessions without a browser, which have the server do the same as nine windows would.
Exit status: 0 done; 1 --check found a bound not kept; 2 it cannot be measured.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from scripts.dashboard_readers import Reader, sessions
from scripts.take_screenshots import server_process

BOUNDS = {
    "first_page_s": 3.0,
    "upload_s": 1.5,
    "transfer_mb": 1.5,
    "finding_p95_s": 0.15,
    "opacity_p95_s": 0.15,
    "sessions_p95_s": 3.0,
    "memory_growth_mb": 50.0,
}
WAIT_FOR_CHANGE = """
([what, target]) => { window.cxTook = (async () => {
  const images = () => [...document.querySelectorAll('.st-key-viewport image')];
  const look = () => images().map(image => getComputedStyle(image).opacity).join();
  const before = look(), pressed = new Promise(done => addEventListener('keydown', done, {once: true, capture: true}));
  if (what === 'click') [...document.querySelectorAll('button')].find(b => b.textContent.includes(target)).click();
  else await pressed;
  const start = performance.now();
  while (look() === before && performance.now() - start < 10000) await new Promise(requestAnimationFrame);
  return (performance.now() - start) / 1000;
})(); }
"""
PIXELS_SIDE = 2263  # 5.12 million, as 2500 x 2048


def first_page(browser, address: str, folder: Path, pid: int) -> dict[str, float]:
    """See the head of this file."""
    took = []
    for _ in range(5):
        reader = Reader(browser, address)
        took.append(reader.open())
        reader.context.close()
    return {"first_page_s": statistics.median(took)}


def upload(browser, address: str, folder: Path, pid: int) -> dict[str, float]:
    """See the head of this file."""
    reader = Reader(browser, address)
    reader.open()
    took = []
    for seed in range(5):
        file = folder / f"large{seed}.dcm"
        file.write_bytes(phantom_dicom(seed=seed, size=PIXELS_SIDE, bits_stored=16))
        took.append(reader.upload(file))
        reader.clear()
    reader.context.close()
    return {"upload_s": statistics.median(took)}


def transfer(browser, address: str, folder: Path, pid: int) -> dict[str, float]:
    """See the head of this file."""
    reader = Reader(browser, address)
    reader.open()
    file = folder / "transfer.dcm"
    file.write_bytes(phantom_dicom(seed=9, size=2000))
    reader.upload(file)
    reader.rest()
    moved = []
    page = reader.page
    for act in (
        lambda: page.get_by_role("button", name="Show Mass on the radiograph").click(),
        lambda: page.get_by_text("Screening", exact=True).click(),
        lambda: page.get_by_role("slider").first.press("ArrowRight"),
        lambda: (
            page.get_by_role("button", name="Show Effusion on the radiograph")
            .or_(page.get_by_role("button", name="Show Pleural effusion on the radiograph"))
            .click()
        ),
    ):
        before = reader.moved
        act()
        reader.rest()
        moved.append((reader.moved - before) / 1e6)
    reader.context.close()
    return {"transfer_mb": max(moved)}


def changes(browser, address: str, folder: Path, pid: int) -> dict[str, float]:
    """See the head of this file."""
    reader = Reader(browser, address)
    reader.open()
    file = folder / "changes.png"
    file.write_bytes(phantom_png(seed=11, size=1024))
    reader.upload(file)
    reader.rest()
    page, found, told, slid = reader.page, [], [], []
    for finding in ("Mass", "Nodule", "Pneumothorax", "Consolidation", "Emphysema", "Fibrosis") * 4:
        start = time.monotonic()
        page.evaluate(WAIT_FOR_CHANGE, ["click", f"Show {finding} on"])
        found.append(page.evaluate("window.cxTook"))
        page.wait_for_function("f => document.querySelector('.cx-layers')?.dataset.finding === f", arg=finding)
        told.append(time.monotonic() - start)
        reader.rest()
    for k in range(24):
        page.evaluate(WAIT_FOR_CHANGE, ["key", ""])
        page.locator(".st-key-map_opacity input[type=range]").press("ArrowRight" if k % 2 else "ArrowLeft")
        slid.append(page.evaluate("window.cxTook"))
        reader.rest()
    reader.context.close()
    return {
        "finding_median_s": statistics.median(found),
        "finding_p95_s": statistics.quantiles(found, n=20)[-1],
        "finding_text_median_s": statistics.median(told),
        "finding_text_p95_s": statistics.quantiles(told, n=20)[-1],
        "opacity_median_s": statistics.median(slid),
        "opacity_p95_s": statistics.quantiles(slid, n=20)[-1],
    }


def memory(browser, address: str, folder: Path, pid: int) -> dict[str, float]:
    """See the head of this file."""
    reader = Reader(browser, address)
    reader.open()
    held = {}
    for number in range(1, 201):
        file = folder / "memory.png"
        file.write_bytes(phantom_png(seed=number, size=1024))
        reader.choose(file)
        reader.page.locator(".cx-row").nth(13).wait_for()
        reader.rest()
        if number in (20, 200):
            held[number] = _resident(pid)
    reader.context.close()
    return {"memory_growth_mb": (held[200] - held[20]) / 1e6, "memory_mb": held[200] / 1e6}


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


MEASURES = {measure.__name__: measure for measure in (first_page, upload, transfer, changes, sessions, memory)}


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and measure; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(MEASURES), help="some of these, with commas (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    parser.add_argument("--check", action="store_true", help=f"exit 1 when a bound is not kept: {BOUNDS}")
    options = parser.parse_args(arguments)
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(MEASURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("There is no Chromium here. Install it (Debian: apt-get install chromium).", file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    figures: dict[str, float] = {}
    with (
        server_process() as (address, process),
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as folder,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        warm = Reader(browser, address)
        warm.open()
        first = Path(folder) / "first.dcm"
        first.write_bytes(phantom_dicom(size=512))
        warm.upload(first)
        warm.context.close()
        for name in wanted:
            found = MEASURES[name](browser, address, Path(folder), process.pid)
            figures |= found
            for figure, value in found.items():
                print(f"{figure:<24} {value:8.2f}", flush=True)
        browser.close()
    if options.json:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()}
        options.json.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n", encoding="utf-8")
    over = {name: value for name, value in figures.items() if value > BOUNDS.get(name, float("inf"))}
    for name, value in over.items():
        print(f"{name} is {value:.2f}, more than its bound {BOUNDS[name]}.", file=sys.stderr)
    return 1 if options.check and over else 0


if __name__ == "__main__":
    sys.exit(main())

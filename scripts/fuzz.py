"""Give the reader of files damaged ones, and tell which of them it does not survive.

  fuzz.py --rounds 20000
  fuzz.py --rounds 20000 --files $CXRKIT_DATA/dicom --files $CXRKIT_DATA/hostile
  fuzz.py --first 4711 --rounds 1 --out out/fuzz

Each round damages a sound file (the phantom in every encoding, and the files of --files) by its own number, so that
--first and --rounds 1 make the same file again. A file must end as a radiograph or as a CxrError within 5 seconds. What
crashes, hangs or raises anything else is written into --out under its number; the exit status is then 1. Needs
requirements-dev.txt.
"""

import argparse
import queue
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cxrkit.errors import CxrError
from cxrkit.imaging.loading import load_radiograph
from tests.mutants import mutant, seeds

SECONDS = 5.0
Outcome = tuple[int | None, dict[str, int], list[tuple[int | None, str]]]


def files_of(folders: list[Path]) -> list[bytes]:
    """What is damaged."""
    return seeds() + [data for folder in folders for data in seeds(folder)[len(seeds()) :]]


def work(options: argparse.Namespace) -> int:
    """The child: read the mutants one after the other, and say so before and after each."""
    files = files_of(options.files)
    for number in range(options.first, options.first + options.rounds):
        data = mutant(number, files)
        print(f"begin {number}", flush=True)
        try:
            load_radiograph(data)
            outcome = "read"
        except CxrError:
            outcome = "refused"
        except BaseException:
            outcome = "error " + traceback.format_exc().replace("\n", " | ")[-800:]
        print(f"end {number} {outcome}", flush=True)
    return 0


def command(first: int, rounds: int, folders: list[Path]) -> list[str]:
    """How a child is started."""
    words = [str(Path(__file__)), "--child", "--first", str(first), "--rounds", str(rounds)]
    return [sys.executable, *words, *(word for folder in folders for word in ("--files", str(folder)))]


def watch(words: list[str]) -> Outcome:
    """Run a child; the round in which it stopped (None: it did all), how the rounds ended, and what broke."""
    # decoders speak on the error stream of what they meet; the RLE decoder prints a whole trace
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        lines: queue.Queue[str] = queue.Queue()

        def listen() -> None:
            for line in child.stdout or ():
                lines.put(line)
            lines.put("")

        reader = threading.Thread(target=listen, daemon=True)
        reader.start()
        try:
            return _follow(child, lines)
        finally:
            child.kill()
            reader.join()


def _follow(child: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> Outcome:
    ended, broken, current, since = {"read": 0, "refused": 0}, [], None, time.monotonic()
    while True:
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            if current is None or time.monotonic() - since < SECONDS:
                continue
            return current, ended, [*broken, (current, f"no end after {SECONDS:g} s")]
        if not line:
            status = child.wait()
            crash = [] if current is None and status == 0 else [(current, f"ended with status {status}")]
            return current, ended, broken + crash
        word, number, *rest = line.split(maxsplit=2)
        current, since = (int(number), time.monotonic()) if word == "begin" else (None, since)
        if rest:
            outcome, took = rest[0].strip(), time.monotonic() - since
            if took > SECONDS:
                broken.append((int(number), f"took {took:.1f} s"))
            elif outcome in ended:
                ended[outcome] += 1
            else:
                broken.append((int(number), outcome))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and damage files; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000, metavar="N", help="damaged files (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first one")
    parser.add_argument("--files", type=Path, action="append", default=[], metavar="FOLDER", help="more to damage")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), metavar="FOLDER", help="where breakers are kept")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return work(options)
    first, last, total, broken = options.first, options.first + options.rounds, {"read": 0, "refused": 0}, []
    while first < last:
        stopped, ended, wrong = watch(command(first, last - first, options.files))
        total = {name: total[name] + ended[name] for name in total}
        broken += wrong
        if stopped is None and wrong and wrong[-1][0] is None:
            print(f"The child could not start: {wrong[-1][1]}", file=sys.stderr)
            return 2
        first = last if stopped is None else stopped + 1
    files = files_of(options.files) if broken or options.rounds == 1 else []
    keep = sorted({number for number, _ in broken} | ({options.first} if options.rounds == 1 else set()))
    for number in keep:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / str(number)).write_bytes(mutant(number, files))
    for number, what in broken:
        print(f"{number}: {what}")
    ends = f"{total['read']} read, {total['refused']} refused, {len(broken)} broke the reader"
    print(f"{options.rounds} damaged files: {ends}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

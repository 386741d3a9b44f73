"""Score any number of chest radiographs with a preset: one row per file, in one table.

  score.py FOLDER --out readings.parquet
  score.py labels.csv --images FOLDER --out readings.csv
  score.py export.zip --match "*.dcm" --out readings.parquet
  score.py /shared/films --out readings.parquet --scheduler tcp://10.0.0.5:8786

A FOLDER is read with the folders below it, hidden files left out; a table names its files in the column image; of
a ZIP archive every file is read. Each file gets a row: its name as given, its sha256, the outcome (read, refused or
failed), per finding prob_FINDING (calibrated) and logit_FINDING, and the verdict on its quality. A picture that is
no usable frontal chest radiograph is refused, one that cannot be read failed: both have a row that says why, and
no findings. File names are your own: whoever passes the table on answers for what they say.

Interrupted at any moment, also by kill -9, the same command goes on: what was done lies in OUT.parts until
the table is whole. Other weights or other options are refused there. Memory does not grow with the number of files.

With --precision bfloat16 or int8 the network computes in less time and less exactly, where processor and preset
allow it; the table then has a column precision.

--workers N scores in N processes of this computer, --scheduler ADDRESS on a Dask cluster whose workers see the
same files and weights (pip install -r requirements-cluster.txt); docs/scale.md has recipes and measured rates.

Exit status: 0 every file was read; 2 some were refused or not readable, or nothing was scored; 130 interrupted.
Not a medical device: for research and teaching only.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from cxrkit.errors import CxrError
from cxrkit.model.runtimes import PRECISIONS, require, said
from cxrkit.preset_folders import find_preset
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.scoring import PART, here, score
from cxrkit.serving.scoring_pipeline import How
from cxrkit.serving.scoring_progress import ShowProgress
from cxrkit.serving.scoring_sources import SourceSpec


def count(text: str) -> int:
    """A number from 1."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, after a refusal of those that do not go together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("source", metavar="FOLDER|TABLE.csv|ARCHIVE.zip", help="what to score; or an address such as s3://bucket/films")
    add("--out", type=Path, required=True, metavar="FILE", help="the table to write: .parquet or .csv")
    add("--preset", default="chestxray14", help="name of a preset, or its folder (default: %(default)s)")
    add("--images", metavar="FOLDER", help="of a table: where its files are sought first")
    add("--match", metavar="PATTERN", help="of a folder or archive: take the files of such names, as *.dcm")
    add("--batch", type=count, default=How.batch, help="files per pass of the network (default: %(default)s)")
    add("--part", type=count, default=PART, help="files per part; a kill costs one at most (default: %(default)s)")
    add("--all-the-same", action="store_true", help="read what is refused, too; the row says so")
    add("--as-it-lies", action="store_true", help="neither turn nor invert a picture that seems to lie wrongly")
    add("--runtime", default="auto", help="what runs the network (default: %(default)s)")
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="in which the network computes (default: %(default)s)",
    )
    add("--decoders", type=count, metavar="N", help="files decoded at the same time (default: one per core, up to 4)")
    add(
        "--trusted", action="store_true", help="decode in this process: a little faster, but a bad file may end the run"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=count, metavar="N", help="score in N processes of this computer")
    where.add_argument("--scheduler", metavar="ADDRESS", help="score on this Dask cluster, as tcp://10.0.0.5:8786")
    add("--quiet", action="store_true", help="show no progress")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and score; returns the exit status."""
    options = parse(arguments)
    source = SourceSpec(options.source, options.images, options.match)
    decoders = options.decoders or max(1, How.decoders // (options.workers or 1))
    how = How(options.batch, not options.as_it_lies, options.all_the_same, decoders, options.trusted, options.precision)
    progress = None if options.quiet else ShowProgress()
    try:
        preset = find_preset(options.preset)
        if not options.scheduler:  # there its workers know what they can
            require(options.precision, [preset], options.runtime)
        if options.workers or options.scheduler:
            from cxrkit.serving.scoring_cluster import elsewhere, job_of

            job = job_of(options.preset, preset, options.runtime, source, how)
            engine = elsewhere(job, scheduler=options.scheduler, workers=options.workers)
        else:
            engine = here(lambda: load(preset, options.runtime, options.precision), source, how)
        more = {"how": how, "part": options.part, "runtime": options.runtime, "progress": progress}
        summary = score(source, options.out, preset, engine, **more)
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where this one was.", file=sys.stderr)
        return 130
    finally:
        if progress is not None:
            progress.end()
    print(
        f"{summary.files:,} files: {summary.read:,} read, {summary.refused:,} refused, {summary.failed:,} not readable."
    )
    print("\n".join(filter(None, [preset.notice, said(options.precision), DISCLAIMER])))
    return 2 if summary.refused or summary.failed else 0


def load(preset, runtime, precision):
    """The model, which takes long to load."""
    from cxrkit.model.manager import XRayModelManager

    return XRayModelManager(preset, runtime=runtime, precision=precision, bulk=True)


if __name__ == "__main__":
    sys.exit(main())

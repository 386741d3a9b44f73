"""Turn a data set, in the layout that you have it in, into a manifest for train.py and evaluate.py.

  prepare_data.py kaggle chest_xray --hold-out 0.1 --out chest_xray.csv
  prepare_data.py nih ChestXray-NIHCC --hold-out 0.1 --out nih.csv
  prepare_data.py medmnist pneumoniamnist_224.npz --download --out pneumoniamnist.csv
  prepare_data.py table --table train=train.csv --table val=valid.csv --table test=test.csv \\
      --column image=Image --column patient_id=PatientId --images images --out mine.csv

Every image is decoded once. Images, patients and labels are counted per split. Every pair of splits is
checked for shared patients and for identical pictures. DICOM files are found wherever PNG files are
expected. Row numbers count as a spreadsheet does (the header is row 1) in the table as it was read;
the rows in trouble stand, with what is wrong with them, in a table beside --out.

--download first fetches what is missing of the public set from its publisher into the folder (45 GB for
ChestX-ray14), checks it and unpacks it; without a network it says what to fetch and where to put it.

Exit status: 0 the manifest is written; 2 it cannot be made, or images cannot be read; 3 the splits leak.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxrkit.data.access import reading
from cxrkit.data.column_names import check_column_names
from cxrkit.data.download import fetch, terminal_progress, unpack
from cxrkit.data.layouts.kaggle import read_kaggle
from cxrkit.data.layouts.layout import SPLITS, Layout, split_name
from cxrkit.data.layouts.medmnist import DATASETS, read_medmnist
from cxrkit.data.layouts.nih import read_nih
from cxrkit.data.layouts.tables import read_tables
from cxrkit.data.table import parse_pairs
from cxrkit.errors import CxrError
from cxrkit.serving.preparation_text import format_preparation
from cxrkit.serving.preparing import prepare
from cxrkit.serving.targets import targets

UNREADABLE, LEAK = 2, 3
SETS = {"kaggle": "kermany", "nih": "chestxray14"}


def show_progress(done: int, total: int) -> None:
    """Overwrite one line on a terminal; silent elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{done} of {total} images", end="\n" if done == total else "", file=sys.stderr, flush=True)


def share(text: str) -> float:
    """A number between 0 and 1."""
    if not 0 < (value := float(text)) < 1:
        raise argparse.ArgumentTypeError("must lie between 0 and 1")
    return value


def table(text: str) -> tuple[str | None, Path]:
    """``SPLIT=FILE`` or ``FILE``."""
    name, sign, path = text.partition("=")
    if not sign:
        return None, Path(text)
    if (split := split_name(name)) is None:
        raise argparse.ArgumentTypeError(
            f"what stands before = is a split and must be one of {', '.join(SPLITS)} "
            "(training, valid, validation, dev and testing are taken as these)"
        )
    return split, Path(path)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of one layout and those that all share."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="manifest to write")
    shared.add_argument("--hold-out", type=share, metavar="SHARE", help="cut a new val out of train, by patient")
    shared.add_argument("--seed", type=int, default=0, help="of that cut (default 0)")
    shared.add_argument("--skip-unreadable", action="store_true", help="leave out images that cannot be read")
    shared.add_argument("--leaks-out", type=Path, metavar="FILE.csv", help="list leaks by splits and row numbers")
    missing = argparse.ArgumentParser(add_help=False)
    missing.add_argument("--skip-missing", action="store_true", help="leave out rows whose image is not at hand")
    missing.add_argument("--images", type=Path, metavar="FOLDER", help="where the images are, if elsewhere")
    public = argparse.ArgumentParser(add_help=False)
    public.add_argument("--download", action="store_true", help="fetch what is missing of the public set first")
    layouts = parser.add_subparsers(dest="layout", required=True, metavar="LAYOUT")

    def layout(name: str, text: str, *parents: argparse.ArgumentParser):
        return layouts.add_parser(name, help=text, description=text, parents=[*parents, shared]).add_argument

    add = layout("kaggle", "the tree {train,val,test}/{NORMAL,PNEUMONIA}; patients come from the file names", public)
    add("source", type=Path, metavar="FOLDER", help="folder chest_xray, or one that holds it")
    add = layout("nih", "ChestX-ray14: Data_Entry_2017*.csv, image folders and the two official lists", missing, public)
    add("source", type=Path, metavar="FOLDER", help="folder of the table and the lists")
    add("--table", type=Path, metavar="FILE.csv", help="table of entries, if there are several")
    add = layout("medmnist", "PneumoniaMNIST or ChestMNIST (.npz); the pictures are written beside --out", public)
    add("source", type=Path, metavar="FILE.npz", help="pneumoniamnist*.npz or chestmnist*.npz")
    add("--dataset", choices=list(DATASETS), help="what it is, where its name does not say")
    add = layout("table", "CSV with an image, a patient, a split and findings in each row", missing)
    add("--table", type=table, action="append", required=True, metavar="[SPLIT=]FILE.csv", help="repeatable")
    pairs = {"action": "append", "default": []}
    add("--column", **pairs, metavar="OURS=THEIRS", help="such as image=Image, patient_id=PatientId; repeatable")
    add("--label-map", **pairs, metavar="COLUMN=FINDING", help="a label column under another name; repeatable")
    return parser.parse_args(arguments)


def tables_read(options: argparse.Namespace) -> list[Path]:
    """The files that the layout is read from, its images left aside."""
    if options.layout == "table":
        return [path for _, path in options.table]
    table = getattr(options, "table", None)
    return [options.source, *([] if table is None else [table])]


def download(options: argparse.Namespace) -> None:
    """Bring the public set of a layout to where the layout is read; a MedMNIST file is told by its name."""
    medmnist = options.layout == "medmnist"
    name, _, size = options.source.stem.partition("_")
    wanted = f"{name}-{size or 28}" if medmnist else SETS[options.layout]
    folder = options.source.parent if medmnist else options.source
    fetch(wanted, folder, progress=terminal_progress())
    unpack(wanted, folder, progress=terminal_progress())


def read(options: argparse.Namespace) -> Layout:
    """The layout that the options name."""
    if options.layout == "kaggle":
        return read_kaggle(options.source)
    if options.layout == "medmnist":
        return read_medmnist(options.source, options.out.parent, dataset=options.dataset, progress=show_progress)
    more = {"images": options.images, "skip_missing": options.skip_missing}
    if options.layout == "nih":
        return read_nih(options.source, table=options.table, **more)
    columns, label_map = parse_pairs(options.column), parse_pairs(options.label_map)
    check_column_names(columns, label_map)
    return read_tables(options.table, columns=columns, label_map=label_map, **more)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and prepare; returns the exit status."""
    options = parse(arguments)
    reads = tables_read(options)
    try:
        targets(options.out, options.leaks_out, reads)  # before hours of decoding
        if getattr(options, "download", False):
            download(options)
        with reading():
            layout = read(options)
        done = prepare(
            layout,
            options.out,
            hold_out_share=options.hold_out,
            seed=options.seed,
            skip_unreadable=options.skip_unreadable,
            leaks_out=options.leaks_out,
            reads=reads,
            progress=show_progress,
        )
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:
        print("Stopped. No manifest was written.", file=sys.stderr)
        return 130
    print(format_preparation(done))
    if done.aside is not None:
        print(f"The rows in trouble stand in {done.aside.name} beside --out.")
    if done.written is not None:
        where = (
            "" if done.images is None else f" Give train.py and evaluate.py --images {os.path.relpath(done.images)}."
        )
        print(f"Wrote {options.out}.{where}")
        return 0
    remedy = [
        "Split by patient, keep identical pictures on one side, or, where only train and val share them, "
        "cut val anew with --hold-out 0.1."
    ] * bool(done.leaks)
    remedy += ["Leave unknown ids blank: NA, none, unknown, anonymous or 0 counts as one patient."] * done.placeholders
    remedy += ["Mend the unreadable images, or leave them out with --skip-unreadable."] * bool(
        done.unreadable and not done.skipped
    )
    print("No manifest was written. " + " ".join(remedy), file=sys.stderr)
    return LEAK if done.leaks else UNREADABLE


if __name__ == "__main__":
    sys.exit(main())

"""The command ``cxrkit``: one name for the doors of the project, each of which is a file in ``scripts``.

``cxrkit read FILE`` is ``python scripts/predict.py FILE``. A door is opened when it is asked for, and nothing is loaded
before that: the list of commands is there at once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NoReturn

import cxrkit
from cxrkit.errors import CxrError, ExtraMissing

DOORS: dict[str, tuple[str, str]] = {
    "read": ("predict", "read radiographs and print what a preset finds"),
    "score": ("score", "score any number of files: a folder, table or archive in, one table out"),
    "app": ("", "open the dashboard in the browser"),
    "serve": ("serve", "answer over HTTP"),
    "train": ("train", "train a preset with labelled radiographs"),
    "evaluate": ("evaluate", "judge a preset, or anyone's predictions, on labelled radiographs"),
    "loss": ("calculate_loss", "compute the weights of the loss from counts of labels"),
    "data": ("prepare_data", "make tables of images and labels from public data sets"),
    "fetch": ("fetch_weights", "fetch public weights"),
    "import": ("import_weights", "take over weights from elsewhere as a preset"),
    "export": ("export", "write a preset in the formats of other runtimes"),
    "benchmark": ("benchmark", "time readings, files or training, as ratios within one run"),
}
"""Command -> file in ``scripts`` without its ending, and what it does."""

COMPLETION = "completion"
_HERE = Path(__file__).resolve().parent
_EXAMPLES = """\
examples:
  cxrkit read film.png study.dcm --overlay maps
  cxrkit score films/ --out readings.parquet
  cxrkit app
  cxrkit evaluate --preset pneumonia --manifest labels.csv --split test --out out/pneumonia
  cxrkit completion bash > ~/.local/share/bash-completion/completions/cxrkit

Each command has a --help of its own. CXRKIT_WEIGHTS names another folder of presets.

exit status:
  0    done, and every file was read
  2    something was refused or could not be read, or the command line is wrong
  130  interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the door that the first word names; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name, rest = (given[0], given[1:]) if given else ("--help", [])
    try:
        if name not in (*DOORS, COMPLETION):
            _parser().parse_args([name])  # help, version, or a refusal
        if name == COMPLETION:
            return _complete(rest)
        if name == "app":
            return _app(rest)
        with _named(name):
            status = _door(name)(rest)
        return 0 if status is None else int(status)
    except CxrError as error:
        return error.tell()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever was to read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parser() -> argparse.ArgumentParser:
    """What the top level understands; its options are those of help and version alone."""
    parser = argparse.ArgumentParser(
        prog="cxrkit",
        usage="cxrkit COMMAND [OPTIONS]",
        description="Read chest radiographs with calibrated findings, and show how far to trust them.\n"
        "Not a medical device: for research and teaching only.",
        epilog=_EXAMPLES,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=16),
    )
    parser.add_argument("--version", action="version", version=f"cxrkit {cxrkit.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (file, does) in DOORS.items():
        if not file or _file_of(file) is not None:
            commands.add_parser(name, help=does, add_help=False)
    commands.add_parser(COMPLETION, help="print the completion of this command for a shell", add_help=False)
    return parser


def _file_of(door: str) -> Path | None:
    """A door's file: beside the package in a checkout, within it where it was installed from a wheel."""
    places = (_HERE / "doors", _HERE.parent / "scripts")
    return next((place / f"{door}.py" for place in places if (place / f"{door}.py").is_file()), None)


def _door(name: str) -> Callable[[list[str]], int]:
    """The ``main`` of a command's file.

    Raises
    ------
    ExtraMissing
        This installation has no such file.
    """
    path = _file_of(DOORS[name][0])
    if path is None:
        raise ExtraMissing(f"The command {name} is not part of this installation.", "Run it from a checkout of cxrkit.")
    spec = spec_from_file_location(f"cxrkit_door_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before  # a door makes the package beside it importable; here it is already
    main_of_door: Callable[[list[str]], int] = module.main
    return main_of_door


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Have usage and errors of a door say what was typed."""
    before = sys.argv[0]
    sys.argv[0] = f"cxrkit {name}"
    try:
        yield
    finally:
        sys.argv[0] = before


def _app(rest: list[str]) -> int:
    """The dashboard, through Streamlit's own command; its options may follow."""
    page = _HERE.parent / "streamlit_app.py"
    if not page.is_file():
        raise ExtraMissing("The dashboard is not part of this installation.", "Run it from a checkout of cxrkit.")
    command = [sys.executable, "-m", "streamlit", "run", str(page), *rest]
    if os.name == "posix":  # in this process, so that whoever ends it ends the server
        sys.stdout.flush()
        os.execv(sys.executable, command)
    return subprocess.run(command, check=False).returncode


# -- completion --------------------------------------------------------------------------------


def _complete(rest: list[str]) -> int:
    """Print what a shell needs to complete commands and their options."""
    parser = argparse.ArgumentParser(
        prog=f"cxrkit {COMPLETION}",
        description="Print the completion of this command for a shell. It is printed once and kept in a file.",
        epilog="bash: cxrkit completion bash > ~/.local/share/bash-completion/completions/cxrkit\n"
        "zsh:  cxrkit completion zsh > a file _cxrkit in a folder of $fpath",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    try:
        import shtab
    except ImportError:
        raise ExtraMissing("Completion needs the package shtab.", "Run: pip install shtab.") from None
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    shell = parser.parse_args(rest).shell
    print(shtab.complete(_whole_parser(shtab), shell=shell))
    return 0


def _whole_parser(shtab: Any) -> argparse.ArgumentParser:
    """All commands with all of their options, whose paths are completed as such."""
    whole = argparse.ArgumentParser(prog="cxrkit")
    commands = whole.add_subparsers()
    for name, (file, does) in DOORS.items():
        if not file or _file_of(file) is None:
            commands.add_parser(name, help=does, add_help=False)
            continue
        parser = commands.add_parser(name, help=does, parents=[_parser_of(name)], add_help=False)
        for action in parser._actions:
            if action.type is Path or (action.metavar and "FILE" in str(action.metavar)):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    commands.add_parser(COMPLETION, help="completion of this command").add_argument(
        "shell", choices=shtab.SUPPORTED_SHELLS
    )
    return whole


class _Found(Exception):
    """Carries the parser of a door out of it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def _parser_of(name: str) -> argparse.ArgumentParser:
    """A door's parser, taken when the door is about to parse: doors need not know of completion."""

    def found(self: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        raise _Found(self)

    main_of_door = _door(name)
    parse_args, parse_known = argparse.ArgumentParser.parse_args, argparse.ArgumentParser.parse_known_args
    argparse.ArgumentParser.parse_args = found  # type: ignore[method-assign]
    argparse.ArgumentParser.parse_known_args = found  # type: ignore[method-assign]
    try:
        main_of_door([])
    except _Found as caught:
        return caught.parser
    finally:
        argparse.ArgumentParser.parse_args = parse_args  # type: ignore[method-assign]
        argparse.ArgumentParser.parse_known_args = parse_known  # type: ignore[method-assign]
    raise ValueError(f"the door of {name} parses no arguments")


if __name__ == "__main__":
    sys.exit(main())

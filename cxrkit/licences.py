"""Versions and licences of the packages that cxrkit needs, read from what is installed."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires
from pathlib import Path

_REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_LONGEST = 60  # some packages put the whole text of their licence into the field


@dataclass(frozen=True)
class Package:
    """A package with its version, licence and home page; empty where it is not installed or does not say."""

    name: str
    version: str = ""
    licence: str = ""
    homepage: str = ""


@functools.cache
def installed() -> tuple[Package, ...]:
    """The packages that cxrkit names as needed, by name."""
    return tuple(_package(name) for name in sorted(_needed(), key=str.lower))


def _needed() -> set[str]:
    """From the repository's requirements.txt; where cxrkit was installed without it, from its own metadata."""
    if _REQUIREMENTS.is_file():
        lines = _REQUIREMENTS.read_text().splitlines()
    else:
        try:
            lines = [line for line in requires("cxrkit") or [] if "extra ==" not in line]
        except PackageNotFoundError:
            lines = []
    return {match[1] for line in lines if (match := _NAME.match(line))}


def _package(name: str) -> Package:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return Package(name)
    return Package(found.metadata["Name"], found.version, _licence(found), _homepage(found))


def _licence(found: Distribution) -> str:
    """The SPDX expression, else a classifier, else the field where it is short."""
    if stated := _field(found, "License-Expression"):
        return stated
    classifiers = [
        c.split(" :: ")[-1] for c in found.metadata.get_all("Classifier") or [] if c.startswith("License ::")
    ]
    if classifiers and classifiers != ["OSI Approved"]:
        return ", ".join(c for c in classifiers if c != "OSI Approved")
    words = _field(found, "License").strip().splitlines()
    return words[0] if words and len(words[0]) <= _LONGEST else ""


def _homepage(found: Distribution) -> str:
    page = _field(found, "Home-page")
    if page and page != "UNKNOWN":
        return page
    links = [str(link).split(", ", 1) for link in found.metadata.get_all("Project-URL") or []]
    wanted = ("homepage", "home", "source", "source code", "repository", "documentation")
    by_name = {link[0].lower(): link[1] for link in links if len(link) == 2}
    return next((by_name[name] for name in wanted if name in by_name), "")


def _field(found: Distribution, name: str) -> str:
    """The first value of a field of the metadata, or nothing."""
    return str((found.metadata.get_all(name) or [""])[0])

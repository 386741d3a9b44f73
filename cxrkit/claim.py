"""Our answers to CLAIM 2024, the checklist for articles on artificial intelligence in medical imaging."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from cxrkit.card import STRICT

Answer = Literal["yes", "partly", "no", "not applicable"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
_FILE = Path(__file__).with_name("claim_2024.json")


@dataclass(frozen=True, config=STRICT)
class ClaimItem:
    """One item: its number and section in the checklist, its topic in our words, and our answer.

    `words` say what the answer rests on, `where` names files of this repository.
    """

    number: Annotated[int, Field(ge=1, le=44)]
    section: str
    topic: str
    answer: Answer
    words: str
    where: tuple[str, ...]


@dataclass(frozen=True, config=STRICT)
class Checklist:
    """All items in their order, and the publication that they follow."""

    source: str
    items: tuple[ClaimItem, ...]


@functools.cache
def checklist() -> Checklist:
    """The checklist that ships with cxrkit."""
    return TypeAdapter(Checklist).validate_json(_FILE.read_bytes())

"""The order of the findings as a user gives it, and as a kind, a file and a user must agree on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cxrkit.errors import ImportRefused

ORDER = "Give the findings in the order of the outputs with --findings or --findings-file."


def read_findings(listed: str | None, path: str | os.PathLike[str] | None) -> tuple[str, ...] | None:
    """Names from a list with commas, or from a file with one name per line; None where neither is given.

    Raises
    ------
    ImportRefused
        The file cannot be read.
    """
    if path is not None:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            raise ImportRefused("The file of the findings cannot be read.", "Check --findings-file.") from None
        return tuple(line.strip() for line in lines)
    return None if listed is None else tuple(name.strip() for name in listed.split(","))


def settle_findings(
    outputs: int, published: Sequence[str] | None, given: Sequence[str] | None, own: Sequence[str] | None
) -> tuple[str, ...]:
    """The names of the outputs in their order, on which everybody who names them must agree.

    Parameters
    ----------
    outputs
        Of the network.
    published, given, own
        As the kind, the user and the file name them; None for not at all.

    Raises
    ------
    ImportRefused
        Nobody names them, two disagree, or their number is not that of the outputs. An output without a
        name, which was not trained, may have any name in the file.
    """
    said = [
        (who, tuple(names))
        for who, names in (("the kind", published), ("--findings", given), ("the file", own))
        if names is not None
    ]
    if not said:
        raise ImportRefused("The order of the findings is not known: neither the kind nor the file names them.", ORDER)
    who, names = said[0]
    for other, others in said[1:]:
        pairs = enumerate(zip(names, others, strict=False), start=1)
        place = next((k for k, (a, b) in pairs if a != b and (a or other != "the file")), None)
        if place is not None or len(names) != len(others):
            where = f"at output {place}" if place is not None else "in their number"
            raise ImportRefused(f"The findings of {who} and of {other} differ {where}.", ORDER)
    if len(names) != outputs:
        raise ImportRefused(f"The network has {outputs} outputs, but {who} names {len(names)} findings.", ORDER)
    named = [name for name in names if name]
    if not named or len(set(named)) != len(named):
        raise ImportRefused("The findings are empty or repeated.", ORDER)
    return names

"""What an enhanced multi-frame object says about its first frame (PS3.3 C.7.6.16)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from cxrkit.imaging.dicom_facts import MALFORMED

# Functional group macros, and what of them is needed to show a frame.
MACROS = {
    "PixelMeasuresSequence": ("PixelSpacing",),  # C.7.6.16.2.1
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),  # C.7.6.16.2.9
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTSequence", "VOILUTFunction"),  # C.7.6.16.2.10
}


def describe_first_frame(ds: Any) -> None:
    """Write what the functional groups say about the first frame to the top level of a header.

    Per frame before shared; a macro may stand in either, not in both. Where the top level
    has anything of a macro's own, that holds and the macro is left out. A malformed group is an unknown one.
    """
    groups = [_first(ds, f"{kind}FunctionalGroupsSequence") for kind in ("PerFrame", "Shared")]
    for macro, keywords in MACROS.items():
        item = next((found for group in groups if (found := _first(group, macro)) is not None), None)
        if item is None or any(_says(ds, keyword) for keyword in keywords):
            continue
        for keyword in keywords:
            with suppress(*MALFORMED):
                if keyword in item:
                    ds.add(item[keyword])


def _first(ds: Any, keyword: str) -> Any:
    """First item of a sequence; None when it is absent, empty or malformed."""
    with suppress(*MALFORMED):
        items = None if ds is None else ds.get(keyword)
        return items[0] if items else None
    return None


def _says(ds: Any, keyword: str) -> bool:
    try:
        return ds.get(keyword) not in (None, "")
    except MALFORMED:
        return True  # it says something, and what that is worth is judged elsewhere

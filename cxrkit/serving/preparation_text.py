"""What became of a layout, as text for a terminal."""

from __future__ import annotations

from cxrkit.data.layouts.layout import SPLITS, Layout, rows_text
from cxrkit.data.manifest import patient_keys
from cxrkit.data.table import SPLIT
from cxrkit.serving.preparing import Preparation


def format_preparation(done: Preparation) -> str:
    """The preparation as text for a terminal: counts, notes and problems, by row number alone."""
    lines = [*_count_lines(done.layout), "", *done.notes]
    lines += [f"{count} images of {split} are copies of others in it." for split, count in done.duplicates.items()]
    if done.unreadable:
        lines.append(f"{len(done.unreadable)} images cannot be read{' and are left out' if done.skipped else ''}:")
        lines += [f"  {one}" for one in done.unreadable]
    for leak in done.leaks:
        a, b = leak.splits
        what = leak.kind if leak.count > 1 else leak.kind[:-1]
        lines.append(f"LEAK: {leak.count} {what} {'stand' if leak.count > 1 else 'stands'} in both {a} and {b}:")
        lines += [f"  {split}: {rows_text(rows)}" for split, rows in zip(leak.splits, leak.rows, strict=True)]
    return "\n".join(lines)


def _count_lines(layout: Layout) -> list[str]:
    """Images and patients per split, and positives, negatives and unknown labels per split and finding."""
    table = layout.table
    keys = patient_keys(table)
    width = max(map(len, layout.findings))
    lines = []
    for split in SPLITS:
        rows = table[table[SPLIT] == split]
        if rows.empty:
            continue
        known = set(keys[table[SPLIT] == split]) - {""}
        blank = int((keys[table[SPLIT] == split] == "").sum())
        patients = f"{len(known)} patients" if known else "patients unknown"
        more = f", {blank} images of unknown patients" if known and blank else ""
        lines.append(f"{split}: {len(rows)} images, {patients}{more}")
        counts = layout.manifest().subset((table[SPLIT] == split).to_numpy()).counts()
        lines += [
            f"  {c.finding:<{width}}  {c.positives:>7} positive  {c.total - c.positives:>7} negative"
            f"  {len(rows) - c.total:>7} unknown"
            for c in counts
        ]
    return lines

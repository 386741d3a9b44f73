"""``train_config.json``: the loss weights of every preset, computed from label counts.

``w_pos = 1 - prevalence`` multiplies the positive term of the weighted binary cross-entropy and
``w_neg = prevalence`` the negative one, so that both classes contribute equally to the loss.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrkit.card import LabelCount
from cxrkit.errors import TrainConfigError

TRAIN_CONFIG = Path(__file__).resolve().parent.parent / "train_config.json"
_REMEDY = "Regenerate it with: python scripts/calculate_loss.py."


@dataclass(frozen=True)
class FindingWeights:
    """Loss weights of one finding and the counts that they come from."""

    finding: str
    positives: int
    total: int

    @property
    def prevalence(self) -> float:
        """Share of positives among the known labels."""
        return self.positives / self.total

    @property
    def w_pos(self) -> float:
        """Weight of the positive term, 1 - prevalence."""
        return (self.total - self.positives) / self.total

    @property
    def w_neg(self) -> float:
        """Weight of the negative term, the prevalence."""
        return self.prevalence


@dataclass(frozen=True)
class PresetWeights:
    """Loss weights of one preset in the order of its findings.

    `source` names the table that was counted and `sha256` is that of its bytes.
    """

    source: str
    sha256: str
    findings: tuple[FindingWeights, ...]


@dataclass(frozen=True)
class TrainConfig:
    """The content of ``train_config.json``, keyed by preset."""

    presets: Mapping[str, PresetWeights]

    @classmethod
    def load(cls, path: str | os.PathLike[str] = TRAIN_CONFIG) -> TrainConfig:
        """Read the file; raises `TrainConfigError` when it is missing, malformed or inconsistent."""
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError:
            raise TrainConfigError("The training configuration train_config.json is missing.", _REMEDY) from None
        except ValueError:
            raise TrainConfigError("The training configuration is not valid JSON.", _REMEDY) from None
        try:
            presets = {name: _parse(entry) for name, entry in raw.items()}
        except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise TrainConfigError(f"The training configuration is inconsistent ({error}).", _REMEDY) from None
        return cls(presets)

    def weights(self, preset: str) -> PresetWeights:
        """The entry of a preset; raises `TrainConfigError` when there is none."""
        try:
            return self.presets[preset]
        except KeyError:
            raise TrainConfigError(f"The training configuration has no entry for preset {preset!r}.", _REMEDY) from None

    def class_weights(self, preset: str) -> dict[str, tuple[float, float]]:
        """Finding -> (w_pos, w_neg), in the preset's order."""
        return {f.finding: (f.w_pos, f.w_neg) for f in self.weights(preset).findings}

    def to_json(self) -> str:
        """The file's text; the same counts give the same bytes."""
        plain = {
            name: {
                "source": entry.source,
                "sha256": entry.sha256,
                "findings": [
                    {
                        "finding": f.finding,
                        "positives": f.positives,
                        "total": f.total,
                        "prevalence": f.prevalence,
                        "w_pos": f.w_pos,
                        "w_neg": f.w_neg,
                    }
                    for f in entry.findings
                ],
            }
            for name, entry in sorted(self.presets.items())
        }
        return json.dumps(plain, indent=2) + "\n"


def _parse(entry: Mapping[str, Any]) -> PresetWeights:
    rows = []
    for row in entry["findings"]:
        positives, total = int(row["positives"]), int(row["total"])
        if not 0 <= positives <= total:
            raise ValueError(f"{positives} positives among {total} labels of {row['finding']}")
        weights = FindingWeights(str(row["finding"]), positives, total)
        stated = (row["prevalence"], row["w_pos"], row["w_neg"])
        computed = (weights.prevalence, weights.w_pos, weights.w_neg)
        if any(abs(a - b) > 1e-9 for a, b in zip(stated, computed, strict=True)):
            raise ValueError(f"the weights of {weights.finding} do not follow from its counts")
        rows.append(weights)
    return PresetWeights(str(entry["source"]), str(entry["sha256"]), tuple(rows))


def from_counts(counts: Sequence[LabelCount], source: str, sha256: str) -> PresetWeights:
    """Loss weights from label counts.

    Raises
    ------
    TrainConfigError
        There is no finding, or one without any known label.
    """
    for count in counts:
        if count.total == 0:
            raise TrainConfigError(
                f"{count.finding} has no known label.",
                "Give a table in which every finding has known labels.",
            )
    if not counts:
        raise TrainConfigError("The label counts are empty.", "Give a table with at least one finding.")
    return PresetWeights(source, sha256, tuple(FindingWeights(c.finding, c.positives, c.total) for c in counts))


def counts_to_csv(counts: Sequence[LabelCount]) -> bytes:
    """``label_counts.csv``: finding, positives, total."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["finding", "positives", "total"])
    writer.writerows([c.finding, c.positives, c.total] for c in counts)
    return stream.getvalue().encode()


def read_counts(path: str | os.PathLike[str]) -> tuple[tuple[LabelCount, ...], str]:
    """Label counts of a ``label_counts.csv`` and the sha256 of its bytes; raises `TrainConfigError`."""
    try:
        raw = Path(path).read_bytes()
        rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8"))))
        counts = tuple(LabelCount(r["finding"], int(r["positives"]), int(r["total"])) for r in rows)
    except OSError:
        raise TrainConfigError(
            "A preset has no label_counts.csv beside its card.", "Restore it from the release, or train the preset."
        ) from None
    except (KeyError, ValueError, TypeError):
        raise TrainConfigError(
            "A label_counts.csv is malformed.", "It needs the columns finding, positives and total."
        ) from None
    return counts, hashlib.sha256(raw).hexdigest()

"""A reading as one record per file: plain types for a machine, lines for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrkit.errors import CxrError
from cxrkit.preset import Preset
from cxrkit.reading import Reading, in_doubt


def to_record(reading: Reading, preset: Preset) -> dict[str, Any]:
    """A reading as plain types without its maps, with the verdict at each supported operating point.

    ``positive`` compares the probability with the threshold; where ``in_doubt`` is true, the reading abstains.
    A reading that is refused has no findings: ``quality`` says why.
    """
    record = reading.to_dict()
    if reading.quality.refused:
        record["findings"] = {}
    for finding, entry in record["findings"].items():
        del entry["explanation"]
        score = reading.prediction.score(finding)
        entry["stated_at_prevalence"] = preset.calibration[finding].prevalence
        entry["operating_points"] = {
            point.rule: {
                "positive": entry["probability"] >= point.threshold,
                "in_doubt": in_doubt(score.interval, point.threshold),
                "threshold": point.threshold,
                "sensitivity": point.sensitivity,
                "specificity": point.specificity,
                "fitted_on": {"split": point.split, "n": point.n, "positives": point.positives},
            }
            for point in preset.operating_points
            if point.finding == finding and point.supported
        }
        published = preset.published_threshold(finding)
        if published is not None:  # not fitted here, so with neither sensitivity nor specificity
            entry["published_threshold"] = {
                "positive": entry["probability"] >= published,
                "in_doubt": in_doubt(score.interval, published),
                "threshold": published,
                "source": next(p.source for p in preset.published_thresholds if p.finding == finding),
            }
    return record


def error_record(error: CxrError) -> dict[str, Any]:
    """What stands in the place of a reading that could not be had."""
    return {"error": {"message": error.message, "remedy": error.remedy}}


def format_record(name: str, record: Mapping[str, Any]) -> str:
    """The lines of one file for a person, most probable finding first."""
    if "error" in record:
        return f"{name}\n  {record['error']['message']}\n  {record['error']['remedy']}"
    lines = [name]
    quality = record["quality"]
    if quality["refused"]:
        return "\n".join(
            [name, "  No reading is shown for this picture.", *(f"  ! {text}" for text in remarks(quality))]
        )
    width = max((len(finding) for finding in record["findings"]), default=0)
    for finding, entry in sorted(record["findings"].items(), key=lambda item: -item[1]["probability"]):
        points = dict(entry["operating_points"])
        if (published := entry.get("published_threshold")) is not None:
            points["published"] = published
        past = [rule for rule, point in points.items() if point["positive"] and not point["in_doubt"]]
        doubtful = [rule for rule, point in points.items() if point["in_doubt"]]
        verdict = [f"past {', '.join(past)}"] if past else []
        verdict += [f"in doubt at {', '.join(doubtful)}"] if doubtful else []
        said = "; ".join(verdict) or ("" if points else "no supported threshold")
        lines.append(f"  {finding:<{width}}  {entry['probability']:.4f}{_interval(entry)}  {said}".rstrip())
    return "\n".join(lines + [f"  ! {text}" for text in [*record["warnings"], *remarks(quality)]])


def _interval(entry: Mapping[str, Any]) -> str:
    ends = entry["interval"]
    return "" if ends is None else f" ({ends['low']:.4f} to {ends['high']:.4f})"


def remarks(quality: Mapping[str, Any]) -> list[str]:
    """Sentences of a quality report, as plain types: what was asked for, what was done, and each reason."""
    asked = ["Shown at the reader's request, in spite of a refusal."] if quality["overridden"] else []
    turned = [f"Read as it lies, although it seems to need: {', '.join(quality['proposed_correction'])}."]
    done = [f"Put into place before it was read: {', '.join(quality['correction'])}."]
    asked += (done if quality["correction"] else []) + (turned if quality["proposed_correction"] else [])
    position = ("inverted", "rotated")
    return asked + [str(issue["message"]) for issue in quality["issues"] if issue["code"] not in position]

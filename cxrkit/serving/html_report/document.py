"""Fills the report's template and writes the file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cxrkit.card import MINIMUM_POSITIVES
from cxrkit.charts import forest
from cxrkit.charts.style import CONFIG, Chart, percent, plotly_script, rule_name, to_script
from cxrkit.errors import ManifestError
from cxrkit.evaluation.schema import Evaluation
from cxrkit.preset import Preset
from cxrkit.reading import DISCLAIMER
from cxrkit.serving.gallery import KINDS, Gallery
from cxrkit.serving.html_report import overview
from cxrkit.serving.html_report.finding import anchors, section_of

REPORT = "report.html"
_HERE = Path(__file__).parent


def write_report(
    evaluation: Evaluation,
    folder: str | os.PathLike[str],
    *,
    gallery: Mapping[str, Gallery] | None = None,
    preset: Preset | None = None,
) -> Path:
    """Write an evaluation as one HTML file that works offline.

    Parameters
    ----------
    evaluation
        What to show. Nothing is computed here beyond words and rounding.
    folder
        Where ``report.html`` goes; made if need be.
    gallery
        Finding -> pictures, as `cxrkit.serving.gallery.render` gives them; None for predictions without images.
    preset
        The model, for its title, notice and limits.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ManifestError
        The folder cannot be written to.
    """
    text = report_html(evaluation, gallery=gallery, preset=preset)
    path = Path(folder) / REPORT
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        raise ManifestError(
            "The report cannot be written into the folder that was named for it.",
            "Name a folder, existing or new, that you may write to, and not a file.",
        ) from None
    return path


def report_html(
    evaluation: Evaluation, *, gallery: Mapping[str, Gallery] | None = None, preset: Preset | None = None
) -> str:
    """The text of the report; see `write_report`."""
    names = anchors(evaluation.findings)
    pictures = gallery or {}
    page = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {"percent": percent, "rule": rule_name, "figure": _figure}
    scripts = (plotly_script(), (_HERE / "report.js").read_text(encoding="utf-8"))
    comparison, attention = evaluation.comparison, evaluation.attention
    return page.get_template("report.jinja").render(
        evaluation=evaluation,
        preset=preset,
        disclaimer=DISCLAIMER,
        minimum=MINIMUM_POSITIVES,
        judged=overview.judged_words(evaluation, preset),
        summary_head=overview.SUMMARY_HEAD,
        summary=overview.summary_rows(evaluation, names),
        summary_methods=overview.summary_methods(evaluation),
        macro=overview.macro_cards(evaluation),
        forest=forest.auroc_by_finding(evaluation) if len(evaluation.findings) > 1 else None,
        sections=[section_of(names[f], f, entry, pictures.get(f)) for f, entry in evaluation.findings.items()],
        comparison=comparison,
        comparison_table=None if comparison is None else overview.comparison_table(comparison),
        comparison_chart=None if comparison is None else forest.differences(comparison),
        localisation=overview.localisation_parts(evaluation.localisation, evaluation.split),
        randomisation=overview.randomisation_table(attention) if attention and attention.randomisation else None,
        evidence=overview.evidence_table(attention) if attention and attention.evidence else None,
        kinds=KINDS,
        style=Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        # Only the two scripts of this file may run, and nothing may be fetched.
        policy="default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src "
        + " ".join(_script_hash(script) for script in scripts),
        config=Markup(_json(CONFIG)),
    )


def _figure(chart: Chart) -> Markup:
    return Markup(to_script(chart.figure))


def _script_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(value: Any) -> str:
    return json.dumps(value).replace("<", "\\u003c")

"""The picture of the Read page with its controls, its caption and what can be saved of it."""

from __future__ import annotations

import json
from html import escape

import streamlit as st

from cxrkit.charts import overlay
from cxrkit.charts.viewer import VIEWER_CONFIG, layer_numbers, layers_css
from cxrkit.charts.window import windowed
from cxrkit.dashboard import quality_view
from cxrkit.dashboard.blanking import blank_field, blanked_boxes, blanking_caption
from cxrkit.dashboard.contact_sheet import contact_sheet
from cxrkit.dashboard.display_field import display_caption, display_field
from cxrkit.dashboard.entry import guarded
from cxrkit.dashboard.findings_panel import percent
from cxrkit.dashboard.keyboard import keys_on
from cxrkit.dashboard.ranking import RULES, Rule, standing
from cxrkit.dashboard.report_field import report_field
from cxrkit.dashboard.scripts import behave
from cxrkit.dashboard.services import pictures, readings
from cxrkit.dashboard.sidebar import Choice
from cxrkit.dashboard.viewer_controls import View, controls
from cxrkit.findings import finding_text
from cxrkit.preset import Preset
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Explanation, Reading, in_doubt

GRID_CAPTION = "{rows} x {columns}: where the model looked, not the outline of a lesion"


@st.fragment
@guarded
def picture(radiograph: Radiograph, reading: Reading, choice: Choice, finding: str) -> None:
    """The viewer and its controls: a fragment, so that a slider redraws the map and nothing else."""
    display_field(radiograph)
    view = controls(reading, choice, finding)
    explanation = reading.explanations[finding]
    copy, blanked = pictures.display_copy(radiograph), blanked_boxes(radiograph)
    with st.container(key="viewport"):
        st.plotly_chart(
            pictures.viewer(radiograph, reading, view.look.colour_map, blanked, beside=view.beside),
            width="stretch",
            height="stretch",
            theme=None,
            key="radiograph",
            config=VIEWER_CONFIG,
            alt="Radiograph, on the left plain, on the right with a map; the line under it says which"
            if view.beside
            else "Radiograph; the line under it says which map lies over it",
        )
        if view.all_maps:
            contact_sheet(radiograph, reading, choice, finding, view, blanked)
    at = standing(choice.preset, finding, reading.prediction[finding], choice.rule, choice.custom)
    captions = export_captions(reading, explanation, at.threshold, choice.rule)
    captions += (
        (("Map hidden.",) if view.hidden else ())
        + view.window.caption()
        + display_caption(radiograph)
        + blanking_caption(blanked)
    )
    shown = windowed(overlay.blank(copy, blanked), view.window)
    with st.container(key="below", horizontal=True):
        st.html(
            map_caption(reading, explanation, view)
            + f"<style>{layers_css('.st-key-viewport', reading.explanations, finding, view.shown, view.window)}</style>"
            + layers_note(reading, finding, view)
            + f'<p class="cx-quality">{escape(quality_line(radiograph, reading, choice.preset))}</p>'
        )
        blank_field(radiograph, copy)
        st.download_button(
            "PNG",
            help="The radiograph with this map and its caption.",
            data=lambda: overlay.overlay_png(shown, explanation, captions, view.shown),
            file_name=readings.download_name(reading, f"-{finding.lower()}.png"),
            mime="image/png",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "JSON",
            help="The whole reading: probabilities, maps, weights, quality.",
            data=lambda: readings.reading_json(reading),
            file_name=readings.download_name(reading, ".json"),
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
        )
        report_field(radiograph, reading, choice, copy, blanked, view.look)
    behave("layers")


def layers_note(reading: Reading, finding: str, view: View) -> str:
    """What is shown of the maps: ``behaviour/layers.js`` shows the next one before the server does."""
    layers = escape(json.dumps(layer_numbers(reading.explanations)))
    contour, hidden, keys = ("1" if flag else "" for flag in (view.look.contour, view.hidden, keys_on()))
    return (
        f'<span class="cx-layers" hidden data-finding="{finding}" data-layers="{layers}" data-keys="{keys}" '
        f'data-opacity="{view.look.opacity:.2f}" data-contour="{contour}" data-hidden="{hidden}"></span>'
    )


def map_caption(reading: Reading, explanation: Explanation, view: View) -> str:
    """Legend under the viewer: scale, grid, and how strong this map is among those of the reading."""
    rows, columns = explanation.map.shape
    label = escape(finding_text(explanation.finding).label)
    seen = "" if view.window.plain else " <i>Window or inversion changed: of the view alone.</i>"
    if view.all_maps:
        return (
            '<p class="cx-caption"><b>All maps.</b> Each from 0 to a peak of its own, in the order of the findings; '
            f"strength is compared by the peaks. Choose one to look at it.{seen}</p>"
        )
    if not explanation.has_positive_evidence:
        return (
            f'<p class="cx-caption"><b>{label}: no positive evidence.</b> Nothing in this radiograph raised the score, '
            f"so there is no map to show.{seen}</p>"
        )
    if view.hidden:
        return f'<p class="cx-caption"><b>{label}: map hidden.</b>{seen}</p>'
    strongest = max(reading.explanations.values(), key=lambda e: e.peak)
    share = percent(explanation.peak / strongest.peak).replace(" ", "\u00a0")
    compared = ""
    if strongest is not explanation:
        compared = f" Peak: {share} of the strongest map, {escape(finding_text(strongest.finding).label)}."
    elif len(reading.explanations) > 1:
        compared = " The strongest of all maps."
    ramp = ",".join(overlay.colour_stops(view.look.colour_map))
    scale = f'<span class="cx-ramp" style="background:linear-gradient(90deg,{ramp})"></span>'
    return (
        f'<p class="cx-caption"><b>{label}</b> {scale} '
        f"0 to peak, {GRID_CAPTION.format(rows=rows, columns=columns)}.{compared}"
        f"{escape(_place(explanation))}{seen}</p>"
    )


def _place(explanation: Explanation) -> str:
    """How much of the evidence lies outside of the lungs, and whether that is more than usual."""
    if explanation.outside_lungs is None:
        return ""
    said = f" {percent(explanation.outside_lungs)} of the evidence lies outside the lungs"
    if not explanation.unusual_place or explanation.outside_limit is None:
        return said + "."
    limit = percent(explanation.outside_limit)
    return f"{said}, more than in 95 % of the validation radiographs with the highest scores ({limit}): beware."


def export_captions(reading: Reading, explanation: Explanation, threshold: float | None, rule: Rule) -> tuple[str, ...]:
    """What is written under an exported picture, so that it explains itself wherever it goes."""
    rows, columns = explanation.map.shape
    label = finding_text(explanation.finding).label
    against = "no operating point" if threshold is None else f"{RULES[rule][0]} threshold {percent(threshold)}"
    if in_doubt(reading.prediction.score(explanation.finding).interval, threshold):
        against += ", in doubt"
    shown = f"Grad-CAM, {GRID_CAPTION.format(rows=rows, columns=columns)}."
    if not explanation.has_positive_evidence:
        shown = "No positive evidence: there is no map to show."
    return (
        f"{label}: {percent(reading.prediction[explanation.finding])} ({against}). {shown}",
        f"{reading.preset} {reading.weights_sha256[:8]}, image {reading.radiograph_sha256[:8]}. {reading.notice}",
        *filter(None, [quality_view.caption(reading.quality)]),
        reading.disclaimer,
    )


def quality_line(radiograph: Radiograph, reading: Reading, preset: Preset) -> str:
    """What the file was and what was done to its picture, down to the network's input."""
    source = {"phantom": "Phantom"}.get(radiograph.source_format, radiograph.source_format)
    facts = [source, radiograph.modality, radiograph.view and f"{radiograph.view} view"]
    facts += [f"{radiograph.width} x {radiograph.height} pixels"]
    side = preset.input_size
    geometry = {
        "squash": f"Scaled to {side} x {side} for the model, proportions not kept.",
        "pad": f"Padded with black to a square, then scaled to {side} x {side} for the model.",
        "crop": f"Only the central square is read, scaled to {side} x {side}.",
    }[preset.geometry]
    border = [f"{preset.border:.1%} of each side is cut off."] if preset.border else []
    said = [", ".join(f for f in facts if f) + ".", *reading.notes, *border, geometry]
    passed = (
        ["The quality checks found nothing against it."] if preset.quality_gate and not reading.quality.issues else []
    )
    return " ".join([*said, *passed, *_among_others(reading, preset)])


def _among_others(reading: Reading, preset: Preset) -> list[str]:
    """How far the picture is from those that the model learned from: a number, for none of them is kept."""
    gate, distance = preset.quality_gate, reading.quality.distance
    share = None if gate is None or distance is None else gate.share_nearer(distance)
    if gate is None or share is None:
        return []
    whom = f"of the {gate.validation_images:,} validation radiographs"
    return [f"Farther from the nearest training radiographs than {100 * share:.0f} % {whom}."]

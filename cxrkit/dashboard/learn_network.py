"""The sections of the Learn page that look into the network, with the chosen preset's own numbers."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from cxrkit.architecture import blocks
from cxrkit.charts import overlay, tiles
from cxrkit.charts.drawings import dense_block
from cxrkit.charts.style import number, percent
from cxrkit.dashboard import choices, lesson
from cxrkit.dashboard.lesson import Tile
from cxrkit.dashboard.services import models
from cxrkit.findings import finding_text
from cxrkit.imaging.convolution import KERNELS, Kernel, respond
from cxrkit.imaging.phantom import phantom
from cxrkit.imaging.preprocessing import to_square
from cxrkit.preset import Preset

if TYPE_CHECKING:
    from cxrkit.model.steps import Steps

SIDE = 512  # pixels of the phantom on this page


def choose_finding(preset: Preset) -> str:
    """The finding that a section is about, the same in all of them."""
    if len(preset.findings) == 1:
        return preset.findings[0]
    choices.recall("learn_finding", preset.findings[0], preset.findings)
    if st.session_state["learn_finding"] not in preset.findings:  # another preset's
        st.session_state["learn_finding"] = preset.findings[0]
    finding = st.selectbox(
        "Finding", preset.findings, format_func=lambda f: finding_text(f).label, key="learn_finding", width=320
    )
    choices.keep("learn_finding", finding)
    return finding


def steps_of(preset: Preset, finding: str) -> Steps:
    """Grad-CAM of the phantom taken apart."""
    from cxrkit.model.steps import grad_cam_steps  # loads the network library

    return models.on_phantom(preset, grad_cam_steps, finding)


# -- convolution -------------------------------------------------------------------------------


def convolution(preset: Preset) -> None:
    """A kernel of the reader's choice on the phantom."""
    lesson.lead(
        "What a convolution sees",
        "A kernel is a small table of weights. It is laid over every place of the picture; the pixels under it are "
        "multiplied with its weights and added up. Where the picture looks like the kernel, the answer is large.",
    )
    drawn = {kernel.name: kernel for kernel in KERNELS} | _learned(preset)
    choices.recall("learn_kernel", KERNELS[0].name, drawn)
    if st.session_state["learn_kernel"] not in drawn:  # another preset's
        st.session_state["learn_kernel"] = KERNELS[0].name
    name = st.selectbox("Kernel", list(drawn), key="learn_kernel", width=320)
    choices.keep("learn_kernel", name)
    kernel = drawn[name]
    pixels = to_square(phantom(size=SIDE).pixels, preset.geometry, preset.input_size)
    answer = respond(pixels, kernel.weights)
    limit = tiles.bulk(answer)
    side = preset.input_size
    goes_in = Tile(tiles.grey(pixels), "Synthetic chest radiograph", f"What goes in: {side} x {side} pixels")
    comes_out = Tile(tiles.signed(answer, limit), f"Answer of the kernel {name} to the phantom", "What comes out")
    st.html(
        f'<div class="cx-conv">{lesson.figure(goes_in)}{_kernel_table(kernel)}{lesson.figure(comes_out)}</div>'
        f'<p class="cx-caption">{escape(kernel.words)} {_SIGNS} The answers lie between '
        f"{number(float(answer.min()), 2)} and {number(float(answer.max()), 2)}; full colour from "
        f"{number(limit, 2)} on.</p>"
    )
    lesson.keep(
        "Nobody draws the kernels of a network: it finds weights that help to tell its labels apart, layer upon "
        "layer, so that later kernels answer to patterns of patterns."
    )


_SIGNS = "Orange is positive, blue negative, black zero."


def _learned(preset: Preset) -> dict[str, Kernel]:
    from cxrkit.model.first_layer import strongest_kernels

    words = "One of the kernels of this model's first layer with the largest weights. It was learned, not drawn."
    found = strongest_kernels(models.manager(preset).first_planes)
    return {(name := f"Learned by this model: channel {k}"): Kernel(name, words, w) for k, w in found.items()}


def _kernel_table(kernel: Kernel) -> str:
    """The weights as a table; colours as in the answer."""
    top = float(abs(kernel.weights).max())
    rows = ""
    for line in kernel.weights.tolist():
        cells = ""
        for weight in line:
            red, green, blue = tiles.ABOVE if weight > 0 else tiles.BELOW
            share = abs(weight) / top if top else 0.0
            cells += f'<td style="background:rgba({red},{green},{blue},{0.42 * share:.2f})">{_weight(weight)}</td>'
        rows += f"<tr>{cells}</tr>"
    height, width = kernel.weights.shape
    small = " cx-kernel-small" if width > 5 else ""
    return (
        f'<figure class="cx-kernel{small}"><table aria-label="Weights of the kernel">{rows}</table>'
        f"<figcaption>The kernel, {height} x {width}</figcaption></figure>"
    )


def _weight(value: float) -> str:
    return number(value, 0) if float(value).is_integer() else number(value, 2).replace("0.", ".", 1)


# -- DenseNet ----------------------------------------------------------------------------------


def densenet(preset: Preset) -> None:
    """Dense connections, one layer at a time."""
    lesson.lead(
        "DenseNet: every layer sees all before it",
        "In a plain network each layer sees only what the one before it made. In a dense block it sees everything that",
        "came before, and adds a few channels of its own. So features are used again instead of being made anew, and",
        "the layers can be thin.",
    )
    choices.recall("learn_layer", 4)
    shown = st.slider("Layer", 1, 6, key="learn_layer", help="Which layer of the first dense block to look at.")
    choices.keep("learn_layer", shown)
    seen = 64 + 32 * (shown - 1)
    lesson.drawing(
        dense_block(6, 64, 32, shown),
        f"The first dense block of DenseNet-121: layer {shown} sees 64 channels that came in"
        + (f" and 32 of each of the {shown - 1} before it" if shown > 2 else " and 32 of layer 1" if shown == 2 else "")
        + f", {seen} in all, and adds 32. After six layers there are 256.",
    )
    built = blocks(preset.backbone, preset.input_size)
    last = built[-1] if built else None
    if last is not None and preset.backbone == "densenet121":
        lesson.keep(
            f"Four such blocks of 6, 12, 24 and 16 layers end in {last.channels:,} feature maps of {last.side} x "
            f"{last.side}: all that this model says of a radiograph it says from them."
        )
    else:
        at = "" if last is None else f": {last.channels:,} feature maps of {last.side} x {last.side} at its end"
        lesson.keep(f"The chosen model is no DenseNet but a {preset.backbone}{at}. Model info draws it.")


# -- Grad-CAM ----------------------------------------------------------------------------------


def grad_cam(preset: Preset) -> None:
    """Grad-CAM in four steps, computed on the phantom."""
    lesson.lead(
        "Grad-CAM in four steps",
        "Where in the picture did the model find evidence? These are its own numbers for the phantom, computed just",
        "now; the last step is the very map of the Read page.",
    )
    finding = choose_finding(preset)
    steps = steps_of(preset, finding)
    label = finding_text(finding).label
    rows, columns = steps.map.shape
    lesson.step(
        f"1. Feature maps: {steps.channels:,} of {rows} x {columns}",
        f"What the last layer before the head gives: each map says where its pattern was met. Shown are the "
        f"{len(steps.strongest)} that matter most for {label}, each on a scale of its own; together they make "
        f"{percent(steps.share)} of all contributions. {_SIGNS}",
    )
    power = math.floor(math.log10(float(abs(steps.alphas).max()) or 1.0))
    lesson.tiles(
        [
            Tile(
                tiles.signed(one.map),
                f"Feature map {one.number}",
                f"map {one.number}, weight {_alpha(one.alpha / 10**power)}",
            )
            for one in steps.strongest
        ],
        "small grid",
    )
    up = int((steps.alphas > 0).sum())
    lesson.step(
        "2. Weights: how the logit would change",
        f"The weight of a map is the mean gradient of the logit of {label} by that map: how much the logit would rise "
        f"if the whole map rose a little. {up:,} of {steps.channels:,} weights are positive; those of the maps above "
        f"stand under them, in units of 10{_superscript(power)}. Maps may be negative, too: what counts is weight "
        "times map.",
    )
    lesson.step("3. The weighted sum", "Each map times its weight, added up. Add more of them and see the sum settle.")
    counts = list(steps.sums)
    count = st.select_slider(
        "Maps in the sum", counts, counts[-1], format_func="{:,}".format, key=f"learn_sum_{preset.name}"
    )
    limit = max(float(abs(one).max()) for one in steps.sums.values())
    lesson.tiles(
        [
            Tile(
                tiles.signed(steps.sums[count], limit),
                f"Weighted sum of the {count} strongest maps for {label}",
                f"Step 3: sum of {count:,} maps. {_SIGNS}",
            ),
            Tile(
                tiles.heat(steps.map),
                f"Grad-CAM map of {label} on its {rows} x {columns} grid",
                "Step 4a: of the sum of all, what is above zero",
            ),
            Tile(
                _overlay(steps),
                f"Phantom with the Grad-CAM map of {label}",
                "Step 4b: enlarged and laid over the picture",
            ),
        ],
        "grid",
    )
    evidence = (
        f"The logit is {number(steps.logit, 2)}, the calibrated probability {percent(steps.probability)}."
        if steps.explanation.has_positive_evidence
        else f"Nothing in the phantom raised the logit of {label}: the map is empty, and says so."
    )
    lesson.step("4. Only what speaks for it", f"Negative sums are cut off: they speak against the finding. {evidence}")
    lesson.keep(
        f"The map has {rows * columns} cells. The smooth colours come from enlarging it: it shows where the model "
        "looked, not the outline of anything."
    )


def _alpha(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _superscript(value: int) -> str:
    return str(value).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _overlay(steps: Steps) -> str:
    copy = overlay.display_copy(phantom(size=SIDE), 420)
    return overlay.jpeg_uri(overlay.blended(copy, steps.explanation))


def faded(steps: Steps, logit: float) -> None:
    """The map of the logit beside what one of the probability would show at a logit."""
    p = 1 / (1 + math.exp(-logit))
    slope = p * (1 - p)
    top = float(steps.map.max())
    lesson.tiles(
        [
            Tile(tiles.heat(steps.map, top), "Grad-CAM map of the logit", "Map of the logit: does not depend on it"),
            Tile(
                tiles.heat(steps.map * (4 * slope), top),
                f"Grad-CAM map of the probability at a logit of {logit:.1f}",
                f"Map of the probability: {percent(4 * slope)} of its strongest",
            ),
        ],
        "grid",
    )
    st.html(
        '<p class="cx-caption">The chain rule multiplies every weight with the slope p (1 - p). Both maps are shown on '
        "one scale, on which a map of the probability is at full strength where the slope is steepest, at a logit of "
        "0.</p>"
    )

"""Whatever a card holds, saving and loading gives it back, byte for byte the second time."""

import dataclasses
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cxrkit.card import (
    Calibration,
    LabelCount,
    Metric,
    OperatingPoint,
    Population,
    ReferencePrevalence,
    TrainingRecord,
)
from cxrkit.preset import Preset

SHARE = st.floats(0, 1)
REAL = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=20)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
COUNT = st.integers(0, 10**6)
SHA = st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def presets(draw):
    findings = tuple(draw(st.lists(NAME, min_size=1, max_size=4, unique=True)))
    sha256 = draw(SHA)
    one = st.sampled_from(findings)
    cases = st.tuples(COUNT, COUNT).map(sorted)  # positives, n

    def calibrated(slope, intercept, method, split, counts, prevalence):
        return Calibration(slope, intercept, method, split, counts[1], counts[0], prevalence)

    def pointed(finding, rule, threshold, sensitivity, specificity, split, counts):
        return OperatingPoint(finding, rule, threshold, sensitivity, specificity, split, counts[1], counts[0], sha256)

    method = st.sampled_from(["platt", "shared-slope", "identity"])
    slope = st.floats(min_value=1e-300, allow_infinity=False)
    calibration = st.builds(calibrated, slope, REAL, method, TEXT, cases, st.none() | SHARE)
    rule = st.sampled_from(["youden", "screening", "rule-in", "custom"])
    point = st.builds(pointed, one, rule, SHARE, SHARE, SHARE, TEXT, cases)
    counted = {finding: draw(cases) for finding in findings}
    reference = st.builds(
        ReferencePrevalence, TEXT, st.fixed_dictionaries({f: st.floats(1e-9, 1 - 1e-9) for f in findings})
    )
    metric = st.builds(Metric, one | st.just("macro"), TEXT, REAL, REAL, REAL, COUNT, COUNT, TEXT, st.just(sha256))
    texts = st.lists(TEXT, max_size=3).map(tuple)
    return Preset(
        name=draw(NAME),
        title=draw(TEXT),
        version=draw(TEXT),
        backbone=draw(TEXT),
        feature_layer=draw(TEXT),
        head=draw(TEXT),
        findings=findings,
        input_size=draw(st.integers(32, 2048)),
        geometry=draw(st.sampled_from(["squash", "pad", "crop"])),
        intensity=draw(st.sampled_from(["sample-standard", "unit"])),
        weights_file=draw(NAME),
        weights_sha256=sha256,
        calibration={finding: draw(calibration) for finding in findings},
        label_counts=tuple(LabelCount(f, *counted[f]) for f in findings),
        operating_points=tuple(draw(st.lists(point, max_size=3, unique_by=lambda p: (p.finding, p.rule)))),
        population=Population(draw(TEXT), draw(texts), draw(texts)),
        training=TrainingRecord(draw(TEXT), draw(texts), 1, 2, 3, draw(COUNT), draw(TEXT)),
        intended_use=draw(TEXT),
        limits=draw(texts),
        label_noise=draw(texts),
        metrics=tuple(draw(st.lists(metric, max_size=3))),
        reference_prevalence=draw(st.none() | reference),
        notice=draw(TEXT),
    )


@given(presets())
@settings(max_examples=60, deadline=None)
def test_a_card_comes_back_as_it_was(preset):
    with tempfile.TemporaryDirectory() as folder:
        path = preset.save(folder)
        first = path.read_bytes()
        again = Preset.load(folder)
        assert again == preset
        assert tuple(again.calibration) == tuple(preset.calibration)  # the order is kept, too
        assert again.folder == folder
        again.save(folder)
        assert path.read_bytes() == first
        assert [entry.name for entry in Path(folder).iterdir()] == ["preset.json"]


@given(presets(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_findings_is_part_of_the_card(preset, random):
    order = list(preset.findings)
    random.shuffle(order)
    counts = {count.finding: count for count in preset.label_counts}
    shuffled = dataclasses.replace(preset, findings=tuple(order), label_counts=tuple(counts[f] for f in order))
    with tempfile.TemporaryDirectory() as folder:
        shuffled.save(folder)
        assert Preset.load(folder).findings == tuple(order)

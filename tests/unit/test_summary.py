"""The terminal shows every part of a full evaluation, and leaves out boxes of trained images."""

from cxrkit.evaluation.summary import format_evaluation
from tests.factory_evaluation import make_evaluation


def test_every_part_is_shown():
    evaluation = make_evaluation({"Mass": 0.1, "Nodule": 0.05, "Hernia": 0.0})
    lines = format_evaluation(evaluation).splitlines()
    pair = evaluation.comparison.findings["Mass"]
    compared = next(line for line in lines[lines.index(next(li for li in lines if li.startswith("compared"))) :]
                    if line.startswith("Mass"))  # fmt: skip
    assert f"{pair.ours.value:.3f}  {pair.theirs.value:.3f}" in compared
    assert "0.040" in compared
    boxes = lines[lines.index(next(line for line in lines if line.startswith("boxes "))) + 1 :]
    shown = {tuple(line.split()[1:3]) for line in boxes[: boxes.index("")]}
    assert shown == {(entry.finding, entry.split) for entry in evaluation.localisation if entry.headline}
    assert any(not entry.headline for entry in evaluation.localisation)
    assert any(line.startswith("weights drawn anew down to") for line in lines)
    assert any(line.startswith("evidence ") for line in lines)


def test_the_groups_of_a_single_finding_are_listed():
    evaluation = make_evaluation({"Pneumonia": 0.4}, alone=True)
    text = format_evaluation(evaluation)
    for variable, grouping in evaluation.findings["Pneumonia"].subgroups.items():
        for group in grouping.groups:
            assert any(line.startswith(variable) and group.name in line for line in text.splitlines())
    assert "compared" not in text

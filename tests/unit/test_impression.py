"""The impression: what it says, in which order, in four languages, and that every translation is there and compiled."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cxrkit.findings import every_text
from cxrkit.impression import LANGUAGES, LOCALE, impression, translations
from cxrkit.quality import QualityIssue, QualityReport
from cxrkit.reading import DISCLAIMER, Box, Explanation, FindingScore, Interval, Prediction, Reading

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "translate.py"
SPACE = "\u00a0"
INTERVAL = Interval(0.1, 0.3)


@dataclasses.dataclass(frozen=True)
class At:
    """A finding against its threshold, as a page has it."""

    finding: str
    probability: float
    threshold: float | None
    past: bool = False
    in_doubt: bool = False
    supported: bool = True
    interval: Interval | None = INTERVAL


EFFUSION = At("Effusion", 0.34, 0.12, past=True)
PNEUMONIA = At("Pneumonia", 0.2, 0.12, past=True, in_doubt=True)
NODULE, MASS = At("Nodule", 0.01, 0.12), At("Mass", 0.05, 0.12)
HERNIA = At("Hernia", 0.9, 0.12, past=True, supported=False)


def reading(
    *judged: At,
    quality: QualityReport | None = None,
    outside: float | None = None,
    limit: float | None = None,
    **changed,
) -> Reading:
    box, map_ = Box(0, 0, 10, 10), np.ones((7, 7), np.float32)
    return Reading(
        prediction=Prediction({at.finding: FindingScore(at.probability, 0.0) for at in judged}),
        explanations={
            at.finding: Explanation(at.finding, "grad-cam", "x", map_, box, 1.0, outside, limit) for at in judged
        },
        quality=quality or QualityReport(),
        notes=(),
        warnings=(),
        preset="chestxray14",
        weights_sha256="865b62e9" + "0" * 56,
        radiograph_sha256="0" * 64,
        **changed,
    )


def words(*judged: At, language: str = "en", rule: str = "youden", **changed) -> str:
    return impression(reading(*judged, **changed), judged, rule, language).replace(SPACE, " ")


def test_the_whole_paragraph_in_english():
    assert words(EFFUSION, PNEUMONIA, NODULE, MASS, HERNIA) == (
        "At the Youden operating point, 1 finding is past its threshold: pleural effusion (34.0 %). "
        "1 finding is in doubt, because the interval of its probability reaches across the threshold: "
        "pneumonia (20.0 %, interval 10.0 % to 30.0 %, threshold 12.0 %). "
        "The other 2 findings judged lie below their thresholds; this does not mean that they are absent. "
        "Pleural effusion: fluid between lung and chest wall, often blunting the angle. "
        "1 finding has no reliable threshold and is not judged here. "
        "These numbers were computed by the model “chestxray14” (weights 865b62e9). " + DISCLAIMER
    )


@pytest.mark.parametrize(
    ("language", "beginning", "end"),
    [
        (
            "de",
            "Am Youden-Arbeitspunkt liegen 2 Befunde über ihren Schwellen: Pleuraerguss (34,0 %) und Infiltrat "
            "(50,0 %). Der andere beurteilte Befund liegt unter seiner Schwelle; das heißt nicht, dass er fehlt.",
            "Jede Röntgenaufnahme muss von einer qualifizierten Fachperson befundet werden.",
        ),
        (
            "es",
            "En el punto de operación de Youden, 2 hallazgos superan sus umbrales: derrame pleural (34,0 %) e "
            "infiltrado (50,0 %). El otro hallazgo valorado queda por debajo de su umbral; esto no significa que esté "
            "ausente.",
            "Un profesional cualificado debe leer cada radiografía.",
        ),
        (
            "fr",
            "Au point de fonctionnement de Youden, 2 signes dépassent leurs seuils : épanchement pleural (34,0 %) et "
            "infiltrat (50,0 %). L'autre signe évalué reste sous son seuil ; cela ne veut pas dire qu'il est absent.",
            "Un professionnel qualifié doit lire chaque radiographie.",
        ),
    ],
)
def test_other_languages(language, beginning, end):
    text = words(EFFUSION, At("Infiltration", 0.5, 0.2, past=True), NODULE, language=language)
    assert text.startswith(beginning)
    assert text.endswith(end)


@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        ("en", "the one finding judged lies below its threshold", "all 2 findings judged lie below their thresholds"),
        ("de", "liegt der eine beurteilte Befund unter", "liegen alle 2 beurteilten Befunde unter"),
        ("es", "el único hallazgo valorado queda", "los 2 hallazgos valorados quedan"),
        ("fr", "le seul signe évalué reste", "les 2 signes évalués restent"),
    ],
)
def test_nothing_past_in_the_singular_and_in_the_plural(language, one, two):
    assert one in words(NODULE, language=language)
    assert two in words(NODULE, MASS, language=language)


def test_below_is_never_called_normal():
    for language in LANGUAGES:
        text = words(NODULE, MASS, language=language).lower()
        assert not any(word in text for word in ("normal", "unauffällig", "healthy", "sano", "sain"))


def test_doubt_alone_and_nothing_judged():
    assert "no finding is clearly past its threshold. 1 finding is in doubt" in words(PNEUMONIA)
    assert words(HERNIA).startswith("At the Youden operating point, no finding has a reliable threshold")
    assert words(EFFUSION, rule="a rule of someone's").startswith("At the chosen thresholds, 1 finding")


def test_evidence_outside_the_lungs_is_named_but_for_a_heart_that_lies_there_anyway():
    said = "Most of the evidence on the map lies outside the lungs: pleural effusion (65.0 %) and pneumonia (65.0 %)."
    heart = At("Cardiomegaly", 0.5, 0.2, past=True)
    assert said in words(EFFUSION, heart, PNEUMONIA, outside=0.65)
    assert "outside the lungs" not in words(heart, outside=0.65)
    assert "outside the lungs" not in words(EFFUSION, outside=0.4)
    unusual = words(heart, outside=0.65, limit=0.6)
    assert "outside the lungs, which calls for caution: cardiomegaly (65.0 %)." in unusual


def test_what_is_to_be_said_of_the_picture():
    issues = (QualityIssue("inverted", "correct"), QualityIssue("low-contrast", "warn"))
    text = words(EFFUSION, quality=QualityReport(issues, correction=("invert",)))
    assert "The picture was inverted: bone was dark. It was put into place before it was read." in text
    assert "The picture has hardly any contrast." in text
    upright = words(EFFUSION, quality=QualityReport((QualityIssue("rotated", "warn"),), proposed=("rotate-90",)))
    assert "read as it lies, although it looks turned" in upright


def test_a_refused_picture_gets_no_numbers_and_an_overridden_one_says_so():
    refused = QualityReport((QualityIssue("no-lungs", "refuse"),))
    text = words(EFFUSION, quality=refused, language="de")
    assert text.startswith("Für dieses Bild wird keine Auswertung gegeben. Im Bild wurden keine Lungen gefunden.")
    assert "%" not in text
    overridden = words(EFFUSION, quality=refused.override())
    assert "in spite of a refusal; do not rely on it. No lungs were found in the picture." in overridden


def test_every_finding_is_named_in_every_language():
    for language in ("de", "es", "fr"):
        catalogue = translations(language)
        for label, meaning in every_text():
            assert catalogue.gettext(label)
            assert catalogue.gettext(meaning) != meaning
    assert words(At("Odd_Thing", 0.5, 0.2, past=True), language="fr").count("Odd Thing (50,0 %)") == 1


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="no impression"):
        impression(reading(EFFUSION), [EFFUSION], "youden", "xx")


@pytest.fixture
def translate(monkeypatch) -> ModuleType:
    pytest.importorskip("babel", reason="translations are compiled with Babel of requirements-dev.txt")
    spec = importlib.util.spec_from_file_location("translate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    return module


def test_translations_are_complete_and_compiled(translate, capsys):
    assert translate.main(["--check"]) == 0, capsys.readouterr().err
    assert sorted(path.name for path in LOCALE.iterdir()) == sorted(set(LANGUAGES) - {"en"})


def test_a_stale_file_a_gap_and_a_wrong_place_are_found(translate, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(translate, "LOCALE", tmp_path)
    assert translate.main(["--check"]) == 1
    assert "de: not translated: {finding}: {meaning}" in capsys.readouterr().err
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source = (LOCALE / "de" / "LC_MESSAGES" / "cxrkit.po").read_text()
    (folder / "cxrkit.po").write_text(source.replace("(Gewichte {weights})", "(Gewichte {wrong})"))
    translate.main(["--check"])
    errors = capsys.readouterr().err
    assert "de: other places to fill in: These numbers" in errors
    assert "de: cxrkit.mo is stale" in errors

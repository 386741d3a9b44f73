"""The tables of the documents say what the cards, the evaluations and the comparison of backbones say."""

import json
import shutil

import pytest

from scripts import write_results
from tests.conftest import REPOSITORY

EMPTY = "Before\n<!-- table {name} -->\nbygone\n<!-- end {name} -->\nafter\n"


@pytest.fixture
def documents(tmp_path, monkeypatch):
    """README and results of a folder of their own, each with one table."""
    readme, results = tmp_path / "README.md", tmp_path / "results.md"
    readme.write_text(EMPTY.format(name="shipped"))
    results.write_text("".join(EMPTY.format(name=name) for name in ("pneumonia", "backbones", "external")))
    monkeypatch.setattr(write_results, "README", readme)
    monkeypatch.setattr(write_results, "RESULTS", results)
    return readme, results


def test_the_documents_of_this_repository_are_fresh(capsys):
    assert write_results.main(["--check"]) == 0, capsys.readouterr().out


def test_stale_tables_are_named_then_written_and_words_around_them_stay(documents, capsys):
    readme, results = documents
    before = readme.read_text(), results.read_text()
    assert write_results.main(["--check"]) == 1
    assert capsys.readouterr().out == "Stale: README.md, results.md\n"
    assert (readme.read_text(), results.read_text()) == before
    assert write_results.main([]) == 0
    text = readme.read_text()
    assert text.startswith("Before\n<!-- table shipped -->\n\n| preset |")
    assert text.endswith("|\n\n<!-- end shipped -->\nafter\n")
    assert "bygone" not in text
    assert results.read_text().count("bygone") == 2, "tables whose source was not given stay as they are"
    assert write_results.main(["--check"]) == 0


def test_backbones_stand_in_the_order_of_their_auroc(documents, tmp_path):
    rows = [
        {"backbone": "cnn", "parameters": 400_000, "auroc": 0.9, "low": 0.88, "high": 0.9249,
         "n": 624, "split": "test", "milliseconds": 4.4},
        {"backbone": "densenet121", "parameters": 7_040_000, "auroc": 0.95, "low": 0.93, "high": 0.97,
         "n": 624, "split": "test", "milliseconds": 30.6},
    ]  # fmt: skip
    source = tmp_path / "table.json"
    source.write_text(json.dumps(rows))
    assert write_results.main(["--backbones", str(source)]) == 0
    first = "| `densenet121` | 0.950 (0.930 to 0.970) | 7.0 M | 31 |"
    second = "| `cnn` | 0.900 (0.880 to 0.925) | 0.4 M | 4 |"
    assert f"{first}\n{second}\n" in documents[1].read_text()


def test_each_dataset_from_elsewhere_has_its_row_and_what_is_undefined_is_a_dash(documents, tmp_path):
    shipped = json.loads((REPOSITORY / "weights" / "pneumonia" / "evaluation.json").read_text())
    finding = shipped["findings"]["Pneumonia"]
    point = finding["operating_points"]["youden"]
    for name in ("A", "B"):
        (tmp_path / "external" / name).mkdir(parents=True)
    shutil.copy(REPOSITORY / "weights" / "pneumonia" / "evaluation.json", tmp_path / "external" / "A")
    finding["auroc"] = point["specificity"] = None  # a set of positives alone
    clustered = {"low": 0.65, "high": 0.85, "method": "patients"}
    point["sensitivity"] |= {"value": 0.75, "low": 0.7, "high": 0.8, "clustered": clustered}
    shipped["images"] += 1  # one without a label
    (tmp_path / "external" / "B" / "evaluation.json").write_text(json.dumps(shipped))
    assert write_results.main(["--external", str(tmp_path / "external")]) == 0
    written = documents[1].read_text()
    assert "| B | 624 (390) | - | - | 0.750 (0.650 to 0.850) | - |" in written
    assert written.index("| A | 624 (390) | 428 | 0.9") < written.index("| B |")


def test_an_empty_folder_is_refused_and_nothing_written(documents, tmp_path, capsys):
    before = documents[1].read_text()
    assert write_results.main(["--external", str(tmp_path)]) == 2
    assert "scripts/evaluate.py" in capsys.readouterr().err
    assert documents[1].read_text() == before

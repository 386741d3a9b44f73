"""The training benchmark compares like with like, and says so where PyTorch is missing."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cxrkit.conversion import step_comparison
from cxrkit.conversion.torch_step import torch_loss, torch_step
from cxrkit.model.losses import weighted_bce

_SPEC = importlib.util.spec_from_file_location(
    "benchmark", Path(__file__).resolve().parents[2] / "scripts" / "benchmark.py"
)
benchmark = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(benchmark)


def test_the_loss_is_the_projects_own() -> None:
    random = np.random.default_rng(4)
    logits = random.normal(0, 2, (6, 3)).astype(np.float32)
    labels = (random.random((6, 3)) < 0.4).astype(np.float32)
    w_pos, w_neg = [0.9, 0.5, 0.2], [0.1, 0.5, 0.8]
    found = torch_loss(*(torch.tensor(value) for value in (logits, labels, w_pos, w_neg)))
    assert float(found) == pytest.approx(float(np.asarray(weighted_bce(w_pos, w_neg)(labels, logits))), rel=1e-5)


def test_the_torch_step_learns_its_batch() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=(4, 64, 64, 3)).astype(np.float32)
    y = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)
    torch.manual_seed(0)
    step = torch_step(x, y, [0.5] * 2, [0.5] * 2, bfloat16=False, learning_rate=1e-3, weight_decay=0.0)
    losses = [step() for _ in range(6)]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(("over", "status"), [(1.19, 0), (1.21, 1)])
def test_a_bound_that_is_not_kept_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], over: float, status: int
) -> None:
    measured = {"median_ms_per_image": {"step": 60.0}, "ratios": {"step_to_torch": over}, "precision": "bfloat16"}
    monkeypatch.setattr(step_comparison, "compare_training", lambda *_: measured)
    file = tmp_path / "numbers.json"
    assert benchmark.main(["--training", "--json", str(file)]) == 0
    assert benchmark.main(["--training", "--check"]) == status
    assert json.loads(file.read_text()) == measured
    out, err = capsys.readouterr()
    assert "60.0 ms_per_image" in out
    assert ("more than its bound 1.2" in err) == bool(status)


def test_without_torch_it_cannot_be_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [
        name for name in sys.modules if name.startswith(("cxrkit.conversion.torch_", "cxrkit.conversion.step"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    assert benchmark.main(["--training"]) == 2
    assert "pip install -r requirements-torch.txt" in capsys.readouterr().err

"""The whole way of a public network: from a local server, through every check, to a preset that reads."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import warnings
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import densenet121

from cxrkit.conversion.kinds import KINDS
from cxrkit.data.public_sets import Checksum
from cxrkit.data.public_weights import NETWORKS
from cxrkit.model.checkpoints import read_layers
from cxrkit.preset import Preset
from cxrkit.preset_folders import verified_weights
from tests.unit.loopback import Site, serve

_SPEC = importlib.util.spec_from_file_location(
    "fetch_weights", Path(__file__).resolve().parents[2] / "scripts" / "fetch_weights.py"
)
fetch_weights: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fetch_weights)


def chexnet() -> Any:
    """As jrzech/reproduce-chexnet saved it: a whole module with dotted names under ``model``."""
    network = densenet121(weights=None)
    network.classifier = torch.nn.Sequential(torch.nn.Linear(1024, 14), torch.nn.Sigmoid())
    for part in network.modules():
        if type(part).__name__ == "_DenseLayer":
            part._modules = OrderedDict((f"{name[:-1]}.{name[-1]}", child) for name, child in part._modules.items())
        elif isinstance(part, torch.nn.BatchNorm2d):
            del part._buffers["num_batches_tracked"]
    return {"model": network, "best_loss": 0.15, "epoch": 4, "rng_state": torch.get_rng_state(), "LR": 0.01}


def txrv() -> Any:
    """As TorchXRayVision trains and saves it: a whole module that names its outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports warn
        from torchxrayvision.datasets import default_pathologies
        from torchxrayvision.models import DenseNet
    network = DenseNet(num_classes=18, in_channels=1)
    # a trained network brings pixels of -1024 to 1024 to the size of one; values of thousands between the layers
    # would be rounded by each processor's own order of sums
    network.features.conv0.weight.data /= 1024
    network.pathologies = list(default_pathologies)
    return network


def saved(root: Any) -> bytes:
    """In the file format of their time."""
    buffer = io.BytesIO()
    torch.save(root, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "made"), [("chexnet", chexnet), ("txrv-nih", txrv)])
def test_a_public_network_is_fetched_checked_and_imported(
    name: str, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(2)
    body, public = saved(made()), NETWORKS[name]
    (file,) = public.files
    with serve(Site({file.name: body})) as site:
        blob = hashlib.sha1(f"blob {len(body)}\0".encode() + body, usedforsecurity=False).hexdigest()
        checksum = Checksum("git-blob", blob, "this test") if name == "chexnet" else None
        there = replace(file, address=site.url(file.name), checksum=checksum)
        monkeypatch.setattr(fetch_weights, "NETWORKS", {name: replace(public, files=(there,))})
        words = [name, "--folder", str(tmp_path / "downloads"), "--out", str(tmp_path / name)]
        assert fetch_weights.main(words) == 0
        told = capsys.readouterr()
        assert fetch_weights.main(words) == 2  # before any transfer
        assert "A preset stands in the folder already" in capsys.readouterr().err
        assert len(site.asked) == 1
    assert "Licence: " in told.out
    assert ("git-blob as published" if name == "chexnet" else "NOT VERIFIED") in told.err
    preset = Preset.load(tmp_path / name)
    assert preset.findings == tuple(finding for finding in KINDS[name].findings or () if finding)
    assert len(preset.published_thresholds) == (0 if name == "chexnet" else 14)
    layers, findings = read_layers(verified_weights(preset))
    assert findings == list(preset.findings)
    assert layers["conv1_conv"][0].shape == (7, 7, 3, 64)
    assert str(tmp_path) not in json.dumps(json.loads((tmp_path / name / "preset.json").read_text()))

"""torchvision's ResNet-18, fetched from a local server, becomes our backbone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from cxrkit.conversion.fetching import fetch_imagenet
from cxrkit.data.public_sets import Checksum
from cxrkit.data.public_weights import IMAGENET
from cxrkit.data.transfer import Patience
from cxrkit.errors import WeightsMismatch
from cxrkit.model.checkpoints import load_imagenet
from cxrkit.model.network import build_network, split_frozen
from tests.unit.loopback import Site, serve


def fetch(state: dict[str, torch.Tensor], folder: Path) -> Path:
    folder.mkdir()
    torch.save(state, folder / "published")
    body = (folder / "published").read_bytes()
    public = IMAGENET["resnet18"]
    with serve(Site({"resnet18-f37072fd.pth": body})) as site:
        checksum = Checksum("sha256", hashlib.sha256(body).hexdigest(), "this test")
        file = replace(public.files[0], address=site.url("resnet18-f37072fd.pth"), size=len(body), checksum=checksum)
        return fetch_imagenet(
            replace(public, files=(file,)), folder, tell=lambda line: None, patience=Patience(5, 2, 0.01)
        )


def test_the_converted_file_is_what_training_starts_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    theirs = resnet18(weights=None)
    with torch.no_grad():
        theirs(torch.randn(4, 3, 64, 64))  # moving statistics other than 0 and 1
    theirs.eval()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    converted = fetch(theirs.state_dict(), tmp_path / "models")
    assert converted.name == "cxrkit_resnet18.weights.h5"
    ours = build_network("resnet18", 2, input_size=64)
    load_imagenet(ours, "resnet18")  # as `train.py --imagenet download` does
    images = torch.randn(2, 3, 64, 64)
    theirs.fc = torch.nn.Identity()
    with torch.no_grad():
        expected = theirs(images).numpy()
    found = np.asarray(split_frozen(ours)[0](images.numpy().transpose(0, 2, 3, 1)))
    assert expected.std() > 1e-2
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("lost", "extra"), [("layer2.0.downsample.0.weight", None), (None, "layer1.0.conv3.weight")])
def test_another_network_is_refused_by_the_name_of_its_layer(
    tmp_path: Path, lost: str | None, extra: str | None
) -> None:
    state = resnet18(weights=None).state_dict()
    if lost:
        del state[lost]
    if extra:
        state[extra] = torch.zeros(3)
    with pytest.raises(WeightsMismatch, match=(lost or extra or "").replace(".", r"\.")):
        fetch(state, tmp_path / "models")

"""Checkpoints of PyTorch convert, in every form, to presets with the source's own logits."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from cxrkit.conversion.imported_card import Rule, published_thresholds
from cxrkit.conversion.importing import Wishes, import_weights
from cxrkit.conversion.kinds import KINDS
from cxrkit.conversion.parity import inputs
from cxrkit.conversion.sources import open_torch
from cxrkit.conversion.torch_checkpoint import read_checkpoint
from cxrkit.conversion.torch_layout import read_densenet
from cxrkit.errors import ImportRefused, WeightsCorrupt, WeightsMismatch
from cxrkit.imaging.phantom import phantom
from cxrkit.model.checkpoints import assign
from cxrkit.model.manager import XRayModelManager
from cxrkit.model.network import build_network
from cxrkit.preset import Preset

FOURTEEN = KINDS["chexnet"].findings or ()


def settled(network: torch.nn.Module, images: torch.Tensor) -> torch.nn.Module:
    """The network with the statistics of some inputs, as after training, and uneven scales and offsets."""
    generator = torch.Generator().manual_seed(3)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.weight.data.uniform_(0.6, 1.4, generator=generator)
            part.bias.data.normal_(0, 0.2, generator=generator)
            part.momentum = None  # the plain mean of all batches
    network.train()
    with torch.no_grad():
        network(images)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 0.1
    return network.eval()


@pytest.fixture(scope="module")
def torchvision_network() -> torch.nn.Module:
    from torchvision.models import densenet121

    torch.manual_seed(0)
    network = densenet121(weights=None, num_classes=14)
    return settled(network, torch.randn(4, 3, 96, 96))


@pytest.fixture(scope="module")
def xrv_network() -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports warn
        from torchxrayvision.models import DenseNet
    torch.manual_seed(1)
    return settled(DenseNet(num_classes=18, in_channels=1), torch.rand(4, 1, 96, 96) * 2048 - 1024)


@pytest.fixture(scope="module")
def ours() -> keras.Model:
    """Our network, of which each test sets the weights."""
    return build_network("densenet121", 14, input_size=None)


def with_sigmoid(network: torch.nn.Module) -> torch.nn.Module:
    """The network as CheXNet's replications build it, giving probabilities."""
    import copy

    changed = copy.deepcopy(network)
    changed.classifier = torch.nn.Sequential(changed.classifier, torch.nn.Sigmoid())
    return changed


def dotted(state: dict[str, Any]) -> dict[str, Any]:
    """Names as before torchvision 0.3: ``norm.1`` for ``norm1``."""
    changed = {}
    for name, value in state.items():
        for part in ("norm1", "norm2", "conv1", "conv2"):
            name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.") if "denselayer" in name else name
        changed[name] = value
    return changed


def prefixed(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


FORMS: dict[str, Callable[[torch.nn.Module], Any]] = {
    "plain": lambda n: n.state_dict(),
    "nested": lambda n: {"state_dict": prefixed(n.state_dict(), "module.densenet121."), "epoch": 3, "best_loss": 0.1},
    "dotted": lambda n: {"state_dict": dotted(prefixed(with_sigmoid(n).state_dict(), "module.densenet121."))},
    "model prefix": lambda n: {"model_state_dict": prefixed(n.state_dict(), "model.")},
    "whole under model": lambda n: {"model": with_sigmoid(n), "epoch": 1, "rng_state": torch.get_rng_state(), "LR": 1},
    "whole": lambda n: n,
    "parallel": lambda n: torch.nn.DataParallel(n),
    "parallel state": lambda n: {"state_dict": torch.nn.DataParallel(with_sigmoid(n)).state_dict()},
    "parameters": lambda n: dict(n.state_dict(keep_vars=True)),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_networks_own_weights(
    form: str, zipped: bool, torchvision_network: torch.nn.Module, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint.pt"
    torch.save(FORMS[form](torchvision_network), file, _use_new_zipfile_serialization=zipped)
    state = read_densenet(read_checkpoint(file)).state
    expected = {k: v for k, v in torchvision_network.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert set(state) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value.numpy(), err_msg=name)


def test_our_network_gives_torchvisions_logits(
    torchvision_network: torch.nn.Module, ours: keras.Model, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoint.pt"
    torch.save(torchvision_network.state_dict(), file)
    source = open_torch(file, KINDS["chexnet"], None)
    assign(ours, source.layers, file="")
    images = np.random.default_rng(0).normal(size=(3, 64, 96, 3)).astype(np.float32)
    with torch.no_grad():
        theirs = torchvision_network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    found = keras.ops.convert_to_numpy(ours(images, training=False))
    assert theirs.std() > 0.05
    assert np.abs(found - theirs).max() < 1e-4
    assert np.abs(source.logits(images) - theirs).max() < 1e-4


def logits_of(preset: Preset, picture: Any, grid: tuple[int, int] = (7, 7)) -> tuple[np.ndarray, np.ndarray]:
    manager = XRayModelManager(preset)
    assert manager.get_gradcam_layer() == "conv5_block16_concat"
    reading = manager.read(picture)
    assert list(reading.explanations) == list(preset.findings)
    assert reading.explanations[preset.findings[0]].map.shape == grid
    return np.array([reading.prediction.score(f).logit for f in preset.findings]), manager.preprocess(picture)


@pytest.mark.timeout(300)
def test_a_chexnet_checkpoint_becomes_a_preset_that_reads(torchvision_network: torch.nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    torch.save({"model": with_sigmoid(torchvision_network)}, file)
    preset = import_weights(file, "chexnet", tmp_path / "chexnet", command="test")
    assert preset.findings == FOURTEEN
    assert (preset.geometry, preset.intensity, preset.feature_layer) == ("crop", "imagenet", "conv5_block16_concat")
    assert "on 4 images" in preset.training.summary
    assert not preset.published_thresholds
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint", "chexnet"]
    found, tensor = logits_of(preset, phantom(size=300))
    with torch.no_grad():
        theirs = torchvision_network(torch.from_numpy(tensor.transpose(0, 3, 1, 2).copy())).numpy()[0]
    assert np.abs(found - theirs).max() < 1e-4


def test_a_torchxrayvision_network_becomes_a_preset_with_its_thresholds(xrv_network: Any, tmp_path: Path) -> None:
    from torchxrayvision.models import model_urls

    file = tmp_path / "all.pt"
    torch.save(xrv_network, file)
    preset = import_weights(file, "txrv-all", tmp_path / "txrv-all", wishes=Wishes(input_size=64))
    published = model_urls["all"]
    assert preset.findings == tuple(label.replace(" ", "_") for label in published["labels"])
    assert [p.threshold for p in preset.published_thresholds] == published["op_threshs"]
    picture = phantom(size=300)
    found, tensor = logits_of(preset, picture, (2, 2))
    assert tensor.min() < -900
    with torch.no_grad():
        theirs = xrv_network(torch.from_numpy(tensor[..., :1].transpose(0, 3, 1, 2).copy())).numpy()[0]
    assert theirs.std() > 0.05
    assert np.abs(found - theirs).max() < 1e-4


def test_outputs_that_were_not_trained_are_left_out(xrv_network: Any, tmp_path: Path) -> None:
    from torchxrayvision.models import model_urls

    file = tmp_path / "nih.pt"
    torch.save(xrv_network.state_dict(), file)
    source = open_torch(file, KINDS["txrv-nih"], None)
    assert source.findings == tuple(model_urls["nih"]["labels"][:14])
    assert KINDS["txrv-nih"].thresholds[:14] == tuple(model_urls["nih"]["op_threshs"][:14])
    assert source.layers["logits"][0].shape == (1024, 14)
    images = np.repeat(np.random.default_rng(0).uniform(-1024, 1024, (2, 64, 64, 1)).astype(np.float32), 3, 3)
    with torch.no_grad():
        theirs = xrv_network(torch.from_numpy(images[..., :1].transpose(0, 3, 1, 2).copy())).numpy()[:, :14]
    assert np.abs(source.logits(images) - theirs).max() < 1e-4


def test_thresholds_in_the_file_are_taken_or_must_agree(xrv_network: Any, tmp_path: Path) -> None:

    file = tmp_path / "xrv.pt"
    names = tuple(f"F{k}" for k in range(18))
    state = dict(xrv_network.state_dict())
    torch.save({**state, "op_threshs": torch.full((18,), 0.25)}, file)
    taken = published_thresholds(KINDS["txrv"], open_torch(file, KINDS["txrv"], names))
    assert [p.threshold for p in taken] == [0.25] * 18
    with pytest.raises(ImportRefused, match="another threshold for Atelectasis"):
        published_thresholds(KINDS["txrv-all"], open_torch(file, KINDS["txrv-all"], None))
    torch.save({**state, "op_threshs": torch.tensor(KINDS["txrv-all"].thresholds)}, file)
    assert len(published_thresholds(KINDS["txrv-all"], open_torch(file, KINDS["txrv-all"], None))) == 18
    torch.save({**state, "op_threshs": torch.ones(3)}, file)
    with pytest.raises(ImportRefused, match="do not fit"):
        open_torch(file, KINDS["txrv"], names)


def test_a_module_that_names_its_outputs_settles_their_order(xrv_network: Any, tmp_path: Path) -> None:
    import copy

    named = copy.deepcopy(xrv_network)
    named.pathologies = [f"Finding {k}" for k in range(18)]
    file = tmp_path / "xrv.pt"
    torch.save(named, file)
    assert open_torch(file, KINDS["txrv"], None).findings[3] == "Finding_3"
    with pytest.raises(ImportRefused, match="the kind and of the file differ at output 1"):
        open_torch(file, KINDS["txrv-all"], None)


def test_wrong_checkpoints_are_refused_by_name(torchvision_network: torch.nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    state = dict(torchvision_network.state_dict())
    name = "features.denseblock3.denselayer7.norm2.running_var"

    def refused(changed: dict[str, Any], error: type[Exception], words: str, kind: str = "chexnet") -> None:
        torch.save(changed, file)
        with pytest.raises(error, match=words):
            open_torch(file, KINDS[kind], None)

    refused({k: v for k, v in state.items() if k != name}, WeightsMismatch, f"lacks {name}")
    refused({**state, name: torch.ones(64)}, WeightsMismatch, rf"{name} .* shape \(64,\), .* needs \(128,\)")
    refused({**state, name: torch.full((128,), torch.nan)}, WeightsCorrupt, f"{name} .* NaN")
    refused({**state, name: torch.ones(128, dtype=torch.int64)}, WeightsMismatch, "no floating-point")
    refused({**state, "classifier.2.weight": torch.ones(3)}, WeightsMismatch, "classifier.2.weight, which no")
    refused({**state, "other.features.conv0.weight": torch.ones(3)}, WeightsMismatch, "twice|more than one")
    fewer = {**state, "classifier.weight": torch.ones(13, 1024), "classifier.bias": torch.ones(13)}
    refused(fewer, ImportRefused, "13 outputs, but the kind names 14")
    refused(state, ImportRefused, "3 channels", "txrv-all")
    refused(state, ImportRefused, "order of the findings is not known", "torchvision")


def test_a_module_that_computes_otherwise_is_refused(torchvision_network: torch.nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    changed = with_sigmoid(torchvision_network)
    changed.classifier[1] = torch.nn.Softmax(dim=1)
    torch.save(changed, file)
    with pytest.raises(ImportRefused, match=r"classifier\.1 of the module is a Softmax"):
        open_torch(file, KINDS["chexnet"], None)
    changed = with_sigmoid(torchvision_network)
    changed.features.norm5.eps = 1e-3
    torch.save(changed, file)
    with pytest.raises(ImportRefused, match=r"features\.norm5 of the module normalises with 0\.001"):
        open_torch(file, KINDS["chexnet"], None)


def test_other_logits_write_nothing(
    torchvision_network: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cxrkit.conversion.torch_source as torch_source

    file = tmp_path / "checkpoint.pt"
    torch.save(torchvision_network.state_dict(), file)
    real = torch_source.torch_logits
    monkeypatch.setattr(torch_source, "torch_logits", lambda source, images: real(source, images) + 2e-4)
    with pytest.raises(ImportRefused, match="other logits than its source"):
        import_weights(file, "chexnet", tmp_path / "chexnet", wishes=Wishes(input_size=64))
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_hostile_checkpoints_of_torch_itself_execute_nothing(tmp_path: Path) -> None:
    """PyTorch writes them, and its own unrestricted loading would run them."""
    canary = tmp_path / "canary"
    inner = tmp_path / "inner.pt"

    class Evil:
        def __init__(self, function: Any, *arguments: Any) -> None:
            self.made = (function, arguments)

        def __reduce__(self) -> Any:
            return self.made

    torch.save(Evil(os.system, f"touch {canary}"), inner)
    attacks = [
        Evil(os.system, f"touch {canary}"),
        Evil(torch.load, str(inner), None, None),
        Evil(torch.hub.load, str(tmp_path), "model"),
        Evil(torch.utils.data.get_worker_info),
        torch.nn.Sequential(torch.nn.Linear(1, 1)),
    ]
    attacks[-1].extra = Evil(os.system, f"touch {canary}")  # type: ignore[union-attr]
    for number, attack in enumerate(attacks):
        for zipped in (True, False):
            file = tmp_path / f"{number}{zipped}.pt"
            torch.save(
                {"state_dict": {"w": torch.ones(2)}, "more": attack}, file, _use_new_zipfile_serialization=zipped
            )
            assert read_checkpoint(file).arrays["w"].tolist() == [1, 1]
            torch.save({"model": attack}, file, _use_new_zipfile_serialization=zipped)
            if number < 4:
                with pytest.raises(WeightsCorrupt):
                    read_checkpoint(file)
            else:
                assert set(read_checkpoint(file).arrays) == {"0.weight", "0.bias"}
    assert not canary.exists()


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(file))
    with pytest.raises(ImportRefused, match="TorchScript"):
        read_checkpoint(file)


def test_the_inputs_of_the_comparison_are_prepared_as_radiographs_are() -> None:
    images = inputs(Rule(64, "crop", "xrv"))
    assert images.shape == (4, 64, 64, 3)
    assert -1024 <= images.min() < -1000
    assert 1000 < images.max() <= 1024


def test_every_backbone_is_recognised_by_a_layer_of_its_own() -> None:
    from cxrkit.conversion.keras_source import SIGNATURES
    from cxrkit.model.backbones import BACKBONES

    names = {name: {layer.name for layer in row.build(64).layers if layer.weights} for name, row in BACKBONES.items()}
    for name, signature in SIGNATURES.items():
        assert [one for one, layers in names.items() if signature in layers] == [name]

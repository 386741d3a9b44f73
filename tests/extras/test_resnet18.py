"""Our ResNet-18 computes what torchvision's does from the same weights."""

import numpy as np
import torch
from torchvision.models import resnet18

from cxrkit.model.network import build_network, split_frozen


def names(layer: str) -> tuple[str, str]:
    """torchvision's names of the convolution and the normalisation of one of our layers, ``stage2_block1_0`` ..."""
    if layer == "stem":
        return "conv1", "bn1"
    stage, block, place = layer.split("_")
    unit = f"layer{stage[-1]}.{int(block[-1]) - 1}"
    return (
        (f"{unit}.downsample.0", f"{unit}.downsample.1")
        if place == "0"
        else (f"{unit}.conv{place}", f"{unit}.bn{place}")
    )


def test_the_same_weights_give_the_same_features():
    torch.manual_seed(1)
    theirs = resnet18(weights=None).eval()
    for module in theirs.modules():  # untrained normalisation is the identity, which would hide mistakes
        if isinstance(module, torch.nn.BatchNorm2d):
            for value, low in (
                (module.weight, 0.6),
                (module.running_var, 0.5),
                (module.bias, -0.2),
                (module.running_mean, -0.2),
            ):
                torch.nn.init.uniform_(value, low, low + 0.4)
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    network = build_network("resnet18", 3, input_size=None)
    used = set()
    for layer in network.layers:
        base, _, kind = layer.name.rpartition("_")
        if kind == "conv":
            used.add(f"{names(base)[0]}.weight")
            layer.set_weights([state[f"{names(base)[0]}.weight"].transpose(2, 3, 1, 0)])
        elif kind == "bn":
            keys = [f"{names(base)[1]}.{what}" for what in ("weight", "bias", "running_mean", "running_var")]
            used.update(keys)
            layer.set_weights([state[key] for key in keys])
    assert {name for name in state if not name.endswith("num_batches_tracked")} - used == {"fc.weight", "fc.bias"}
    theirs.fc = torch.nn.Identity()
    backbone, _ = split_frozen(network)
    random = np.random.default_rng(0)
    for shape in ((2, 96, 96, 3), (1, 97, 75, 3)):  # an odd side is padded otherwise than an even one
        images = random.normal(0, 1, shape).astype(np.float32)
        with torch.no_grad():
            expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
        found = np.asarray(backbone(images))
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())

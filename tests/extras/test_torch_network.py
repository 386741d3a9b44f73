"""Our own DenseNet-121 in PyTorch is the one that torchvision and TorchXRayVision call so."""

from __future__ import annotations

import warnings

import pytest
import torch

from cxrkit.conversion.torch_network import densenet121


def randomise(network: torch.nn.Module) -> None:
    """Weights and moving statistics of which none is 0 or 1, so that a part left out would show."""
    generator = torch.Generator().manual_seed(7)
    for name, values in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(values.shape, generator=generator)
        if values.ndim > 1:
            values.copy_(noise * (2.0 / values[0].numel()) ** 0.5)
        elif name.endswith("running_var") or ("norm" in name and name.endswith("weight")):
            values.copy_(1.0 + 0.2 * noise.abs())
        else:
            values.copy_(0.1 * noise)


@pytest.mark.parametrize("training", [False, True])
def test_it_equals_torchvisions(training: bool) -> None:
    from torchvision.models import densenet121 as oracle

    theirs = oracle(weights=None, num_classes=5)
    ours = densenet121(5)
    randomise(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs.train(training)(images)
        found = ours.train(training)(images)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-4)


def test_it_equals_torchxrayvisions_with_one_channel() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports warn
        from torchxrayvision.models import DenseNet

    theirs = DenseNet(num_classes=18, in_channels=1)
    ours = densenet121(18, channels=1)
    randomise(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(2)) * 1024.0
    with torch.no_grad():
        expected = theirs.eval().classifier(theirs.features2(images))
        found = ours.eval()(images)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_fresh_network_has_the_published_size() -> None:
    # Huang et al. 2017: DenseNet-121 with 1,000 classes has 7,978,856 parameters, 1,025 of them per class
    assert sum(values.numel() for values in densenet121(1000).parameters()) == 7_978_856
    assert sum(values.numel() for values in densenet121(14).parameters()) == 7_978_856 - 986 * 1025

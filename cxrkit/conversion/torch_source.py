"""A converted checkpoint's own network, run by PyTorch to compare its logits. Needs the extra torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cxrkit.conversion.torch_layout import TorchDenseNet
from cxrkit.conversion.torch_network import densenet121  # without PyTorch: the error that says so

Floats = npt.NDArray[np.float32]


def torch_logits(source: TorchDenseNet, images: Floats) -> Floats:
    """Logits of the checkpoint's own network.

    Parameters
    ----------
    source
        Its weights.
    images
        (n, S, S, 3) float32; a network of one channel sees the first.

    Returns
    -------
    ndarray
        (n, outputs) float32.
    """
    import torch

    network = densenet121(source.outputs, source.channels)
    state = {name: torch.from_numpy(array) for name, array in source.state.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError("the checked state dict does not fit")
    network.eval()
    with torch.inference_mode():
        planes = np.ascontiguousarray(images[..., : source.channels].transpose(0, 3, 1, 2))
        logits: Floats = network(torch.from_numpy(planes)).numpy()
    return logits

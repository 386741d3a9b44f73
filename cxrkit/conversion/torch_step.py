"""A training step in plain PyTorch: the yardstick of the training benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrkit.conversion.torch_network import densenet121, torch

Floats = npt.NDArray[np.float32]
CLIP = 1.0
"""Largest norm of a parameter's gradient."""


def torch_step(
    x: Floats,
    y: Floats,
    w_pos: Sequence[float],
    w_neg: Sequence[float],
    *,
    bfloat16: bool,
    learning_rate: float,
    weight_decay: float,
) -> Callable[[], float]:
    """One step of DenseNet-121 with AdamW on always the same batch, as PyTorch's own guide does it on a CPU.

    The network and its images lie in memory with the channels last, PyTorch's faster layout there, and
    bfloat16 is its automatic mixed precision. The gradient of each parameter is clipped to norm 1, as in
    `cxrkit.training.schedule.build_optimizer`: without that it would not be the same step.

    Parameters
    ----------
    x, y
        (batch, S, S, 3) images and (batch, findings) labels without NaN.
    w_pos, w_neg
        Weights of the loss; see `cxrkit.model.losses.weighted_bce`.
    bfloat16
        Whether to compute in mixed precision.
    learning_rate, weight_decay
        Of AdamW.

    Returns
    -------
    Callable
        A step; returns the loss.
    """
    network = densenet121(y.shape[1]).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(y.copy())
    positive, negative = torch.tensor(list(w_pos)), torch.tensor(list(w_neg))

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            logits = network(images)
        loss = torch_loss(logits.float(), labels, positive, negative)
        loss.backward()
        for parameter in network.parameters():
            torch.nn.utils.clip_grad_norm_(parameter, CLIP)
        optimizer.step()
        return float(loss.detach())

    return step


def torch_loss(logits: Any, labels: Any, positive: Any, negative: Any) -> Any:
    """`cxrkit.model.losses.weighted_bce` in PyTorch, for labels that are all known."""
    log_p, log_q = -torch.nn.functional.softplus(-logits), -torch.nn.functional.softplus(logits)
    return -(positive * labels * log_p + negative * (1.0 - labels) * log_q).mean(dim=0).sum()


def computes_in_bfloat16() -> bool:
    """Whether these cores have the vector instructions (AVX-512 or later) without which bfloat16 is emulated.

    Emulated, a step takes more than ten times as long as in float32, in PyTorch as in TensorFlow.
    """
    return str(torch.backends.cpu.get_cpu_capability()) not in ("DEFAULT", "NO AVX", "AVX2")

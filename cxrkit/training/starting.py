"""The first weights of a run: random, ImageNet's, or those of a trained preset."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np

from cxrkit.errors import TrainingError, WeightsMissing
from cxrkit.model.checkpoints import load_fine_tuned, load_imagenet
from cxrkit.model.network import build_network
from cxrkit.preset import Preset
from cxrkit.preset_folders import file_sha256
from cxrkit.training.recipe import Recipe


def first_network(recipe: Recipe, imagenet: str | None, start: Preset | None) -> keras.Model | None:
    """The network to start from, or None for random weights.

    Parameters
    ----------
    imagenet
        Path of backbone weights, ``"download"``, or None.
    start
        A trained preset to start from: its trunk, and the outputs of the findings that both share or that the
        recipe's `start_outputs` name.

    Raises
    ------
    CxrError
        Of the weights; or the preset has another backbone or head, or lacks an output; or there is no preset
        for the outputs that the recipe names.
    """
    if start is None and recipe.start_outputs:
        raise TrainingError("The recipe names outputs of a preset to start from.", "Name that preset with --start.")
    if imagenet is None and start is None:
        return None
    keras.utils.set_random_seed(recipe.seed)
    network = build_network(recipe.backbone, len(recipe.findings), input_size=recipe.stages[0].size, head=recipe.head)
    if imagenet is not None:
        load_imagenet(network, recipe.backbone, None if imagenet == "download" else imagenet)
    if start is not None:
        _copy_start(network, recipe, start)
    return network


def start_record(imagenet: str | None, start: Preset | None, network: keras.Model | None) -> dict[str, Any]:
    """Where the first weights come from, for the record: names and checksums, no paths."""
    record: dict[str, Any] = {"imagenet": "none" if imagenet is None else "file"}
    if imagenet == "download":
        record["imagenet"] = "download"
    elif imagenet is not None:
        try:
            record["imagenet_sha256"] = file_sha256(imagenet)
        except OSError:
            raise WeightsMissing("The ImageNet weights file does not exist.", "Check the path.") from None
    if start is not None:
        record |= {"preset": start.name, "preset_sha256": start.weights_sha256}
    if network is not None:
        record["weights_sha256"] = weights_digest(network)
    return record


def weights_digest(network: keras.Model) -> str:
    """Hexadecimal sha256 of all weights of a network, in their order."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _copy_start(network: keras.Model, recipe: Recipe, start: Preset) -> None:
    if (start.backbone, start.head) != (recipe.backbone, recipe.head):
        raise TrainingError(
            f"The preset {start.name!r} has another backbone or head than the recipe.",
            "Start from a preset that matches.",
        )
    trained = build_network(start.backbone, len(start.findings), input_size=start.input_size, head=start.head)
    load_fine_tuned(trained, start)
    for target, source in zip(network.layers, trained.layers, strict=True):
        if target.name != "logits" and target.weights:
            target.set_weights(source.get_weights())
    kernel, bias = (np.array(w) for w in network.get_layer("logits").get_weights())
    trained_kernel, trained_bias = trained.get_layer("logits").get_weights()
    for column, finding in enumerate(recipe.findings):
        names = recipe.start_outputs.get(finding, (finding,) if finding in start.findings else ())
        if missing := [name for name in names if name not in start.findings]:
            raise TrainingError(
                f"The preset {start.name!r} has no output {missing[0]}, from which {finding} is to start.",
                'Correct "start_outputs" in the recipe, or start from another preset.',
            )
        if names:
            there = [start.findings.index(name) for name in names]
            kernel[:, column], bias[column] = trained_kernel[:, there].mean(axis=1), trained_bias[there].mean()
    network.get_layer("logits").set_weights([kernel, bias])

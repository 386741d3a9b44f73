"""Public weights from their publisher's address to where they are used: a preset, or Keras' own folder."""

from __future__ import annotations

import os
from pathlib import Path

from cxrkit.conversion.importing import import_weights, preset_folder
from cxrkit.conversion.resnet18 import read_resnet18
from cxrkit.data.download import Say, fetch, say
from cxrkit.data.public_sets import PublicSet
from cxrkit.data.public_weights import keras_models, own_backbone
from cxrkit.data.transfer import Patience, Progress
from cxrkit.errors import StorageUnusable
from cxrkit.model.checkpoints import assign, load_imagenet
from cxrkit.model.network import backbone_layers, build_network
from cxrkit.preset import Preset


def fetch_network(
    public: PublicSet,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    replace: bool = False,
    command: str = "",
    progress: Progress | None = None,
    tell: Say = say,
    patience: Patience | None = None,
) -> Preset:
    """Fetch a public network and import it as a preset.

    Parameters
    ----------
    public
        One of `cxrkit.data.public_weights.NETWORKS`.
    folder
        Where the published file goes and stays: a second run needs no network.
    out
        Preset folder to write.
    replace, command
        See `cxrkit.conversion.importing.import_weights`.
    progress, tell, patience
        See `cxrkit.data.download.fetch`.

    Raises
    ------
    DownloadError
        The file cannot be fetched, or is not the published one.
    WeightsCorrupt, WeightsMismatch, ImportRefused, ExtraMissing
        It cannot be imported; it stays where it is.
    """
    preset_folder(out, replace)  # before the transfer, not after it
    (file,) = fetch(public, folder, progress=progress, tell=tell, patience=patience)
    return import_weights(file, public.name, out, replace=replace, command=command, tell=tell)


def fetch_imagenet(
    public: PublicSet,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
    tell: Say = say,
    patience: Patience | None = None,
) -> Path:
    """Fetch a backbone's ImageNet weights to where training finds them, and load them once.

    Parameters
    ----------
    public
        One of `cxrkit.data.public_weights.IMAGENET`.
    folder
        Where they go; None is Keras' own folder, in which ``train.py --imagenet download`` finds them
        without a network.
    progress, tell, patience
        As for `fetch_network`.

    Returns
    -------
    path
        Of the file for ``--imagenet FILE``: Keras' own, or for ResNet-18 its conversion.

    Raises
    ------
    DownloadError
        The file cannot be fetched, or is not the published one.
    WeightsCorrupt, WeightsMismatch
        Its layers are not the backbone's.
    """
    backbone = public.name
    home = keras_models() if folder is None else Path(folder)
    (file,) = fetch(public, home, progress=progress, tell=tell, patience=patience)
    network = build_network(backbone, 1, input_size=64)
    if file.suffix != ".pth":
        load_imagenet(network, backbone, file)
        return file
    layers = backbone_layers(network)
    assign(network, read_resnet18(file), file=file.name, only={layer.name for layer in layers if layer.weights})
    converted, making = home / own_backbone(backbone), home / f"making_{own_backbone(backbone)}"
    try:
        network.save_weights(making)
        making.replace(converted)
    except OSError:
        raise StorageUnusable(
            "The converted weights cannot be written.", "Make room, or name a folder that you may write to."
        ) from None
    load_imagenet(network, backbone, converted)
    tell(f"{converted.name}: {file.name} under the names of cxrkit's layers")
    return converted

"""Public weights that can be fetched, each from its publisher's own address.

Where the addresses and checksums come from:

- **ImageNet**: addresses, names and MD5 of `keras.applications` in Keras 3.15, which has no MD5 of its
  MobileNetV2. ResNet-18, which Keras lacks, is torchvision's: its name ends in the first eight digits
  of its sha256; the whole sha256 and the size are those that several unrelated projects measured.
- **CheXNet replication**: the git blob id of ``pretrained/checkpoint`` at the pinned commit, under which
  anybody who clones the repository gets the very bytes.
- **TorchXRayVision**: addresses of ``torchxrayvision/models.py`` in release 1.5.7, files of the
  project's release v1; no checksum is published.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cxrkit.data.public_sets import Checksum, PublicFile, PublicSet

_MOST = 200_000_000  # bytes; the largest of them, VGG16 without its dense layers, has 58,889,256
_KERAS = "https://storage.googleapis.com/"
_CHEXNET_COMMIT = "a011a9ab108cb03a533aeab52dc934b02a823ac8"
_NONE_PUBLISHED = "its publisher prints no checksum"
_AGAIN = "Put the file, under the name that it has there, into {where}."
_DENSENET = "Huang G et al. Densely Connected Convolutional Networks. CVPR 2017, arXiv 1608.06993."


def keras_models() -> Path:
    """Folder in which Keras keeps and finds the weights that it has fetched."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def own_backbone(backbone: str) -> str:
    """Name of the file beside Keras' own that holds a backbone which Keras does not publish."""
    return f"cxrkit_{backbone}.weights.h5"


def _imagenet(backbone: str, path: str, md5: str | None, licence: str, citation: str) -> PublicSet:
    file = PublicFile(
        path.rpartition("/")[2],
        _KERAS + path,
        None,
        None if md5 is None else Checksum("md5", md5, "keras.applications of Keras 3.15"),
        _NONE_PUBLISHED if md5 is None else "",
        _MOST,
    )
    return _backbone(backbone, file, licence, citation, "https://keras.io/api/applications/")


def _backbone(backbone: str, file: PublicFile, licence: str, citation: str, home: str) -> PublicSet:
    return PublicSet(
        name=backbone,
        title=f"ImageNet weights of {backbone}",
        files=(file,),
        licence=licence,
        citation=f"{citation} Trained on ImageNet (Russakovsky O et al. IJCV 2015, arXiv 1409.0575).",
        home=home,
        by_hand=_AGAIN.format(
            where="the folder .keras/models of your home folder (or models in $KERAS_HOME, or the one given "
            "with --folder)"
        ),
    )


_RESNET = "He K et al. Deep Residual Learning for Image Recognition. CVPR 2016, arXiv 1512.03385."
_RELEASED = {
    "densenet121": (
        "tensorflow/keras-applications/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "30ee3e1110167f948a6b9946edeeb738",
        "BSD-3-Clause (released by the paper's authors, ported by Keras)",
        _DENSENET,
    ),
    "resnet50": (
        "tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
        "MIT (released by Kaiming He, ported by Keras)",
        _RESNET,
    ),
    "vgg16": (
        "tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
        "Creative Commons Attribution (released by VGG at Oxford, ported by Keras)",
        "Simonyan K, Zisserman A. Very Deep Convolutional Networks for Large-Scale Image Recognition. ICLR 2015, "
        "arXiv 1409.1556.",
    ),
    "mobilenetv2": (
        "tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        None,
        "Apache-2.0 (released by Google)",
        "Sandler M et al. MobileNetV2: Inverted Residuals and Linear Bottlenecks. CVPR 2018, arXiv 1801.04381.",
    ),
    "efficientnetb0": (
        "keras-applications/efficientnetb0_notop.h5",
        "50bc09e76180e00e4465e1a485ddc09d",
        "Apache-2.0 (released by Google)",
        "Tan M, Le QV. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019, "
        "arXiv 1905.11946.",
    ),
}
_RESNET18 = _backbone(
    "resnet18",
    PublicFile(
        "resnet18-f37072fd.pth",
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        46_830_571,
        Checksum(
            "sha256",
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            "torchvision, in the file's name (first eight digits), and unrelated projects that measured it",
        ),
    ),
    "BSD-3-Clause (torchvision, which says that terms of the data may extend to its weights)",
    _RESNET,
    "https://docs.pytorch.org/vision/stable/models.html",
)
IMAGENET: Mapping[str, PublicSet] = MappingProxyType(
    {
        **{backbone: _imagenet(backbone, *facts) for backbone, facts in _RELEASED.items()},
        "resnet18": _RESNET18,
    }
)
"""Backbone -> its ImageNet weights; those of Keras under the name by which Keras finds them."""


def _network(name: str, title: str, file: PublicFile, licence: str, citation: str, home: str) -> PublicSet:
    return PublicSet(
        name=name,
        title=title,
        files=(file,),
        licence=licence,
        citation=citation,
        home=home,
        by_hand=_AGAIN.format(where=f"the folder downloads/{name} of this project (or the one given with --folder)"),
    )


def _xrv(name: str, title: str, start: str) -> PublicSet:
    file = f"{start}-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"
    address = f"https://github.com/mlmed/torchxrayvision/releases/download/v1/{file}"
    return _network(
        name,
        title,
        PublicFile(file, address, None, None, _NONE_PUBLISHED, _MOST),
        "Apache-2.0 (mlmed/torchxrayvision)",
        "Cohen JP et al. TorchXRayVision: A library of chest X-ray datasets and models. MIDL 2022, arXiv 2111.00595; "
        "Cohen JP et al. On the limits of cross-domain generalization in automated X-ray prediction. MIDL 2020, "
        "arXiv 2002.02497.",
        "https://github.com/mlmed/torchxrayvision",
    )


_ALL = (
    _network(
        "chexnet",
        "CheXNet replication (jrzech/reproduce-chexnet): DenseNet-121, 14 findings",
        PublicFile(
            "checkpoint",
            f"https://raw.githubusercontent.com/jrzech/reproduce-chexnet/{_CHEXNET_COMMIT}/pretrained/checkpoint",
            None,
            Checksum(
                "git-blob", "637c09c2e4295febb266679b18036db052c40f79", f"the repository at commit {_CHEXNET_COMMIT}"
            ),
            most=_MOST,
        ),
        "BSD-3-Clause, (c) 2018 John Zech (jrzech/reproduce-chexnet)",
        "Zech J. reproduce-chexnet. GitHub repository, 2018; Rajpurkar P et al. CheXNet: Radiologist-Level Pneumonia "
        "Detection on Chest X-Rays with Deep Learning. arXiv 1711.05225.",
        "https://github.com/jrzech/reproduce-chexnet",
    ),
    _xrv(
        "txrv-all",
        "TorchXRayVision densenet121-res224-all: 18 findings",
        "nih-pc-chex-mimic_ch-google-openi-kaggle",
    ),
    _xrv("txrv-nih", "TorchXRayVision densenet121-res224-nih: 14 findings", "nih"),
)
NETWORKS: Mapping[str, PublicSet] = MappingProxyType({public.name: public for public in _ALL})
"""Kind of `cxrkit.conversion.kinds` -> the checkpoint that is imported as it."""

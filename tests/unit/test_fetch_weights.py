"""Fetching public weights, against a real server on this computer."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import pytest

from cxrkit.conversion.fetching import fetch_imagenet, fetch_network
from cxrkit.conversion.kinds import KINDS
from cxrkit.data.download import fetch
from cxrkit.data.public_sets import Checksum, PublicSet
from cxrkit.data.public_weights import IMAGENET, NETWORKS, keras_models
from cxrkit.data.transfer import Patience
from cxrkit.errors import ChecksumMismatch, WeightsCorrupt, WeightsMismatch
from cxrkit.model.backbones import BACKBONES
from cxrkit.model.network import build_network
from tests.unit.loopback import Handler, Site, drop_after, serve

_SPEC = importlib.util.spec_from_file_location(
    "fetch_weights", Path(__file__).resolve().parents[2] / "scripts" / "fetch_weights.py"
)
fetch_weights = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fetch_weights)

BODY = b"what is up, doc?"
# `git hash-object` of these bytes, as printed in Pro Git, 2nd edition, section 10.2 "Object Storage"
BLOB = "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
QUICK = Patience(timeout=5, retries=2, pause=0.01)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site({"checkpoint": BODY})) as running:
        yield running


def on(site: Site, public: PublicSet, **changes: object) -> PublicSet:
    """The public weights as the site offers them, with the file's facts changed."""
    (file,) = public.files
    changed = replace(file, address=site.url(changes.pop("path", file.name)), **changes)
    return replace(public, files=(changed,))


def chexnet(site: Site, **changes: object) -> PublicSet:
    checksum = Checksum("git-blob", BLOB, "Pro Git")
    return on(site, NETWORKS["chexnet"], **{"checksum": checksum, **changes})


def unannounced(handler: Handler) -> bool:
    """Send the file without saying how long it is."""
    handler.serve(length=False)
    return True


def bring(public: PublicSet, folder: Path) -> list[str]:
    told: list[str] = []
    fetch(public, folder, tell=told.append, patience=QUICK)
    return told


def test_a_git_blob_id_is_checked(site: Site, tmp_path: Path) -> None:
    assert bring(chexnet(site), tmp_path) == ["checkpoint: fetched, git-blob as published"]
    assert bring(chexnet(site), tmp_path) == ["checkpoint: already there, git-blob as published"]
    assert (tmp_path / "checkpoint").read_bytes() == BODY


def test_a_cut_connection_is_resumed_and_the_whole_is_checked(site: Site, tmp_path: Path) -> None:
    site.script = [drop_after(7)]
    bring(chexnet(site), tmp_path)
    assert [headers.get("Range") for headers in site.asked] == [None, "bytes=7-"]
    assert (tmp_path / "checkpoint").read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[::-1], BODY + b" ", b""])
def test_another_file_is_removed(site: Site, tmp_path: Path, body: bytes) -> None:
    site.files["checkpoint"] = body
    with pytest.raises(ChecksumMismatch, match="so it was removed"):
        bring(chexnet(site), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_longer_than_it_can_be_is_refused(site: Site, tmp_path: Path, announced: bool) -> None:
    site.files["checkpoint"] = bytes(3_000_000)

    if not announced:
        site.script = [unannounced]
    with pytest.raises(ChecksumMismatch, match="more than the 16 bytes"):
        bring(chexnet(site, most=len(BODY)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_as_long_as_it_can_be_is_taken(site: Site, tmp_path: Path, announced: bool) -> None:
    if not announced:
        site.script = [unannounced]
    bring(chexnet(site, most=len(BODY)), tmp_path)
    assert (tmp_path / "checkpoint").read_bytes() == BODY


def test_what_nobody_vouches_for_is_recorded_and_said_to_be_unverified(site: Site, tmp_path: Path) -> None:
    (told,) = bring(on(site, NETWORKS["txrv-all"], path="checkpoint"), tmp_path)
    assert "NOT VERIFIED (its publisher prints no checksum)" in told
    assert hashlib.sha256(BODY).hexdigest() in (tmp_path / "SHA256SUMS").read_text()


def test_a_fetched_file_that_is_no_checkpoint_is_not_imported(site: Site, tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt):
        fetch_network(chexnet(site), tmp_path / "down", tmp_path / "chexnet", patience=QUICK)
    assert (tmp_path / "down" / "checkpoint").exists()
    assert not (tmp_path / "chexnet").exists()


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file such as Keras publishes, with random weights."""
    keras.utils.set_random_seed(3)
    file = tmp_path_factory.mktemp("keras") / "mobilenet.weights.h5"
    build_network("mobilenetv2", 2, input_size=64).save_weights(file)
    return file.read_bytes()


def test_imagenet_weights_go_where_keras_finds_them(
    site: Site, tmp_path: Path, mobilenet: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    site.files["mobilenet.weights.h5"] = mobilenet
    public = on(site, IMAGENET["mobilenetv2"], path="mobilenet.weights.h5", name="mobilenet.weights.h5")
    file = fetch_imagenet(public, patience=QUICK)
    assert file == tmp_path / "models" / "mobilenet.weights.h5"
    site.files["mobilenet.weights.h5"] = BODY
    with pytest.raises(WeightsCorrupt):
        fetch_imagenet(public, tmp_path / "other", patience=QUICK)


def test_layers_of_another_backbone_are_refused(site: Site, tmp_path: Path, mobilenet: bytes) -> None:
    site.files["other.weights.h5"] = mobilenet
    public = on(
        site,
        IMAGENET["vgg16"],
        path="other.weights.h5",
        name="other.weights.h5",
        checksum=None,
        unverified_because="a test",
    )
    with pytest.raises(WeightsMismatch):
        fetch_imagenet(public, tmp_path, patience=QUICK)


@pytest.mark.parametrize("backbone", ["densenet121", "resnet50", "vgg16", "mobilenetv2", "efficientnetb0"])
def test_addresses_and_checksums_are_those_of_keras(backbone: str) -> None:
    (file,) = IMAGENET[backbone].files
    folder, _, name = file.address.rpartition("/")
    assert name == file.name
    keras_module = importlib.import_module(
        "keras.src.applications."
        + {"densenet121": "densenet", "resnet50": "resnet", "mobilenetv2": "mobilenet_v2"}.get(
            backbone, backbone.removesuffix("b0")
        )
    )
    stated = [value for value in vars(keras_module).values() if isinstance(value, str) and value.startswith("https:")]
    assert any(file.address == value or f"{folder}/" == value for value in stated)
    digest = file.checksum and file.checksum.digest
    assert (digest is None) == (backbone == "mobilenetv2")
    assert digest is None or f'"{digest}"' in inspect.getsource(keras_module)


def test_keras_asks_for_the_file_that_was_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.utils import file_utils

    asked: list[tuple[object, ...]] = []

    def caught(name: str, address: str, cache_subdir: str, file_hash: str) -> str:
        asked.append((name, address, cache_subdir, file_hash))
        raise LookupError

    monkeypatch.setattr(file_utils, "get_file", caught)
    with pytest.raises(LookupError):
        keras.applications.VGG16(include_top=False, input_shape=(32, 32, 3))
    (file,) = IMAGENET["vgg16"].files
    assert asked == [(file.name, file.address, "models", file.checksum.digest)]


def test_every_backbone_that_has_imagenet_weights_can_be_fetched() -> None:
    assert set(IMAGENET) == set(BACKBONES) - {"cnn"}
    assert set(NETWORKS) < set(KINDS)


def test_the_folder_is_that_of_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.backend.config import keras_home

    assert keras_models() == Path(keras_home()) / "models"
    # Keras reads $KERAS_HOME when it is imported, so this half is not asked of it again
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert keras_models() == tmp_path / "models"


def test_offline_it_says_what_to_fetch_where_to_put_it_and_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(Site({})) as gone:
        pass  # nobody listens on its port any more
    monkeypatch.setattr(fetch_weights, "NETWORKS", {"chexnet": on(gone, NETWORKS["chexnet"])})
    assert fetch_weights.main(["chexnet", "--folder", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "BSD-3-Clause, (c) 2018 John Zech" in out
    assert "Zech J. reproduce-chexnet" in out
    assert f"checkpoint from {gone.url('checkpoint')}" in err
    assert "downloads/chexnet" in err
    assert "That command: python scripts/fetch_weights.py chexnet, with the same --folder\n" in err
    assert str(tmp_path) not in err


@pytest.mark.parametrize(
    "arguments",
    [["chexnet", "--backbone", "vgg16"], ["imagenet", "--out", "x"], ["unknown"], ["imagenet", "--replace"]],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fetch_weights.main(arguments)
    assert caught.value.code == 2

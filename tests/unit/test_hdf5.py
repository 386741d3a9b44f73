"""Files of weights give numbers of their own, and no more of them than they can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from cxrkit.errors import WeightsCorrupt
from cxrkit.model.checkpoints import read_layers

PLACE = "layers/dense/vars/0"


def written(path: Path, kernel: Callable[[h5py.File], None], findings: str | None = None) -> Path:
    """A file of one dense layer, as Keras writes it; its kernel is left to the caller."""
    with h5py.File(path, "w") as h5:
        h5["layers/dense/vars/1"] = np.zeros(2, np.float32)
        h5["layers/dense/vars"].attrs["name"] = "logits"
        if findings is not None:
            h5.attrs["cxrkit_findings"] = findings
        kernel(h5)
    return path


def plain(h5: h5py.File) -> None:
    h5[PLACE] = np.ones((3, 2), np.float32)


def linked(h5: h5py.File) -> None:
    h5[PLACE] = h5py.ExternalLink("other.h5", "secret")


def linked_group(h5: h5py.File) -> None:
    plain(h5)
    h5["layers/more"] = h5py.ExternalLink("other.h5", "/")


def softly_linked(h5: h5py.File) -> None:
    h5["real"] = np.ones((3, 2), np.float32)
    h5[PLACE] = h5py.SoftLink("/real")


def kept_outside(h5: h5py.File) -> None:
    h5.create_dataset(PLACE, (3, 2), "f4", external=[("secret.bin", 0, 24)])


def composed(h5: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[...] = h5py.VirtualSource("other.h5", "secret", (3, 2))
    h5.create_virtual_dataset(PLACE, layout)


FOREIGN = {f.__name__: f for f in (linked, linked_group, softly_linked, kept_outside, composed)}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_points_to_others_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where HDF5 looks for the others
    Path("secret.bin").write_bytes(np.full((3, 2), 7, np.float32).tobytes())
    with h5py.File("other.h5", "w") as h5:
        h5["secret"] = np.full((3, 2), 7, np.float32)
    file = written(tmp_path / "model.weights.h5", FOREIGN[name])
    with h5py.File(file) as h5:  # HDF5 itself reads them
        assert float(h5[PLACE][0, 0]) == (7 if name not in ("linked_group", "softly_linked") else 1)
    with pytest.raises(WeightsCorrupt, match="points to other files"):
        read_layers(file)


def never_written(h5: h5py.File) -> None:
    h5.create_dataset(PLACE, (2**18, 2**13), "f4", chunks=(64, 64), compression="gzip")


def under_many_names(h5: h5py.File) -> None:
    h5[PLACE] = np.random.default_rng(0).random((1000, 1000), np.float32)
    for k in range(200):
        h5[f"layers/dense{k}/vars/0"] = h5[PLACE]


@pytest.mark.parametrize("kernel", [never_written, under_many_names])
def test_a_small_file_does_not_fill_the_memory(kernel: Callable[[h5py.File], None], tmp_path: Path) -> None:
    file = written(tmp_path / "model.weights.h5", kernel)
    assert file.stat().st_size < 8e6
    with pytest.raises(WeightsCorrupt, match="more numbers than it can hold"):
        read_layers(file)


@pytest.mark.parametrize("findings", ["{", "5", "[1, 2]", '[["a"], ["b"]]', '{"a": "b"}'])
def test_findings_that_are_no_names_are_refused(findings: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        read_layers(written(tmp_path / "model.weights.h5", plain, findings))


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    layers, findings = read_layers(written(tmp_path / "model.weights.h5", plain, '["a", "b"]'))
    assert findings == ["a", "b"]
    assert [a.tolist() for a in layers["logits"]] == [[[1, 1]] * 3, [0, 0]]

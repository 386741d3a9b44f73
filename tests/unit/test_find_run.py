"""A run is named by its folder, by the preset in it, or by a file of it, as source project S0 did."""

import shutil

import pytest

from cxrkit.errors import PresetNotFound
from cxrkit.preset_folders import find_run
from tests.unit.test_scripts import manifest, run  # noqa: F401


def test_a_run_is_found_by_its_folder_its_preset_or_a_file(tiny_folder, tmp_path):
    bare = shutil.copytree(tiny_folder / "tiny", tmp_path / "bare")
    inside = shutil.copytree(tiny_folder / "tiny", tmp_path / "resnet_20261121_120000" / "preset")
    checkpoint = tmp_path / "resnet_20261121_120000" / "resnet_final.h5"
    checkpoint.write_bytes(b"")
    for path, folder in (
        (bare, bare),
        (inside.parent, inside),
        (inside, inside),
        (checkpoint, inside),
        (bare / "model.weights.h5", bare),
    ):
        assert find_run(path).folder == str(folder)
    with pytest.raises(PresetNotFound):
        find_run(tmp_path / "none")


def test_evaluate_takes_a_run(tiny_folder, manifest, tmp_path, capsys):  # noqa: F811
    shutil.copytree(tiny_folder / "tiny", tmp_path / "run" / "preset")
    assert run("evaluate", "--model_path", tmp_path / "run", "--manifest", manifest, "--split", "test",
               "--label-map", "label=Pneumonia", "--out", tmp_path / "out", "--no-report") == 0  # fmt: skip
    assert capsys.readouterr().out.startswith("tiny on t.csv, test: 10 images")
    assert run("evaluate", "--model_path", tmp_path / "none", "--manifest", manifest, "--out", tmp_path / "o") == 2

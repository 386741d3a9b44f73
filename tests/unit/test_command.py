"""The command ``cxrkit``: light until a door is opened, and the doors behind their names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cxrkit import command

ROOT = Path(__file__).resolve().parents[2]


def test_the_list_of_commands_loads_no_library():
    heavy = "{'numpy', 'pandas', 'keras', 'tensorflow', 'openvino', 'streamlit', 'pydantic', 'shtab'}"
    code = f"""import sys, cxrkit.command as c
try:
    c.main(["--help"])
except SystemExit as end:
    print(end.code, sorted({heavy} & set(sys.modules)), len(sys.modules) < 150)"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 [] True"
    named = re.findall(r"^    (\w+)\b", done.stdout.partition("commands:")[2].partition("examples:")[0], re.MULTILINE)
    assert {"read", "score", "train", "evaluate", "serve", "app", "loss", "completion"} <= set(named)
    assert "exit status" in done.stdout


def test_a_door_gets_its_words_and_its_name(capsys, tmp_path):
    path = list(sys.path)
    with pytest.raises(SystemExit) as end:
        command.main(["loss", "--split", "train"])
    assert end.value.code == 2
    assert "usage: cxrkit loss" in capsys.readouterr().err
    assert command.main(["read", str(tmp_path / "x.png"), "--preset", str(tmp_path / "none")]) == 2
    assert "no preset" in capsys.readouterr().err
    assert sys.path == path
    assert not sys.argv[0].startswith("cxrkit ")


def test_what_is_wrong_and_what_is_interrupted_have_their_status(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["nonsense"])
    assert end.value.code == 2

    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_door", lambda name: interrupted)
    assert command.main(["train"]) == 130
    monkeypatch.undo()
    monkeypatch.setattr(command, "_file_of", lambda door: None)
    assert command.main(["export"]) == 2
    assert "not part of this installation" in capsys.readouterr().err


def test_where_it_was_installed_the_doors_lie_within(monkeypatch, tmp_path):
    """As setup.py lays them."""
    (tmp_path / "cxrkit" / "doors").mkdir(parents=True)
    (tmp_path / "cxrkit" / "doors" / "score.py").write_text("def main(arguments):\n    return len(arguments)\n")
    monkeypatch.setattr(command, "_HERE", tmp_path / "cxrkit")
    assert command.main(["score", "a", "b", "c"]) == 3
    assert command.main(["app"]) == 2
    assert '"cxrkit.doors": "scripts"' in (ROOT / "setup.py").read_text()


def test_completion_knows_the_options_of_the_doors(monkeypatch, capsys):
    doors = {name: command.DOORS[name] for name in ("read", "score", "app")}
    monkeypatch.setattr(command, "DOORS", doors)
    assert command.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    # as a person who presses the tabulator sees it
    asked = "\nCOMP_WORDS=(cxrkit score --al); COMP_CWORD=2; _shtab_cxrkit; printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash"], input=script + asked, text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["--all-the-same"]

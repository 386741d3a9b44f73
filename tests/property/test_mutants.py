"""A few hundred damaged files in every run; scripts/fuzz.py reads as many thousands as one has patience for."""

import sys

import pytest

from cxrkit.errors import CxrError
from cxrkit.imaging.loading import load_radiograph
from scripts import fuzz
from tests.mutants import mutant, seeds

SOUND = seeds()


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_damaged_files_end_as_a_radiograph_or_a_cxr_error(first: int) -> None:
    ends = set()
    for number in range(first, first + 100):
        try:
            load_radiograph(mutant(number, SOUND))
            ends.add("read")
        except CxrError:
            ends.add("refused")
    assert ends == {"read", "refused"}


def test_sound_files_are_read_and_mutants_are_made_again() -> None:
    for data in SOUND:
        load_radiograph(data)
    assert [mutant(number, SOUND) for number in range(50)] == [mutant(number, SOUND) for number in range(50)]
    assert len({mutant(number, SOUND) for number in range(50)}) > 45


def child(*lines: str) -> list[str]:
    return [sys.executable, "-c", "import os, time\n" + "\n".join(lines)]


def test_what_breaks_the_reader_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 1.5)
    begin, done = "print('begin 3', flush=True)", "print('end 3 read', flush=True)"
    assert fuzz.watch(child(begin, done)) == (None, {"read": 1, "refused": 0}, [])
    stopped, _, broken = fuzz.watch(child(begin, done, begin.replace("3", "4"), "os.abort()"))
    assert (stopped, broken) == (4, [(4, "ended with status -6")])
    stopped, _, broken = fuzz.watch(child(begin, "time.sleep(60)"))
    assert (stopped, broken) == (3, [(3, "no end after 1.5 s")])
    _, ended, broken = fuzz.watch(child(begin, "print('end 3 error ValueError: x', flush=True)"))
    assert (ended, broken) == ({"read": 0, "refused": 0}, [(3, "error ValueError: x")])
    _, _, broken = fuzz.watch(child(begin, "time.sleep(1.6)", done))
    assert len(broken) == 1


def test_a_run_keeps_the_file_that_was_asked_for(tmp_path, capsys) -> None:
    assert fuzz.main(["--first", "7", "--rounds", "1", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "7").read_bytes() == mutant(7, SOUND)
    assert "1 damaged files:" in capsys.readouterr().out

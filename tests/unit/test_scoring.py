"""Scoring many files: a row for each, whatever is in them, and none lost or doubled by kill -9."""

import csv
import dataclasses
import io
import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from cxrkit.errors import CorruptFile, ManifestError, ScoringError
from cxrkit.serving import scoring_ahead
from cxrkit.serving.scoring import here, score
from cxrkit.serving.scoring_ahead import in_order
from cxrkit.serving.scoring_parts import Parts
from cxrkit.serving.scoring_pipeline import How, Scorer
from cxrkit.serving.scoring_progress import ShowProgress
from cxrkit.serving.scoring_sources import SourceSpec
from cxrkit.serving.scoring_timing import compare
from tests.scoring_model import PixelModel, preset

ROOT = Path(__file__).resolve().parents[2]
HOW = How(batch=3, decoders=2, trusted=True)


def picture(number, low=60, high=200):
    """A PNG that no other number has."""
    pixels = np.random.default_rng(number).integers(low, high, (40, 44)).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture
def folder(tmp_path):
    """Eleven files, three of them not to be read: eight rows with an outcome of their own."""
    root = tmp_path / "films"
    (root / "b" / "c").mkdir(parents=True)
    for number in range(6):
        (root / "b" / f"{number}.png").write_bytes(picture(number))
    (root / "b" / "c" / "dark.png").write_bytes(picture(7, 0, 20))
    turned = np.full((40, 40), 120, np.uint8)
    turned[0, 0], turned[9, 9] = 255, 0
    (root / "a.png").write_bytes(cv2.imencode(".png", turned)[1].tobytes())
    (root / "note.txt").write_text("no radiograph")
    (root / "empty.png").touch()
    (root / "whole.zip").write_bytes(zipped({"1.png": picture(1)}))
    (root / ".hidden.png").write_bytes(picture(9))
    return root


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def run(where, out, *, how=HOW, part=4, card=None, model=None, **spec):
    source = SourceSpec(str(where), **spec)
    model = model or PixelModel()
    return score(source, out, card or preset(), here(lambda: model, source, how), how=how, part=part)


def rows(path):
    """By file name; each stands once."""
    table = pyarrow.parquet.read_table(path).to_pylist()
    found = {row["file"]: row for row in table}
    assert len(found) == len(table)
    return found


@pytest.mark.parametrize("trusted", [True, False])
def test_every_file_has_a_row(folder, tmp_path, trusted):
    out = tmp_path / "r.parquet"
    summary = run(folder, out, how=dataclasses.replace(HOW, trusted=trusted))
    assert (summary.files, summary.read, summary.refused, summary.failed, summary.before) == (11, 7, 1, 3, 0)
    found = rows(out)
    plain = {"a.png", "note.txt", "empty.png", "whole.zip", "b/c/dark.png"}
    assert set(found) == plain | {f"b/{k}.png" for k in range(6)}
    for number in range(6):
        row = found[f"b/{number}.png"]
        pixels = cv2.imdecode(np.frombuffer(picture(number), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert row["prob_Effusion"] == pytest.approx(pixels.mean() / 255, abs=0.2)
        assert row["logit_Mass"] == row["prob_Mass"] - 1
        assert (row["width"], row["height"], row["source_format"]) == (44, 40, "PNG")
        assert row["code"] is row["message"] is None
    assert len({row["prob_Effusion"] for row in found.values()}) > 6
    assert found["b/c/dark.png"]["quality_issues"] == "under-exposed"
    assert found["b/c/dark.png"]["prob_Effusion"] is None
    assert found["a.png"]["quality_correction"] == "invert"
    for name, code in (("note.txt", "UnsupportedFormat"), ("empty.png", "UnsupportedFormat")):
        assert found[name]["code"] == code
        assert found[name]["remedy"].endswith(".")
        assert found[name]["prob_Mass"] is None
    assert "ZIP archive" in found["whole.zip"]["message"]
    assert {row["weights_sha256"] for row in found.values()} == {"a" * 64}
    said = json.loads(pyarrow.parquet.read_schema(out).metadata[b"cxrkit"])
    assert "Not a medical device" in said["disclaimer"]
    assert not (tmp_path / "r.parquet.parts").exists()
    with pytest.raises(ScoringError, match="already"):
        run(folder, out)


class LateTurns:
    """Turns that come only to who waits as long as it takes."""

    def acquire(self, timeout):
        return timeout is None

    def release(self):
        pass


def test_a_file_waits_for_its_turn_and_is_never_kept_as_one_that_cannot_be_read(folder, tmp_path):
    source = SourceSpec(str(folder), match="[0-2].png")

    def engine():
        scorer = Scorer(PixelModel(), source.open(), dataclasses.replace(HOW, trusted=False))
        scorer._pool._turns = LateTurns()
        return scorer

    summary = score(source, tmp_path / "r.parquet", preset(), engine, how=HOW, part=4)
    assert (summary.files, summary.read) == (3, 3)


def test_an_archive_gives_what_a_folder_gives_and_csv_what_parquet_holds(folder, tmp_path):
    members = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.*")) if p.is_file()}
    archive = tmp_path / "films.zip"
    archive.write_bytes(zipped({**members, "__MACOSX/x.png": picture(1)}))
    run(folder, tmp_path / "one.parquet")
    run(archive, tmp_path / "two.parquet")
    assert rows(tmp_path / "one.parquet") == rows(tmp_path / "two.parquet")
    run(folder, tmp_path / "three.csv", match="*.png")
    with (tmp_path / "three.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert {row["file"] for row in table} == {name for name in rows(tmp_path / "one.parquet") if name.endswith(".png")}
    row = next(row for row in table if row["file"] == "b/3.png")
    assert float(row["prob_Mass"]) == rows(tmp_path / "one.parquet")["b/3.png"]["prob_Mass"]
    damaged = bytearray(archive.read_bytes())
    at = damaged.index(members["b/2.png"][60:90])
    damaged[at] ^= 255
    archive.write_bytes(bytes(damaged))
    summary = run(archive, tmp_path / "four.parquet")
    assert rows(tmp_path / "four.parquet")["b/2.png"]["code"] == "CorruptFile"
    assert summary.files == 11
    archive.write_bytes(bytes(damaged)[:300])
    with pytest.raises(CorruptFile):
        run(archive, tmp_path / "five.parquet")


def test_a_table_gives_a_row_per_row(folder, tmp_path):
    table = folder / "labels.csv"
    table.write_text("id,image\n1, b/1.png\n2,a.png\n\n3,gone.png\n4,\n5,b/1.png\n")
    run(table, tmp_path / "r.parquet")
    found = pyarrow.parquet.read_table(tmp_path / "r.parquet").to_pylist()
    assert [(row["file"], row["outcome"]) for row in found] == [
        ("b/1.png", "read"), ("a.png", "read"), ("gone.png", "failed"), ("", "failed"), ("b/1.png", "read"),
    ]  # fmt: skip
    table.rename(tmp_path / "moved.csv")
    run(tmp_path / "moved.csv", tmp_path / "s.parquet", images=str(folder))
    assert pyarrow.parquet.read_table(tmp_path / "s.parquet").to_pylist() == found
    table.write_text("name\nx.png\n")
    with pytest.raises(ManifestError, match="column named image"):
        run(table, tmp_path / "t.parquet")
    assert not list(tmp_path.glob("t.parquet*"))


def test_nothing_to_score_is_refused(tmp_path):
    (tmp_path / "films").mkdir()
    for where, out in (("films", "r.parquet"), ("none", "r.parquet"), ("films", "r.txt")):
        with pytest.raises(ScoringError):
            run(tmp_path / where, tmp_path / out)
    assert [path.name for path in tmp_path.iterdir()] == ["films"]


def interrupted(folder, out, after=1):
    """A run that stops after so many parts."""
    original, kept = Parts.keep, []

    def keep(self, number, table):
        if len(kept) == after:
            raise KeyboardInterrupt
        original(self, number, table)
        kept.append(number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parts, "keep", keep)
        with pytest.raises(KeyboardInterrupt):
            run(folder, out)


def test_a_run_goes_on_with_the_same_weights_and_options_alone(folder, tmp_path):
    out = tmp_path / "r.parquet"
    interrupted(folder, out)
    (folder / "later.png").write_bytes(picture(20))  # the list of files stands
    other = [
        ({"card": preset("b" * 64)}, "weights"),
        ({"card": preset(slope=2.0)}, "card"),
        ({"how": dataclasses.replace(HOW, batch=4)}, "batch"),
        ({"how": dataclasses.replace(HOW, override=True)}, "override"),
        ({"part": 5}, "part"),
        ({"match": "*.png"}, "match"),
    ]
    for options, named in other:
        with pytest.raises(ScoringError, match=f"another {named}\\."):
            run(folder, out, **options)
    model = PixelModel()
    summary = run(folder, out, model=model)
    assert (summary.files, summary.before) == (11, 4)
    assert sorted(model.batches) == [1, 3, 3]  # the one picture of the first part is not read again
    run(folder, tmp_path / "s.parquet", match="[!l]*")
    assert rows(out) == rows(tmp_path / "s.parquet")


def test_a_damaged_part_is_made_anew(folder, tmp_path):
    out = tmp_path / "r.parquet"
    interrupted(folder, out, after=2)
    part = min((tmp_path / "r.parquet.parts").glob("part-*"))
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(ScoringError, match="damaged"):
        run(folder, out)
    assert run(folder, out).files == len(rows(out)) == 11


def test_two_runs_do_not_share_parts(folder, tmp_path):
    parts = Parts(tmp_path / "r.parquet")
    with parts.held(), pytest.raises(ScoringError, match="still going on"):
        run(folder, tmp_path / "r.parquet")


@pytest.mark.timeout(300)
def test_killed_at_random_moments_no_row_is_lost_or_doubled(tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    for number in range(24):
        (films / f"{number}.png").write_bytes(picture(number) if number % 7 else b"no radiograph")
    run(films, tmp_path / "whole.parquet", how=How(2, decoders=2, trusted=True), part=5)
    out, dice, kills = tmp_path / "killed.parquet", random.Random(0), 0
    command = [sys.executable, "-m", "tests.killed_scoring", str(films), str(out), "0.02"]
    while not out.exists():
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        before = kept(out)
        while process.poll() is None and kept(out) == before:
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.12))  # some time after a part: within the next, its writing, or the end
        process.kill()
        end = process.wait()
        assert end in (0, -signal.SIGKILL), process.stderr.read().decode()
        process.stderr.close()
        kills += end == -signal.SIGKILL
        assert kills < 15
    assert kills >= 2
    assert pyarrow.parquet.read_table(out).equals(pyarrow.parquet.read_table(tmp_path / "whole.parquet"))


def kept(out):
    return len(list(Path(f"{out}.parts").glob("part-*.parquet")))


# -- how much lies in memory ------------------------------------------------------------------------


class Picture:
    def __init__(self, number, size):
        self.number, self.size = number, size


@pytest.mark.parametrize("together", [1, 3])
def test_decoding_is_ahead_of_the_network_within_bounds(together, monkeypatch):
    monkeypatch.setattr(scoring_ahead, "MOST_BYTES", 100)
    begun, lock = [], threading.Lock()

    def work(numbers):
        for number in numbers:
            with lock:
                begun.append(number)
            yield Picture(number, 40)

    found = in_order(work, iter(range(50)), 4, together)
    for number in range(50):
        assert next(found).number == number
        time.sleep(0.002)
        with lock:
            assert len(begun) <= number + 1 + 2 + 4  # two that are held, and one per thread that waits
    assert next(found, None) is None


def test_what_is_larger_than_all_bounds_passes_and_what_fails_is_told(monkeypatch):
    monkeypatch.setattr(scoring_ahead, "MOST_BYTES", 100)

    def big(numbers):
        return (Picture(1 / number, 1000) for number in numbers)

    assert [one.number for one in in_order(big, iter([1, 2, 4]), 2, 2)] == [1, 0.5, 0.25]
    found = in_order(big, iter([1, 1, 1, 0, 1]), 2, 2)
    assert [next(found).number for _ in range(3)] == [1, 1, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_what_nobody_fetches_any_more_is_given_up():
    begun = []

    def work(numbers):
        for number in numbers:
            begun.append(number)
            time.sleep(0.05)
            yield Picture(number, 1)

    found = in_order(work, itertools.count(), 1, 100)
    next(found)
    found.close()
    assert len(begun) < 5


def test_batches_are_of_a_part_each(folder, tmp_path):
    model = PixelModel()
    run(folder, tmp_path / "r.parquet", model=model, match="*.png")  # 9 files, one of them empty
    # parts of a.png, empty.png, b/0.png, b/1.png; of b/2.png to b/5.png; of b/c/dark.png
    assert sorted(model.batches) == sorted([2, 1, 3, 1, 1])  # in whatever order threads come to the network


def test_a_network_that_fails_for_a_batch_is_asked_for_each_file(folder, tmp_path):
    class Narrow(PixelModel):
        def features(self, tensor):
            if len(tensor) > 1 or tensor[0, 0] < 0.1:
                raise RuntimeError("no memory")
            return super().features(tensor)

    rows = []
    for name, model in (("a", PixelModel()), ("b", Narrow())):
        run(folder, tmp_path / f"{name}.parquet", model=model, match="*.png")
        rows.append(pyarrow.parquet.read_table(tmp_path / f"{name}.parquet").to_pylist())
    for expected, row in zip(*rows, strict=True):
        if expected["outcome"] == "refused":  # the dark one, for which it fails even so
            assert (row["outcome"], row["code"]) == ("failed", "Defect")
            assert "no memory" not in row["message"]
        else:
            assert row == expected


def test_scoring_is_timed_against_the_bare_network(folder):
    """A network that takes 30 ms for a batch of 3, and nothing else that takes long."""
    found = compare(PixelModel(0.03), SourceSpec(str(folder), match="[0-9].png"), files=6, rounds=3, how=HOW)
    assert (found["files"], found["rounds"], found["batch"]) == (6, 3, 3)
    assert found["median_ms"]["network"] >= 10
    assert found["median_ms"]["scoring"] >= found["median_ms"]["network"]
    assert 0 < found["ratios"]["scoring_to_network"] <= 1.05
    assert found["cpu_ms"]["network"] < 5


def test_progress_is_told_in_plain_lines():
    out = io.StringIO()
    progress = ShowProgress(out, every=0.0)
    progress.begin(10, 100)
    time.sleep(0.01)
    progress.tick(["read"] * 8 + ["failed", "refused"])
    progress.end()
    first, second = out.getvalue().splitlines()
    assert first == "Going on: 10 of 100 files were done before."
    assert second.startswith("20 of 100 files; ")
    assert "left; refused 1, not readable 1" in second

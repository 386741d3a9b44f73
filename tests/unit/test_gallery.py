"""Galleries follow a rule, read each radiograph once, and name rows instead of files."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrkit.data.manifest import Manifest
from cxrkit.errors import ManifestError
from cxrkit.evaluation.schema import Evaluation
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box, Explanation
from cxrkit.serving.gallery import Pick, choose, render
from tests.factory_evaluation import make_evaluation

NAN = float("nan")


def judged_at(threshold: float, rules: tuple[str, ...] = ("screening", "youden")) -> Evaluation:
    judged = make_evaluation({"Mass": 0.3, "Edema": 0.0}, n=300, alone=True)
    entry = judged.findings["Mass"]
    points = {
        rule: entry.operating_points["youden"].model_copy(update={"threshold": threshold if rule == "youden" else 0.9})
        for rule in rules
    }
    changed = entry.model_copy(update={"operating_points": points})
    return judged.model_copy(update={"findings": {**judged.findings, "Mass": changed}})


def table_of(rows: list[tuple[float, float]]) -> pd.DataFrame:
    labels, scores = zip(*rows, strict=True)
    return pd.DataFrame({"Mass": labels, "prob_Mass": scores, "Edema": 0.0, "prob_Edema": 0.1})


ROWS = [
    (1, 0.90),  # 0
    (0, 0.80),
    (1, 0.10),
    (1, 0.95),
    (0, 0.20),
    (NAN, 0.99),  # unknown labels are in no gallery
    (1, 0.50),  # the threshold itself is positive
    (1, 0.49),
    (1, 0.95),  # equal to row 3: the earlier one comes first
    (1, 0.60),
    (0, 0.85),
]


def test_the_most_telling_of_each_kind_come_first() -> None:
    picks = choose(table_of(ROWS), judged_at(0.5))["Mass"]
    assert [(p.kind, p.place) for p in picks.chosen] == [
        ("true positive", 3),
        ("true positive", 8),
        ("true positive", 0),
        ("true positive", 9),
        ("false positive", 10),
        ("false positive", 1),
        ("false negative", 2),
        ("false negative", 7),
    ]
    assert picks.totals == {"true positive": 5, "false positive": 2, "false negative": 2}
    assert (picks.rule, picks.threshold) == ("youden", 0.5)
    assert picks.chosen[0].probability == 0.95


def test_without_youdens_point_the_first_one_rules_and_without_any_there_is_no_gallery() -> None:
    picks = choose(table_of(ROWS), judged_at(0.5, rules=("screening", "rule-in")))
    assert list(picks) == ["Mass"]  # Edema has no operating point
    assert (picks["Mass"].rule, picks["Mass"].threshold) == ("screening", 0.9)
    assert choose(table_of(ROWS), judged_at(0.5, rules=())) == {}


def test_a_table_that_is_not_the_judged_one_is_refused() -> None:
    with pytest.raises(ManifestError, match="Mass"):
        choose(table_of(ROWS).drop(columns="prob_Mass"), judged_at(0.5))


class CountingReader:
    """Reads anything; evidence for Mass only in bright radiographs."""

    def __init__(self) -> None:
        self.read_means: list[float] = []

    def explanations(self, radiograph: Radiograph) -> dict[str, Explanation]:
        mean = float(radiograph.pixels.mean())
        self.read_means.append(round(mean, 2))
        grid = np.zeros((7, 7), np.float32)
        grid[3, 3] = 1.0 if mean > 0.4 else 0.0
        box = Box(0, 0, radiograph.width, radiograph.height)
        return {f: Explanation(f, "grad-cam", "layer", grid, box, float(grid.max())) for f in ("Mass", "Edema")}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    paths = []
    for place in range(4):
        ramp = np.tile(np.linspace(0, 60, 400), (500, 1)) + 40 * place
        path = tmp_path / f"Doe_Jane_{place}.png"
        Image.fromarray(ramp.astype(np.uint8)).save(path)
        paths.append(path)
    table = pd.DataFrame({"image": [p.name for p in paths]})
    labels = np.zeros((4, 2), np.float32)
    return Manifest("labels.csv", "ab", ("Mass", "Edema"), tuple(paths), labels, table, np.array([2, 5, 9, 11]))


def picks_of(*places: int) -> dict:
    picks = choose(table_of([(1, 0.9)] * 4), judged_at(0.5))["Mass"]
    chosen = tuple(Pick("true positive", place, 0.9) for place in places)
    return {"Mass": type(picks)("youden", 0.5, True, chosen, picks.totals)}


def test_each_radiograph_is_read_once_and_named_by_its_row(manifest: Manifest) -> None:
    reader, seen = CountingReader(), []
    both = picks_of(3, 1)
    both["Edema"] = both["Mass"]
    galleries = render(reader, manifest, both, progress=lambda done, total: seen.append((done, total)))
    assert len(reader.read_means) == 2
    assert seen == [(1, 2), (2, 2)]
    assert list(galleries) == ["Mass", "Edema"]
    assert [picture.row for picture in galleries["Mass"].pictures] == [11, 5]
    assert "Doe" not in repr(galleries)


def test_pictures_are_small_and_lack_a_map_where_there_is_no_evidence(manifest: Manifest) -> None:
    dark, bright = render(CountingReader(), manifest, picks_of(0, 3))["Mass"].pictures
    assert dark.overlay is None
    assert bright.overlay
    head, _, data = bright.overlay.partition(",")
    assert head == "data:image/jpeg;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == (bright.width, bright.height) == (256, 320)
    assert not picture.getexif()
    red, _, blue = picture.split()
    assert red.tobytes() != blue.tobytes()  # a coloured map on a grey radiograph
    assert len(bright.radiograph) < 60_000


def test_an_image_that_vanished_is_named_by_its_row_alone(manifest: Manifest) -> None:
    manifest.images[1].write_bytes(b"GIF89a")
    with pytest.raises(ManifestError, match="row 5 of the table") as refused:
        render(CountingReader(), manifest, picks_of(1))
    assert "Doe" not in str(refused.value)

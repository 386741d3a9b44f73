"""A preset whose head is fitted in closed form on the features of another preset's trunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from cxrkit.data.manifest import Manifest
from cxrkit.data.teacher import read_teacher, taught_by
from cxrkit.errors import TrainingError
from cxrkit.evaluation.metrics import auroc
from cxrkit.model.network import split_frozen
from cxrkit.preset import Preset
from cxrkit.training.batches import ImageSet, load_images, plain_batches
from cxrkit.training.finishing import finish, training_record
from cxrkit.training.linear_head import Floats, LinearHead, blended, fit_linear_head
from cxrkit.training.recipe import Recipe
from cxrkit.training.run_record import count_patients
from cxrkit.training.sources import Source, split_sources
from cxrkit.training.starting import first_network
from cxrkit.training.validation import predict

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Search:
    """What is tried, and by what it is chosen.

    Attributes
    ----------
    alphas, shares
        Penalties and teacher's shares; see `cxrkit.training.linear_head.fit_linear_head`.
    keeps
        Shares of the start's own outputs in a mean with the head that is solved for; 0 leaves them out, 1 keeps
        them alone. All combinations are tried.
    only
        Column -> value: the validation rows whose mean AUROC decides; all, if empty.
    """

    alphas: tuple[float, ...] = (30.0, 100.0, 300.0, 1000.0)
    shares: tuple[float, ...] = (0.0, 0.5, 1.0)
    keeps: tuple[float, ...] = (0.0,)
    only: tuple[tuple[str, str], ...] = ()


def fit_head(
    recipe: Recipe,
    sources: Sequence[Source],
    start: Preset,
    teacher: Path | None,
    search: Search,
    out: Path,
    *,
    command: str,
    allow_missing: bool = False,
    tell: Tell = lambda line: None,
) -> Preset:
    """Fit the head of a recipe's findings on the trunk of a preset, and write the preset.

    The images of the last stage of the recipe are read as they are. The penalty and the teacher's share are
    those with the highest mean AUROC on the validation rows, on which calibration and operating points are
    fitted, too. A teacher is asked of training rows alone.

    Raises
    ------
    TrainingError
        The head of the recipe is not a single dense layer, the trunk does not fit, outputs are to be kept that
        the start does not have, or the rows that decide have both classes of no finding.
    ManifestError
        Of the tables; see `cxrkit.training.sources.split_sources` and `cxrkit.data.teacher.read_teacher`.
    """
    stage = recipe.stages[-1]
    at_size = replace(recipe, stages=(stage,))
    network = first_network(at_size, None, start)
    assert network is not None  # there is a start
    if recipe.head != "gap-dense":
        raise TrainingError("Only a head of one dense layer can be fitted in closed form.", "Choose gap-dense.")
    unknown = sorted(set(recipe.findings) - set(start.findings) - set(recipe.start_outputs))
    if any(search.keeps) and unknown:
        raise TrainingError(
            f"The preset {start.name} has no output for {', '.join(unknown)}, of which a share could be kept.",
            'Leave --keeps out, or name outputs in the recipe\'s "start_outputs".',
        )
    parts = split_sources(sources, recipe, allow_missing, progress=tell)
    backbone, _ = split_frozen(network)

    def features(manifests: Sequence[Manifest]) -> tuple[Floats, ImageSet]:
        ones = [1.0] * len(manifests)
        images = load_images(manifests, ones, ones, recipe, stage.size, tell)
        tell(f"computing the features of {len(images)} images")
        return predict(backbone, plain_batches(images, recipe.intensity, stage.batch), stage.batch, _nothing), images

    trained, images = features(parts.training)
    validated, held = features(parts.validation)
    scores = None if teacher is None else read_teacher(teacher, recipe.findings)
    taught = np.full_like(images.labels, np.nan) if scores is None else taught_by(scores, parts.training)
    tell(f"a teacher speaks of {int((~np.isnan(taught)).any(axis=1).sum())} of {len(images)} training images")
    rows = _deciding(parts.validation, dict(search.only))
    tell(f"choosing by the mean AUROC of {int(rows.sum())} validation images")
    best: tuple[float, LinearHead, str] | None = None
    for words, head in _candidates(search, network, trained, images.labels, taught, scores is not None):
        value = mean_auroc(held.labels[rows], head.logits(validated[rows]))
        everywhere = mean_auroc(held.labels, head.logits(validated))
        tell(f"{words}: mean AUROC {value:.4f} (all rows: {everywhere:.4f})")
        if best is None or value > best[0]:
            best = value, head, words
    if best is None or not np.isfinite(best[0]):
        raise TrainingError(
            "The validation rows that are to decide have both classes of no finding.", "Let more rows decide."
        )
    _, head, words = best
    tell(f"chosen: {words}")
    network.get_layer("logits").set_weights([head.kernel, head.bias])
    record = training_record(recipe, parts, count_patients(parts.training), command, [1] * len(recipe.stages), "")
    summary = f"head in closed form at {stage.size} px ({words}), on the trunk of the preset {start.name}"
    card = replace(record, summary=summary)
    return finish(network, out, name=out.name, recipe=recipe, parts=parts, record=card, tell=tell)


def mean_auroc(labels: Floats, logits: Floats) -> float:
    """Mean AUROC over the findings that have both classes; NaN where none has."""
    found = [auroc(labels[:, k], logits[:, k]) for k in range(labels.shape[1])]
    values = [each.value for each in found if each is not None]
    return float(np.mean(values)) if values else float("nan")


def _candidates(
    search: Search, network: keras.Model, trained: Floats, labels: Floats, taught: Floats, has_teacher: bool
) -> Iterator[tuple[str, LinearHead]]:
    """Every head to try, with the words that say which it is."""
    own = LinearHead(*network.get_layer("logits").get_weights())
    if any(keep < 1 for keep in search.keeps):
        for alpha, share in product(search.alphas, search.shares if has_teacher else (0.0,)):
            solved = fit_linear_head(trained, labels, taught, alpha=alpha, teacher_share=share)
            for keep in search.keeps:
                words = f"penalty {alpha:g}, teacher's share {share:g}"
                if keep == 0:
                    yield words, solved
                elif keep < 1:
                    yield f"{words}, the start's share {keep:g}", blended(own, solved, keep, trained)
    if 1 in search.keeps:
        yield "the start's own outputs", own


def _deciding(validation: Sequence[Manifest], only: dict[str, str]) -> npt.NDArray[np.bool_]:
    chosen = []
    for manifest in validation:
        rows = np.ones(len(manifest), dtype=np.bool_)
        for column, value in only.items():
            if column not in manifest.table.columns:
                rows[:] = False
            else:
                rows &= manifest.table[column].to_numpy(dtype=np.str_) == value
        chosen.append(rows)
    return np.concatenate(chosen)


def _nothing() -> None:
    pass

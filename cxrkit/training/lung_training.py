"""Training of the lung network from radiographs and their lung masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
from keras import ops

from cxrkit.errors import ManifestError, RadiographError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.preprocessing import standardise, to_square
from cxrkit.lung_card import LungCard, Overlap, save_card
from cxrkit.model.checkpoints import save_weights
from cxrkit.model.lung_network import OUTPUT, build_lung_network
from cxrkit.model.lungs import SIDE, LungFinder, lung_mask
from cxrkit.preset_folders import file_sha256

Floats = npt.NDArray[np.float32]
Tell = Callable[[str], None]
WEIGHTS_FILE = "lungs.weights.h5"
SHARES = {"test": 0.2, "val": 0.1}
LIMITS = (
    "Adults only, of two sets that screened for tuberculosis: children, lines and tubes, and lungs that an effusion or "
    "a consolidation hides were not drawn in what it learned from.",
    "The lungs behind the heart and the diaphragm are not part of the masks, and so not of what it finds.",
)


def part_of(patient: str) -> str:
    """``"test"``, ``"val"`` or ``"train"`` of a patient: by a sum of its name, so that it never moves."""
    place = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:4], "big") / 2**32
    return "test" if place < SHARES["test"] else "val" if place < sum(SHARES.values()) else "train"


def read_pairs(table: Path) -> tuple[pd.DataFrame, Floats, npt.NDArray[np.uint8]]:
    """The rows of a table of radiographs and masks, and both as squares.

    Parameters
    ----------
    table
        CSV with the columns ``image``, ``mask``, ``dataset`` and ``patient_id``; files are sought beside it.

    Returns
    -------
    rows : n rows, with the column ``part`` (`part_of`)
    squares : (n, 128, 128) float32 in 0..1
    masks : (n, 128, 128) uint8, 0 or 1

    Raises
    ------
    ManifestError
        A column is missing, or a file cannot be read.
    """
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        raise ManifestError("The table of lung masks cannot be read.", "Give a CSV file.") from None
    if missing := {"image", "mask", "dataset", "patient_id"} - set(rows.columns):
        raise ManifestError(f"The table of lung masks has no column {', '.join(sorted(missing))}.", "Add it.")
    rows["part"] = [part_of(patient) for patient in rows["patient_id"]]
    squares, masks = [], []
    for number, (image, mask) in enumerate(zip(rows["image"], rows["mask"], strict=True), start=2):
        try:
            pair = [load_radiograph(table.parent / name).pixels for name in (image, mask)]
        except RadiographError as error:
            message = f"The radiograph or the mask in row {number} of the table cannot be read. {error.message}"
            raise ManifestError(message, error.remedy) from error
        picture, drawn = (to_square(pixels, "squash", SIDE) for pixels in pair)
        squares.append(picture)
        masks.append(drawn >= 0.5)
    return rows, np.stack(squares), np.stack(masks).astype(np.uint8)


def dice(found: npt.NDArray[np.bool_], drawn: npt.NDArray[np.bool_]) -> float:
    """Dice coefficient of two masks, 2 |A and B| / (|A| + |B|); 1 when both are empty."""
    total = int(found.sum()) + int(drawn.sum())
    return 2 * int((found & drawn).sum()) / total if total else 1.0


def train_lungs(
    table: Path, out: Path, *, epochs: int, seed: int, command: str, version: str, data: tuple[str, ...], tell: Tell
) -> LungCard:
    """Train the lung network, keep the epoch with the best Dice on validation, and measure that once on test.

    Returns
    -------
    LungCard
        Written beside the weights into `out`.

    Raises
    ------
    ManifestError
        See `read_pairs`.
    """
    rows, squares, masks = read_pairs(table)
    part = rows["part"].to_numpy(dtype=np.str_)
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    network = build_lung_network()
    train = np.flatnonzero(part == "train")
    batch, steps = 16, len(train) // 16
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * steps)
    network.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss=_loss, jit_compile=False)
    out.mkdir(parents=True, exist_ok=True)
    best = -1.0
    for epoch in range(1, epochs + 1):
        order = random.permutation(train)
        losses = []
        for step in range(steps):
            pairs = [_changed(squares[k], masks[k], random) for k in order[step * batch : (step + 1) * batch]]
            x = standardise(np.stack([square for square, _ in pairs]), "sample-standard")[..., :1]
            losses.append(float(network.train_on_batch(x, np.stack([mask for _, mask in pairs])[..., None])))
        scored = _dices(network, squares[part == "val"], masks[part == "val"])
        tell(f"epoch {epoch}/{epochs}: loss {np.mean(losses):.4f}, validation Dice {np.mean(scored):.4f}")
        if np.mean(scored) > best:
            best = float(np.mean(scored))
            save_weights(network, out / WEIGHTS_FILE, [OUTPUT])
    card = LungCard(
        version=version,
        weights_file=WEIGHTS_FILE,
        weights_sha256=file_sha256(out / WEIGHTS_FILE),
        data=data,
        images=len(train),
        validation_images=int((part == "val").sum()),
        command=command,
        overlaps=(),
        limits=LIMITS,
    )
    finder = LungFinder(card, out)  # the file as it ships is what is measured
    overlaps = []
    for split in ("val", "test"):
        for name in sorted(set(rows["dataset"])):
            chosen = np.flatnonzero((part == split) & (rows["dataset"] == name).to_numpy())
            if len(chosen):
                each = [dice(finder.find(squares[k]), masks[k] > 0) for k in chosen]
                overlaps.append(Overlap(name, split, len(each), float(np.mean(each)), float(np.quantile(each, 0.1))))
                tell(f"{name}, {split}, n = {len(each)}: Dice {overlaps[-1].dice:.4f}")
    card = replace(card, overlaps=tuple(overlaps))
    save_card(card, out)
    return card


def _loss(drawn: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Binary cross-entropy and one minus the soft Dice coefficient of each image."""
    drawn = ops.cast(drawn, "float32")
    entropy = ops.mean(keras.losses.binary_crossentropy(drawn, logits, from_logits=True))
    found = ops.sigmoid(logits)
    overlap = 2 * ops.sum(found * drawn, axis=(1, 2, 3)) + 1
    return entropy + ops.mean(1 - overlap / (ops.sum(found, axis=(1, 2, 3)) + ops.sum(drawn, axis=(1, 2, 3)) + 1))


def _dices(network: keras.Model, squares: Floats, masks: npt.NDArray[np.uint8]) -> list[float]:
    logits = network.predict_on_batch(standardise(squares, "sample-standard")[..., :1])[..., 0]
    return [dice(lung_mask(each), drawn > 0) for each, drawn in zip(logits, masks, strict=True)]


def _changed(
    square: Floats, mask: npt.NDArray[np.uint8], random: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """A pair turned, shifted, scaled and mirrored alike; the picture is exposed otherwise, too, and veiled in places.

    The veils stand for consolidation and effusion, behind which a lung is still a lung.
    """
    angle, shift = np.deg2rad(random.uniform(-15, 15)), random.uniform(-0.12, 0.12, 2) * SIDE
    zoom = np.exp(random.uniform(-0.35, 0.3, 2) * [1, 1])
    sign = -1.0 if random.random() < 0.5 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([sign * zoom[0], zoom[1]])
    centre = np.array([(SIDE - 1) / 2, (SIDE - 1) / 2])
    affine = np.hstack([linear, (centre + shift - linear @ centre)[:, None]])
    border = cv2.BORDER_CONSTANT if random.random() < 0.5 else cv2.BORDER_REPLICATE
    picture = cv2.warpAffine(square, affine, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=border)
    drawn = cv2.warpAffine(mask, affine, (SIDE, SIDE), flags=cv2.INTER_NEAREST, borderMode=border)
    veil = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(random.integers(0, 4))):
        at = tuple(int(v) for v in random.uniform(0, SIDE, 2))
        size = tuple(int(v) for v in random.uniform(6, 36, 2))
        cv2.ellipse(veil, at, size, float(random.uniform(0, 180)), 0, 360, float(random.uniform(0.1, 0.7)), -1)
    veil = cv2.GaussianBlur(veil, (0, 0), 6)
    picture = picture + veil * (np.float32(0.85) - picture)
    picture = np.clip((picture - 0.5) * np.exp(random.uniform(-0.4, 0.4)) + 0.5 + random.uniform(-0.15, 0.15), 0, 1)
    picture = picture ** np.exp(random.uniform(-0.4, 0.4))
    picture = picture + random.standard_normal(picture.shape) * random.uniform(0, 0.04)
    return np.clip(picture, 0, 1).astype(np.float32), drawn

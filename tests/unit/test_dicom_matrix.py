"""One phantom in every transfer syntax, polarity, depth, sign and display transformation: always the same picture."""

import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from cxrkit.imaging import isolated
from cxrkit.imaging.dicom import DECODERS, UNCOMPRESSED
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom
from tests.dicom_encoders import NAMES, write

PICTURE = phantom(0, 80).pixels
DEPTHS = (8, 10, 12, 14, 16)
UNSIGNED_ALONE = {"1.2.840.10008.1.2.4.50": (8,), "1.2.840.10008.1.2.4.51": (8, 10, 12)}
"""Processes of JPEG with a discrete cosine transform, and the depths that they hold (PS3.5 A.4.1)."""


def voi_lut(lowest: int, bits: int, order: str) -> dict[str, object]:
    """A curve over all stored values; the same VR as the pixels' (PS3.3 C.11.2.1.1), 2^16 entries written as 0."""
    item = Dataset()
    entries = 2**bits % 2**16
    kind = "SS" if lowest < 0 else "US"
    item.add(
        DataElement(
            "LUTDescriptor", kind, [entries - 2**16 if kind == "SS" and entries >= 2**15 else entries, lowest, 12]
        )
    )
    item.LUTData = curve(bits).astype(f"{order}u2").tobytes()
    return {"VOILUTSequence": [item]}


def curve(bits: int) -> np.ndarray:
    return np.rint(4095 * (np.arange(2**bits) / (2**bits - 1)) ** 0.7)


def displays(stored: np.ndarray, lowest: int, bits: int, order: str) -> dict[str, tuple[dict[str, object], np.ndarray]]:
    """Per display transformation the attributes, and what PS3.3 C.11.2 makes of the stored values, in 0..1."""
    full = 2**bits - 1
    x = stored.astype(float)
    centre, width = lowest + round(0.45 * full), round(0.7 * full)
    window = {"WindowCenter": centre, "WindowWidth": width}
    return {
        "none": ({}, (x - x.min()) / np.ptp(x)),
        "window": (window, np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)),
        "exact": (window | {"VOILUTFunction": "LINEAR_EXACT"}, np.clip((x - centre) / width + 0.5, 0, 1)),
        "sigmoid": (window | {"VOILUTFunction": "SIGMOID"}, 1 / (1 + np.exp(-4 * (x - centre) / width))),
        "VOI LUT": (voi_lut(lowest, bits, order), curve(bits)[stored - lowest] / 4095),
    }


def test_every_syntax_that_is_read_is_in_the_matrix():
    assert {str(uid) for uid in (*UNCOMPRESSED, *DECODERS)} == set(NAMES)


@pytest.fixture
def each_codestream_once(monkeypatch):
    """What a process of its own decodes is asked once of it: the displays of a picture share their codestream."""
    run, known = subprocess.run, {}

    def once(words, *, input, **options):
        key = tuple(words), input
        if key not in known:
            known[key] = run(words, input=input, **options)
        return known[key]

    monkeypatch.setattr(isolated, "subprocess", SimpleNamespace(run=once, TimeoutExpired=subprocess.TimeoutExpired))


@pytest.mark.usefixtures("each_codestream_once")
@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize("syntax", NAMES, ids=NAMES.get)
def test_the_phantom_reads_back(syntax, bits):
    if bits not in UNSIGNED_ALONE.get(syntax, DEPTHS):
        return
    order, failed = ">" if "big" in NAMES[syntax] else "<", []
    for signed in (False,) if syntax in UNSIGNED_ALONE else (False, True):
        lowest = -(2 ** (bits - 1)) if signed else 0
        for photometric in ("MONOCHROME1", "MONOCHROME2"):
            levels = np.rint(PICTURE * (2**bits - 1)).astype(np.int64)
            if (
                "near" in NAMES[syntax]
            ):  # an error of 1 turns the least signed value into the greatest: encoders keep off
                levels = levels.clip(1, 2**bits - 2)
            stored = (levels if photometric == "MONOCHROME2" else 2**bits - 1 - levels) + lowest
            for name, (attributes, shown) in displays(stored, lowest, bits, order).items():
                expected = shown if photometric == "MONOCHROME2" else 1 - shown
                data = write(stored, syntax, bits, {"PhotometricInterpretation": photometric, **attributes})
                got = load_radiograph(data).pixels
                correlation = np.corrcoef(got.ravel(), expected.ravel())[0, 1]
                if correlation <= 0.999 or abs(got - expected).mean() > 0.01:
                    failed.append((photometric, "signed" if signed else "unsigned", name, round(correlation, 5)))
    assert not failed

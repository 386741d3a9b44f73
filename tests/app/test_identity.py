"""A file whose every text attribute names a patient: the name is found nowhere after it was read, or refused."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.datadict import DicomDictionary
from streamlit.testing.v1 import AppTest

from cxrkit.dashboard.services import readings
from cxrkit.errors import CxrError
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom_dicom
from cxrkit.model.manager import XRayModelManager
from cxrkit.preset import Preset
from tests.app.conftest import page_text
from tests.conftest import REPOSITORY

MARKER = "ZQXJANE"
# A value per kind of text (PS3.5 6.2) that its kind allows and that no picture needs.
VALUES = {
    **dict.fromkeys(("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "CS"), MARKER),
    "AS": "047Y",
    "DA": "19471103",
    "DT": "19471103114711",
    "TM": "114711",
    "UI": "1.2.826.4711.4711.4711",
}
SIGNS = (MARKER, "19471103", "114711", "4711.4711", "047Y")
NEEDED = (
    "SpecificCharacterSet", "SOPClassUID", "PhotometricInterpretation", "VOILUTFunction", "PresentationLUTShape",
    "Modality", "PatientSex", "ViewPosition", "PixelDataProviderURL",
)  # fmt: skip


def named_patient(size: int = 256) -> bytes:
    """Every attribute of the data dictionary that holds text: a superset of PS3.15 table E.1-1."""
    attributes = {
        keyword: VALUES[vr]
        for tag, (vr, _, _, _, keyword) in DicomDictionary.items()
        if vr in VALUES and keyword and tag >> 16 >= 8 and keyword not in NEEDED
    }
    assert len(attributes) > 1500
    assert {"PatientName", "PatientBirthDate", "AccessionNumber", "InstitutionAddress", "DeviceSerialNumber"} <= set(
        attributes
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of values that are no standard ones
        return phantom_dicom(size=size, attributes=attributes)


def texts(thing: Any, seen: set[int] | None = None) -> Iterator[str]:
    """All text that can be reached from an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, bytes):
        yield thing.decode("latin-1")
    elif isinstance(thing, np.ndarray):
        yield thing.tobytes().decode("latin-1")
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from texts(key, seen)
            yield from texts(value, seen)
    elif isinstance(thing, list | tuple | set | frozenset):
        for value in thing:
            yield from texts(value, seen)
    elif dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from texts(getattr(thing, field.name), seen)
    elif hasattr(thing, "__dict__"):
        yield from texts(vars(thing), seen)


def free_of_identity(*things: Any) -> None:
    found = {sign for text in texts(list(things)) for sign in SIGNS if sign in text}
    assert not found


def temporary_files() -> dict[Path, float]:
    folder = Path(tempfile.gettempdir())
    return {
        path: path.stat().st_mtime
        for path in folder.iterdir()
        if path.is_file() and os.access(path, os.R_OK) and path.stat().st_size < 2**25
    }


def test_the_file_is_full_of_it() -> None:
    text = named_patient().decode("latin-1")
    assert all(text.count(sign) > (sign != "047Y") * 5 for sign in SIGNS)


def test_nothing_of_a_patient_is_kept_by_the_page(
    app: AppTest, upload: Callable[[AppTest, bytes, str], AppTest], caplog: pytest.LogCaptureFixture
) -> None:
    before = temporary_files()
    with caplog.at_level(logging.DEBUG):
        upload(app, named_patient(), f"{MARKER}_19471103.dcm")
    assert not app.exception
    radiograph = app.session_state["films"][0].radiograph
    assert radiograph.source_format == "DICOM"
    assert radiograph.age_band == "45-64"  # a band, of the age in the file
    state = {key: app.session_state[key] for key in app.session_state}
    downloads = [element.proto.SerializeToString() for element in app.get("download_button")]
    elements = [element.proto.SerializeToString() for element in app.main if element.proto is not None]
    free_of_identity(state, page_text(app), caplog.text, downloads, elements)
    for path, changed in temporary_files().items():
        if before.get(path) != changed:
            free_of_identity(path.name, path.read_bytes())


def test_nothing_of_a_patient_is_in_a_reading(tiny_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        radiograph = load_radiograph(named_patient())
        reading = XRayModelManager(Preset.load(tiny_folder / "tiny")).read(radiograph)
        written = readings.reading_json(reading), readings.download_name(reading, ".json")
    assert json.loads(written[0])["findings"]
    free_of_identity(radiograph, reading, written, caplog.text)


def test_nothing_of_a_patient_is_logged_by_a_process_of_its_own() -> None:
    """pydicom sets the level of its logger when it is imported, which is when the first DICOM file comes."""
    code = (
        "import logging, sys; logging.basicConfig(level=logging.DEBUG)\n"
        "from cxrkit.imaging.loading import load_radiograph\n"
        "print(load_radiograph(sys.stdin.buffer.read()).notes)"
    )
    data = named_patient(64).replace(
        b"1.2.840.10008.5.1.4.1.1.1.1\0", (MARKER + "_1.2.840.10008.5.1.").encode() + b"\0" * 2
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=60, cwd=REPOSITORY)
    assert done.stdout or b"CxrError" in done.stderr or b"cxrkit.errors" in done.stderr
    free_of_identity(done.stdout, done.stderr)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_nothing_of_a_patient_is_in_an_error(share: float, caplog: pytest.LogCaptureFixture) -> None:
    data = named_patient(64)
    damaged = [data[: int(share * len(data))], data.replace(b"MONOCHROME2 ", MARKER.encode().ljust(12))]
    damaged.append(data.replace(b"1.2.840.10008.1.2.1\0", (MARKER + "_1.2.840.10008")[:19].encode() + b"\0"))
    with caplog.at_level(logging.DEBUG):
        for one in damaged:
            with pytest.raises(CxrError) as refused:
                load_radiograph(one, name=f"{MARKER}.dcm")
            free_of_identity("".join(traceback.format_exception(refused.value)).replace(str(Path.cwd()), ""))
    free_of_identity(caplog.text)

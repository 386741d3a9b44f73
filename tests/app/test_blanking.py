"""The field that blanks text: what it proposes, what the reader places, and what is black afterwards."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from cxrkit.charts import overlay
from cxrkit.dashboard.services import models
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph
from cxrkit.imaging.phantom import phantom
from cxrkit.reading import Box, Explanation
from cxrkit.serving.batch import read_file
from tests.app.conftest import field
from tests.app.test_read import Upload, button
from tests.lettering import ink_of, lettered

SIDE = 1024


def named(text: str = "DOE JANE 1947", size: int = 20) -> np.ndarray:
    levels = np.rint(phantom(0, SIDE).pixels * 255).astype(np.uint8)
    levels[960:] = 5  # the phantom's own letters
    if text:
        levels = lettered(levels, ink_of(levels.shape, text, size, "pillow", 20, 40 + size), 255)
    return levels


def named_png(text: str = "DOE JANE 1947", size: int = 20) -> bytes:
    return cv2.imencode(".png", named(text, size))[1].tobytes()


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def shown(app: AppTest) -> np.ndarray:
    """The radiograph in the viewer, without maps."""
    return picture(json.loads(app.get("plotly_chart")[0].proto.spec)["layout"]["images"][0]["source"])


def refused(app: AppTest) -> np.ndarray:
    """The picture that stands in place of a reading."""
    (uri,) = (
        found[1] for h in app.get("html") if (found := re.search('class="cx-refused" src="([^"]+)"', h.proto.body))
    )
    return picture(uri)


def test_suspected_text_is_blanked_until_the_reader_says_otherwise(app: AppTest, upload: Upload) -> None:
    upload(app, named_png(), "a.png")
    assert not app.exception
    assert app.toggle(key=field(app, "blank_suspected")).label == "Blank the suspected text (1)"
    assert app.toggle(key=field(app, "blank_suspected")).value is True
    assert shown(app)[40:65, 20:150].max() < 40
    app.toggle(key=field(app, "blank_suspected")).set_value(False).run()
    assert shown(app)[40:65, 20:150].max() > 200


def test_a_picture_that_is_refused_is_blanked_alike(app: AppTest, upload: Upload) -> None:
    """A screenshot, or another kind of image, may name a patient as well as a radiograph does."""
    upload(app, write_dicom(named(), bits_stored=8, attributes={"Modality": "CT"}), "a.dcm")
    assert not app.exception
    assert button(app, "Show the reading all the same").label
    assert app.toggle(key=field(app, "blank_suspected")).label == "Blank the suspected text (1)"
    assert refused(app)[40:65, 20:150].max() < 40
    app.toggle(key=field(app, "blank_suspected")).set_value(False).run()
    assert refused(app)[40:65, 20:150].max() > 200
    button(app, "Show the reading all the same").click().run()
    assert shown(app)[40:65, 20:150].max() > 200  # one choice for the picture, wherever it is shown


def test_a_box_of_the_readers_own_lasts_for_this_radiograph_only(app: AppTest, upload: Upload) -> None:
    upload(app, named_png(""), "a.png")
    assert app.toggle(key=field(app, "blank_suspected")).disabled
    assert shown(app)[500:600, 500:600].min() > 40
    app.toggle(key=field(app, "blank_own")).set_value(True).run()
    app.slider(key=field(app, "blank_across")).set_value((50, 60)).run()
    app.slider(key=field(app, "blank_down")).set_value((50, 60)).run()
    assert shown(app)[520:610, 520:610].max() < 10
    app.switch_page("pages/model_info.py").run()
    app.switch_page("pages/read.py").run()
    assert shown(app)[520:610, 520:610].max() < 10  # a box does not vanish while nobody looks
    upload(app, named_png(), "b.png")
    assert app.toggle(key=field(app, "blank_own")).value is False
    assert shown(app)[520:610, 520:610].max() > 40


def test_large_letters_are_black_in_thumbnails_too(app: AppTest, upload_all: Callable[..., AppTest]) -> None:
    """They can be read at 96 pixels, and at the 72 of a batch's rows."""
    upload_all(app, named_png(size=60), named_png(""))
    html = " ".join(h.proto.body for h in app.get("html"))
    lettered_one, plain = map(picture, re.findall(r'<img src="([^"]+)" alt="">', html))
    assert plain[3:10, 2:58].max() > 60
    assert lettered_one[3:10, 2:58].max() < 40
    row = read_file(models.manager(models.presets()["single"]), 1, named_png(size=60), load_radiograph)
    assert picture(row.thumbnail)[3:7, 2:43].max() < 40
    bare = overlay.small(overlay.display_copy(load_radiograph(named_png(size=60)), 72), 72)
    assert np.asarray(bare)[3:7, 2:43].max() > 180


def test_letters_of_the_phantom_stay(app: AppTest) -> None:
    button(app, "Synthetic phantom").click().run()
    assert app.toggle(key=field(app, "blank_suspected")).value is False
    assert app.toggle(key=field(app, "blank_suspected")).label == "Blank the suspected text (1)"


def test_the_saved_picture_is_black_there_under_any_map() -> None:
    copy = overlay.display_copy(load_radiograph(named_png()))
    blank = overlay.blank(copy, (Box(10, 30, 210, 70), Box(-5, 900.5, 2000, 1030)))
    assert (blank.levels[30:70, 10:210] == 0).all()
    assert (blank.levels[900:] == 0).all()
    assert (blank.levels[70:900] == copy.levels[70:900]).all()
    assert copy.levels[30:70, 10:210].max() > 200  # the copy itself is left alone
    everywhere = Explanation("Mass", "gradcam", "last", np.ones((2, 2), np.float32), Box(0, 0, SIDE, SIDE), 1.0)
    saved = overlay.overlay_png(blank, everywhere, ["1 box"], overlay.Look(opacity=1.0, contour=False))
    picture = np.asarray(Image.open(io.BytesIO(saved)))
    assert (picture[30:70, 10:210] == 0).all()
    assert picture[71, 10:210].min(axis=0).max() > 0
    assert overlay.blank(copy, ()) is copy

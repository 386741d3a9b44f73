"""``python -m tests.killed_scoring FOLDER OUT SECONDS``: score a folder with a model of no weights, to be killed.

Every batch takes SECONDS, so that there is time for it. Also what a worker of a cluster loads in the tests.
"""

import sys
from pathlib import Path

from cxrkit.serving.scoring import here, score
from cxrkit.serving.scoring_pipeline import How
from cxrkit.serving.scoring_sources import SourceSpec
from tests.scoring_model import PixelModel, preset

HOW = How(batch=2, decoders=2, trusted=True)


def main(folder, out, seconds):
    source = SourceSpec(folder)
    score(source, Path(out), preset(), here(lambda: PixelModel(float(seconds)), source, HOW), how=HOW, part=5)


if __name__ == "__main__":
    main(*sys.argv[1:])

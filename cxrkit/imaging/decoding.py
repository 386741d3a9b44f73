"""What the process that decodes a file sends back: the radiograph, and what was found in its pixels on that occasion.

Finding text takes hundreds of short steps in Python. In the process that serves readers they would wait for one
another's turn at the interpreter's lock; the decoding process has one of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxrkit.imaging import derived, quality
from cxrkit.imaging.alternatives import Alternatives
from cxrkit.quality import QualityIssue
from cxrkit.radiograph import Radiograph
from cxrkit.reading import Box

MOST_BOXES = 1000


@dataclass(frozen=True, eq=False)
class Decoding:
    """A decoded file. What is known of its pixels is handed to the radiograph, so that nobody looks again.

    Attributes
    ----------
    radiograph, alternatives
        As `cxrkit.imaging.loading.load_with_alternatives` gives them.
    working
        The working copy, None where the radiograph is its own.
    text
        Boxes of suspected text.
    issues
        What the pixels say against the picture.

    Raises
    ------
    ValueError
        They do not belong together.
    """

    radiograph: Radiograph
    alternatives: Alternatives | None
    working: npt.NDArray[np.float32] | None
    text: tuple[Box, ...]
    issues: tuple[QualityIssue, ...]

    def __post_init__(self) -> None:
        shape = derived.working_shape(self.radiograph.height, self.radiograph.width)
        if (None if self.working is None else self.working.shape) != shape or len(self.text) > MOST_BOXES:
            raise ValueError("what was found is not of this radiograph")
        if self.working is not None and not (self.working.min() >= 0 and self.working.max() <= 1):
            raise ValueError("a working copy must be finite and lie in 0..1")
        derived.know(self.radiograph, self.working, self.text)
        quality.know(self.radiograph, self.issues)

    @classmethod
    def of(cls, radiograph: Radiograph, alternatives: Alternatives | None = None) -> Decoding:
        """Look at a radiograph's pixels."""
        working = derived.working_copy(radiograph)
        return cls(
            radiograph,
            alternatives,
            None if working is radiograph.pixels else working,
            derived.suspected_text(radiograph),
            quality.by_pixels(radiograph),
        )

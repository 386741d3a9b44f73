"""Lossless and 12-bit JPEG through GDCM, in a process of its own.

Only GDCM decodes these under a free licence, and on some damaged input it ends the whole process
(an uncaught C++ exception, found by fuzzing). So a child decodes the one frame, with bounded time
and memory; what it writes to its error stream is where the decoder admits damage that it conceals
in its result.

The module has the shape of a pydicom decoder plug-in, so that pydicom prepares the frame and
interprets the bytes as for its own plug-ins; `cxrkit.imaging.dicom` registers it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from cxrkit.imaging.confinement import environment
from cxrkit.imaging.decode import decoder_absent

CHILD = Path(__file__).with_name("gdcm_child.py")
SECONDS = 45  # 100 million pixels of pure noise took 36 s on two old, busy cores
NOT_INSTALLED = 3  # exit status of the child that could not import GDCM
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")

# libjpeg's words for codes that do not belong to the picture; it goes on with invented values
ADMISSIONS = (b"bad Huffman code", b"premature end of data segment")

DECODER_DEPENDENCIES = {syntax: ("python-gdcm>=3.0.10",) for syntax in (JPEG_EXTENDED, *JPEG_LOSSLESS)}


def is_available(uid: str) -> bool:
    """Whether a transfer syntax is decoded here; part of pydicom's plug-in protocol."""
    return str(uid) in DECODER_DEPENDENCIES


def decode_frame(frame: bytes, runner: Any) -> bytes:
    """Decode one frame.

    Parameters
    ----------
    frame
        The codestream, whose own size is known to be that of the DICOM header.
    runner
        pydicom's ``DecodeRunner``: rows, columns, bits and the transfer syntax. Its option
        ``refusals`` is a list to which an `UnsupportedFormat` is appended before it is raised,
        because pydicom replaces whatever a plug-in raises by an error of its own.

    Returns
    -------
    Pixel values, little endian, row by row.

    Raises
    ------
    ValueError
        The codestream is damaged.
    UnsupportedFormat
        GDCM is not installed.
    """
    syntax = str(runner.transfer_syntax)
    # the codestream of JPEG Extended has 12 bits, whatever part of them the file uses
    stored = 12 if syntax == JPEG_EXTENDED and runner.bits_stored > 8 else runner.bits_stored
    numbers = (runner.rows, runner.columns, runner.samples_per_pixel, runner.bits_allocated, stored)
    planar = runner.planar_configuration if runner.samples_per_pixel > 1 else 0
    words = [*map(str, (*numbers, runner.pixel_representation, planar)), str(runner.photometric_interpretation), syntax]
    try:
        # -P keeps this folder off the child's path; -I would also hide what was installed for the user alone
        done = subprocess.run(
            [sys.executable, "-P", str(CHILD), *words],
            input=frame,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        raise ValueError("the decoder did not finish") from None
    if done.returncode == NOT_INSTALLED:
        refusal = decoder_absent("python-gdcm")
        runner.get_option("refusals", []).append(refusal)
        raise refusal
    expected = runner.rows * runner.columns * runner.samples_per_pixel * runner.bits_allocated // 8
    if done.returncode or len(done.stdout) != expected or any(words in done.stderr for words in ADMISSIONS):
        raise ValueError("the codestream is damaged")
    return done.stdout

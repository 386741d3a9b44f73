"""What the file system refuses while a data set is read, as one error without a path."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cxrkit.errors import ManifestError


@contextmanager
def reading() -> Iterator[None]:
    """Around all that asks for files of a data set: a folder may be closed to us, a name impossible.

    Raises
    ------
    ManifestError
        In place of any ``OSError``.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ManifestError(
                "A file or folder is named by more characters than a name may have.",
                "Check the column of images, and shorten long names.",
            ) from None
        raise ManifestError(
            "A file or folder of the data set cannot be opened.",
            "Check that you may enter all of its folders and read all of its files.",
        ) from None

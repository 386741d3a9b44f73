"""The dashboard, with a line to ask it what it holds: ``python watched_server.py PORT``.

A line ``MARKER SHA256 ROWS COLUMNS`` on standard input is answered by one line of JSON about everything that can be
reached from Python in this process: dataclasses of a patient, arrays of the picture's shape, text and bytes that
contain the marker or the sum, and what Streamlit's file managers hold; and by the files that were opened to be written.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
WRITTEN: list[str] = []
PATIENTS = {"Radiograph", "Reading", "DisplayCopy", "Explanation", "Alternatives", "UploadedFile", "UploadedFileRec"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def watch_files(event: str, details: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(details[2], int) and details[2] & WRITING:
        path = details[0] if isinstance(details[0], str) else repr(details[0])
        if not path.startswith(("/dev/null", "/proc/self")):
            WRITTEN.append(path)


def everything() -> list[Any]:
    """Each object that the collector knows, and what it refers to: by themselves it knows no arrays, text or bytes."""
    gc.collect()
    gc.unfreeze()  # else it does not tell what the dashboard exempted from collection
    known = gc.get_objects()
    seen = {id(one): one for one in known}
    for one in known:
        for other in gc.get_referents(one):
            seen.setdefault(id(other), other)
    return list(seen.values())


def report(question: str) -> dict[str, Any]:
    import numpy as np
    from streamlit.runtime import get_instance

    words = question.split()
    rows, columns = int(words[2]), int(words[3])
    signs = (words[0], words[1], words[1][:8])
    found: Counter[str] = Counter()
    for one in everything():
        kind = type(one)
        if kind.__name__ in PATIENTS and kind.__module__.startswith(("cxrkit", "streamlit")):
            found[kind.__name__] += 1
        elif isinstance(one, np.ndarray):
            found["array"] += one.shape[:2] == (rows, columns)
        elif isinstance(one, str):
            found["text"] += one not in (question, *signs) and any(sign in one for sign in signs)
        elif isinstance(one, bytes | bytearray):
            found["bytes"] += any(sign.encode() in one for sign in signs)
    runtime = get_instance()
    media: Any = runtime.media_file_mgr
    files: Any = runtime.uploaded_file_mgr
    return {
        "objects": {kind: count for kind, count in found.items() if count},
        "media": len(media._storage._files_by_id),
        "deferred": len(media._deferred_callables),
        "uploads": sum(map(len, files.file_storage.values())),
        "written": WRITTEN,
    }


def answer(out: TextIO) -> None:
    for line in sys.stdin:
        print(json.dumps(report(line)), file=out, flush=True)


def main() -> None:
    from streamlit.web import bootstrap

    port = int(sys.argv[1])
    sys.addaudithook(watch_files)
    threading.Thread(target=answer, args=(sys.stdout,), daemon=True).start()
    os.chdir(ROOT)
    options = {"server.port": port, "server.address": "127.0.0.1", "server.headless": True}
    bootstrap.load_config_options({name.replace(".", "_"): value for name, value in options.items()})
    with contextlib.redirect_stdout(sys.stderr):
        bootstrap.run("streamlit_app.py", False, [], {})


if __name__ == "__main__":
    main()

"""Untrusted files in processes of their own: the same pictures, and whatever happens there ends there."""

import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cxrkit import errors
from cxrkit.dashboard.entry import incident
from cxrkit.errors import CorruptFile, CxrError, DisplayUnknown, Overloaded, TooLarge, UnsupportedFormat
from cxrkit.imaging import channel, derived, quality, worker, worker_process
from cxrkit.imaging.alternatives import Alternatives
from cxrkit.imaging.channel import Channel, Malformed
from cxrkit.imaging.confinement import environment
from cxrkit.imaging.decoding import Decoding
from cxrkit.imaging.dicom_writing import write_dicom
from cxrkit.imaging.loading import load_radiograph, load_with_alternatives
from cxrkit.imaging.messages import plain, record
from cxrkit.imaging.phantom import phantom_dicom, phantom_png
from cxrkit.imaging.worker import Pool, load_untrusted
from cxrkit.imaging.worker_process import WorkerDefect
from cxrkit.imaging.worker_timing import compare
from cxrkit.radiograph import Radiograph
from tests.lossless_jpeg import lossless_dicom
from tests.unit.test_containers import zipped

SMOOTH = np.add.outer(900 * np.arange(64), 7 * np.arange(50)).astype(np.uint16)
PNG = phantom_png(0, 64)

# A child that does as the file says: what a decoder might do, and what one might do that a file has taken over.
OBEDIENT = """
import json, os, re, signal, sys
import numpy as np
from cxrkit.errors import DisplayUnknown
from cxrkit.imaging import channel, worker_child

real, channel.MOST_HEAD, worker_child.prepare = worker_child.load_radiograph, 2**30, lambda: None

def load(data, *, name=""):
    if data == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if data == b"loop":
        re.match("(a+)+$", "a" * 60 + "b")  # in native code, with the interpreter's lock held
    if data == b"defect":
        raise ValueError("DOE^JANE")
    if data == b"print":
        os.write(1, b"decoders print") and os.write(2, b"DOE^JANE")
        raise DisplayUnknown("It printed\\x07.", f"As {name} does.")
    return real(data, name=name)

def answer(data, *wanted):
    if not data.startswith(b"say "):
        return obey(data, *wanted)
    head, sizes = json.loads(data[4:])
    return head, [np.full(size, np.nan, np.float32) for size in sizes]

obey, worker_child.answer, worker_child.load_radiograph = worker_child.answer, answer, load
sys.exit(worker_child.main())
"""


def running(code: str) -> tuple[str, ...]:
    return sys.executable, "-P", "-c", code


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(command=running(OBEDIENT))
    yield made
    made.close()


def same(one: Radiograph, other: Radiograph) -> bool:
    np.testing.assert_array_equal(one.pixels, other.pixels)
    fields = [field.name for field in dataclasses.fields(Radiograph) if field.name != "pixels"]
    return all(getattr(one, name) == getattr(other, name) for name in fields)


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z":  # ended, and its parent is gone
            return True
        time.sleep(0.05)
    return False


# -- sound files ---------------------------------------------------------------------------------


WINDOWS = {"WindowCenter": [2000, 1000], "WindowWidth": [3000, 500]}
SOUND = {
    "png": PNG,
    "dicom": phantom_dicom(0, 96, window=(2000, 3000), attributes={"PatientAge": "050Y", "PixelSpacing": [0.1, 0.3]}),
    "dicom of two windows": phantom_dicom(0, 64, attributes=WINDOWS),
    "zip": zipped(("DICOM/1", phantom_dicom(1, 64)), ("readme.txt", b"hello")),
    "lossless jpeg, which a process of the process decodes": lossless_dicom(SMOOTH),
}


@pytest.mark.parametrize("kind", SOUND)
def test_the_radiograph_is_the_same(kind: str) -> None:
    radiograph = load_untrusted(SOUND[kind], name="x.dcm")
    assert same(radiograph, load_radiograph(SOUND[kind]))
    assert not radiograph.pixels.flags.writeable


def test_other_displays_come_along() -> None:
    data = SOUND["dicom of two windows"]
    (radiograph, others), (expected, expected_others) = (
        load(data) for load in (worker.load_untrusted_with_alternatives, load_with_alternatives)
    )
    assert others is not None
    assert expected_others is not None
    assert others.choices == expected_others.choices
    assert same(others.show(radiograph, 1), expected_others.show(expected, 1))
    assert worker.load_untrusted_with_alternatives(PNG)[1] is None


def test_every_field_can_travel() -> None:
    """A field of a type that cannot would be noticed here first."""
    arrays: list[np.ndarray] = []
    words = json.loads(json.dumps(plain(load_radiograph(SOUND["dicom"]), arrays)))
    assert same(record(words, Radiograph, filled_from(arrays), 10**6, 10**7), load_radiograph(SOUND["dicom"]))
    assert typing.get_type_hints(Alternatives)


def test_two_threads_read_at_once_and_further_ones_wait() -> None:
    files = [phantom_dicom(seed, 256) for seed in range(3)] * 2
    with ThreadPoolExecutor(6) as threads:
        read = list(threads.map(load_untrusted, files))
    assert all(same(one, load_radiograph(data)) for one, data in zip(read, files, strict=True))
    assert len(worker._pool._idle) <= worker.MOST_PROCESSES


def test_a_file_whose_turn_does_not_come_is_not_called_a_bad_one() -> None:
    busy = Pool(most=1, command=running(OBEDIENT))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(busy.load, b"loop", seconds=1.5)
        while not busy._busy:
            time.sleep(0.01)
        with pytest.raises(Overloaded, match=r"others are being read.*Try again"):
            busy.load(PNG, seconds=0.1)
        patient = threads.submit(busy.load, PNG, seconds=0.8, patient=True)  # it waits longer than it may take
        with pytest.raises(TooLarge):
            first.result()
        assert same(patient.result(), load_radiograph(PNG))
    busy.close()


def test_pipes_do_where_there_are_no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "SOCKETS", False)
    pool = Pool(command=running(OBEDIENT))
    assert same(pool.load(SOUND["dicom"]), load_radiograph(SOUND["dicom"]))
    with pytest.raises(CorruptFile):
        pool.load(b"crash")
    pool.close()


def test_pictures_that_do_not_fit_into_the_shared_memory_use_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "SHARED", 4096)
    bounded = Pool()
    for side in (32, 64, 32):  # fits, does not, fits again
        data = phantom_png(size=side)
        assert same(bounded.load(data), load_radiograph(data))
    bounded.close()


def test_both_ends_reckon_alike_where_bytes_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "SHARED", 4096)
    echo = """
import sys
from cxrkit.imaging.channel import Channel
channel = Channel.to_parent(int(sys.argv[1]))
while True:
    bodies = [channel.receive(size) for size in channel.head()["sizes"]]
    channel.send({}, bodies[::-1])
"""
    here, child = Channel.to_child((sys.executable, "-P", "-c", echo), environment())
    for sizes in ([0, 4096], [3000, 2000, 1096, 1], [1], [5000, 4000, 96, 97], []):
        bodies = [os.urandom(size) for size in sizes]
        here.send({"sizes": sizes}, bodies)
        assert here.head() == {}
        assert [here.receive(size) for size in sizes[::-1]] == bodies[::-1]
    here.close()
    assert child.wait(10) is not None


@pytest.mark.skipif(not channel.SHARED, reason="only Linux has files in memory whose size can be sealed")
def test_a_process_cannot_cut_off_the_memory_that_the_server_maps() -> None:
    code = """
import os, sys
from cxrkit.imaging.channel import Channel
descriptor = os.dup(int(sys.argv[1]))
channel = Channel.to_parent(int(sys.argv[1]))
for size in (0, 2**30):
    try:
        os.ftruncate(descriptor, size)
    except PermissionError:
        continue
    break
else:
    channel.send({"sealed": True})
"""
    here, child = Channel.to_child((sys.executable, "-P", "-c", code), environment())
    assert here.head() == {"sealed": True}
    here.close()
    child.wait(10)


def test_systems_without_limits_still_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resource.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import signal\ndel signal.setitimer\n" + OBEDIENT
    pool = Pool(command=running(code))
    assert same(pool.load(PNG), load_radiograph(PNG))
    pool.close()


# -- errors and defects --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name"), [(b"%PDF-1.7 a report", ""), (b"no image", "Doe_Jane.dcm"), (b"", ""), (PNG[:200], "a.png")]
)
def test_errors_come_back_as_they_were(data: bytes, name: str) -> None:
    with pytest.raises(CxrError) as expected:
        load_radiograph(data, name=name)
    with pytest.raises(CxrError) as refused:
        load_untrusted(data, name=name)
    assert type(refused.value) is type(expected.value)
    assert (refused.value.message, refused.value.remedy) == (expected.value.message, expected.value.remedy)


def test_only_the_extension_of_a_name_is_passed_on_and_printing_does_no_harm(pool: Pool) -> None:
    with pytest.raises(DisplayUnknown, match=r"^It printed\?\. As file\.dcm does\.$"):
        pool.load(b"print", "Doe_Jane.DCM")
    with pytest.raises(DisplayUnknown, match=r"As file does\.$"):
        pool.load(b"print", "4711.Doe Jane")
    assert same(pool.load(PNG), load_radiograph(PNG))


def test_a_defect_names_its_kind_and_place_and_nothing_of_the_file(pool: Pool) -> None:
    with pytest.raises(WorkerDefect, match="ValueError") as defect:
        pool.load(b"defect")
    assert "worker_child.py" in defect.value.places
    assert "DOE" not in str(defect.value) + defect.value.places


def test_too_many_bytes_are_not_even_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxrkit.imaging.decode.MAX_BYTES", 100)
    with pytest.raises(TooLarge, match="larger than"):
        Pool(command=("no such program",)).load(PNG)


# -- crashes, loops, memory ----------------------------------------------------------------------


def test_a_crash_is_an_error_and_the_next_file_is_read(pool: Pool) -> None:
    with pytest.raises(CorruptFile, match="program that reads images fail"):
        pool.load(b"crash")
    assert same(pool.load(PNG), load_radiograph(PNG))


def test_an_endless_loop_ends_at_the_deadline(pool: Pool) -> None:
    pool.load(PNG)  # ready
    began = time.monotonic()
    with pytest.raises(TooLarge, match="took more than 1 seconds"):
        pool.load(b"loop", seconds=1)
    assert time.monotonic() - began < 10
    assert same(pool.load(PNG), load_radiograph(PNG))


def test_the_system_ends_a_loop_whose_parent_is_gone() -> None:
    code = (
        "import re; from cxrkit.imaging.confinement import end_after; end_after(.2); re.match('(a+)+$', 'a' * 60 + 'b')"
    )
    assert subprocess.run(running(code), env=environment(), timeout=60).returncode == -signal.SIGALRM


def test_want_of_memory_is_said_to_be_that() -> None:
    starved = "from cxrkit.imaging import worker_child\nworker_child.MEMORY = 6 * 10**8\n" + OBEDIENT
    pool = Pool(command=running(starved))
    picture = np.random.default_rng(0).integers(0, 2**16, (9000, 9000), np.uint16)
    with pytest.raises(TooLarge, match="more memory than"):
        pool.load(write_dicom(picture, bits_stored=16))
    assert same(pool.load(PNG), load_radiograph(PNG))
    pool.close()


def test_the_memory_of_processes_can_be_forgotten(pool: Pool) -> None:
    pool.load(PNG)
    (before,) = pool.idle()
    pool.forget()
    assert before.process.returncode is not None
    (after,) = pool.idle()
    assert after is not before
    assert pool.load(PNG).sha256 == load_radiograph(PNG).sha256


def test_a_process_that_died_while_idle_is_replaced(pool: Pool) -> None:
    pool.load(PNG)
    before = pool._idle[-1].process.pid
    os.kill(before, signal.SIGKILL)
    assert gone(before)
    assert same(pool.load(PNG), load_radiograph(PNG))


def test_a_process_that_read_many_files_goes_when_its_successor_has_started() -> None:
    pool = Pool(files=2)
    pool.load(PNG)
    first = pool._idle[-1].process
    pool.load(PNG)
    assert pool._idle[-1].process is first  # no file waits for the successor
    while not pool._successor.started():
        time.sleep(0.01)
    pool.load(PNG)
    (second,) = pool.idle()
    assert second.process is not first
    assert first.poll() is not None
    assert second.files == 0
    assert same(pool.load(PNG), load_radiograph(PNG))
    pool.load(PNG)  # which starts the next one
    third = pool._successor.process
    pool.close()
    assert third.poll() is not None


def test_a_process_that_grew_is_replaced_at_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pool._idle[-1].process.pid
    monkeypatch.setattr(worker_process, "MOST_RESIDENT", 10**6)
    pool.load(PNG)
    assert pool._idle[-1].process.pid != before


def test_a_program_that_does_not_start_is_a_defect() -> None:
    pool = Pool(command=running("print('hello')"))
    with pytest.raises(WorkerDefect, match="No start"):
        pool.load(PNG)
    pool.close()


# -- nothing is left over ------------------------------------------------------------------------


def test_closing_ends_processes_at_work_and_idle() -> None:
    pool = Pool(command=running(OBEDIENT))
    pool.load(PNG)
    pool.prepare()
    ended: list[BaseException] = []

    def read() -> None:
        try:
            pool.load(b"loop")
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while not pool._busy:
        time.sleep(0.01)
    pids = [child.process.pid for child in (*pool._busy, *pool._idle)]
    pool.close()
    thread.join(10)
    assert isinstance(ended[0], CorruptFile)
    assert all(map(gone, pids))
    with pytest.raises(RuntimeError, match="closed"):
        pool.load(PNG)


def test_processes_end_with_a_server_that_is_killed() -> None:
    code = (
        "import os, signal\n"
        "from cxrkit.imaging import worker\n"
        "from cxrkit.imaging.phantom import phantom_png\n"
        "worker.load_untrusted(phantom_png(size=64))\n"
        "print(worker._pool._idle[0].process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(running(code), env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert gone(int(done.stdout))


def test_nothing_of_the_server_is_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_TOKEN", "secret")
    assert "SERVER_TOKEN" not in environment()
    pool = Pool(command=running(OBEDIENT))
    pool.prepare()
    process = Path(f"/proc/{pool._idle[0].process.pid}")
    pool.load(PNG, "Doe_Jane.png")
    assert b"secret" not in (process / "environ").read_bytes()
    assert b"Doe" not in (process / "cmdline").read_bytes()
    assert os.readlink(process / "fd" / "2") == os.devnull  # noqa: PTH115
    limits = (process / "limits").read_text()
    assert re.search(r"Max core file size +0 ", limits)
    assert re.search(r"Max file size +0 ", limits)
    pool.close()


# -- answers of a process that a file has taken over -----------------------------------------------


def filled_from(arrays: list[np.ndarray]) -> Callable[[np.ndarray], None]:
    remaining = iter(arrays)

    def receive(array: np.ndarray) -> None:
        array[...] = next(remaining)

    return receive


DECODING = json.loads(json.dumps(plain(Decoding.of(load_radiograph(phantom_dicom(size=600))), [])))
PLAIN = DECODING["radiograph"]
FORGED = {
    "no record": ["pixels"],
    "a field less": {name: value for name, value in PLAIN.items() if name != "sha256"},
    "a field more": {**PLAIN, "path": "x"},
    "a number as text": {**PLAIN, "sha256": 7},
    "a truth value as a number": {**PLAIN, "display": True},
    "an unknown literal": {**PLAIN, "sex": "X"},
    "a list in a literal": {**PLAIN, "sex": []},
    "three spacings": {**PLAIN, "spacing_mm": [1, 1, 1]},
    "an infinite spacing": {**PLAIN, "spacing_mm": [1.0, float("inf")]},
    "notes that are none": {**PLAIN, "notes": [1]},
    "too many pixels": {**PLAIN, "pixels": [10**4, 10**4 + 1]},
    "pixels beyond counting": {**PLAIN, "pixels": [2**62, 4]},
    "fewer pixels than none": {**PLAIN, "pixels": [-1, -1]},
    "pixels in one line": {**PLAIN, "pixels": [100]},
    "no pixels": {**PLAIN, "pixels": [0, 0]},
    "text for a shape": {**PLAIN, "pixels": "9x9"},
    "undefined pixels": PLAIN,
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_records_are_refused(kind: str) -> None:
    def receive(array: np.ndarray) -> None:
        assert array.nbytes <= 10**6
        array.fill(np.nan)

    with pytest.raises(Malformed):
        record(FORGED[kind], Radiograph, receive, 10**5, 10**6)


@pytest.mark.parametrize(
    "found",
    [
        {"working": None},
        {"working": [299, 300]},
        {"text": [{"left": 1, "top": 1, "right": 2, "bottom": None}]},
        {"text": [{"left": 1, "top": 1, "right": 2, "bottom": 2}] * 1001},
        {"issues": [{"code": "anything", "severity": "warn"}]},
        {"issues": [{"code": "too-small", "severity": "praise"}]},
    ],
    ids=["no copy", "another copy", "half a box", "too many boxes", "an unknown reason", "an unknown severity"],
)
def test_forged_findings_are_refused(found: dict[str, object]) -> None:
    def read(words: dict[str, object]) -> Decoding:
        decoding = record(words, Decoding, lambda array: array.fill(0.5), 10**6, 10**7)
        assert isinstance(decoding, Decoding)
        return decoding

    assert read(DECODING).working is not None
    with pytest.raises(Malformed):
        read({**DECODING, **found})
    fills = iter((0.5, np.nan))
    with pytest.raises(Malformed):  # a copy beyond 0..1, of a sound picture
        record(DECODING, Decoding, lambda array: array.fill(next(fills)), 10**6, 10**7)


def test_what_was_found_comes_along() -> None:
    for data in (phantom_dicom(size=600), SOUND["dicom"]):
        there, here = load_untrusted(data), load_radiograph(data)
        assert set(there._derived) >= {derived._working_copy, derived._suspected_text, quality._by_pixels}
        np.testing.assert_array_equal(derived.working_copy(there), derived.working_copy(here))
        assert derived.suspected_text(there) == derived.suspected_text(here)
        assert quality.check_picture(there) == quality.check_picture(here)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        (2**30).to_bytes(4, "little"),
        (4).to_bytes(4, "little") + b"[1]{",
        (3).to_bytes(4, "little") + b"[1]",
        (3).to_bytes(4, "little") + b"NaN",
        (2**17).to_bytes(4, "little") + b"[" * 2**17,
    ],
    ids=["too long", "no JSON", "no object", "no number", "too deep"],
)
def test_forged_heads_are_refused(bytes_sent: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        threading.Thread(target=there.sendall, args=(bytes_sent,)).start()
        with pytest.raises(Malformed):
            Channel(here, here).head()


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"read": {**DECODING, "radiograph": {**PLAIN, "pixels": [10**5, 10**5]}}},
        {"read": DECODING},
        {"read": {**DECODING, "radiograph": {**PLAIN, "notes": ["x" * 10**6]}}},
        {"error": "SystemExit", "message": "a", "remedy": "b"},
        {"error": "Overloaded", "message": "a", "remedy": "b"},
        {"error": "RadiographError", "message": "x" * 10**4, "remedy": "b"},
        {"defect": "ValueError in DOE", "places": ""},
    ],
    ids=[
        "nothing",
        "too large",
        "undefined",
        "too long",
        "another exception",
        "not of a file",
        "a novel",
        "a defect with text",
    ],
)
def test_forged_answers_are_refused_and_their_process_ended(pool: Pool, head: dict[str, object]) -> None:
    pool.load(PNG)
    process = pool._idle[-1].process
    with pytest.raises(CorruptFile, match="program that reads images fail"):
        pool.load(b"say " + json.dumps([head, [96 * 300]]).encode())
    assert process.poll() is not None
    assert same(pool.load(PNG), load_radiograph(PNG))


def test_errors_are_looked_up_among_those_of_cxrkit(pool: Pool) -> None:
    head = {"error": "UnsupportedFormat", "message": "Not read.", "remedy": "None."}
    with pytest.raises(UnsupportedFormat, match=r"Not read\. None\."):
        pool.load(b"say " + json.dumps([head, []]).encode())
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CxrError)]
    assert all(kind("a.", "b.").remedy == "b." for kind in kinds)  # each is made of these two alone


def test_the_benchmark_measures_both_ways() -> None:
    figures = compare(rounds=1)["median_ms"]
    ways = ("here", "apart", "added", "added_work")
    assert set(figures) == {f"{kind}_{way}" for kind in ("png_256", "dicom_2000") for way in ways}
    assert figures["dicom_2000_apart"] > figures["png_256_here"] > 0


def test_the_log_of_an_incident_says_where_in_the_process_it_arose(caplog: pytest.LogCaptureFixture) -> None:
    number = incident(WorkerDefect("ValueError", "loading.py:75 _one"))
    assert f"incident {number}: WorkerDefect at loading.py:75 _one in another process" in caplog.text

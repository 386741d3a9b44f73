"""Fetching a public set, against a real server on this computer that misbehaves."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cxrkit.data import download, transfer
from cxrkit.data.download import fetch, terminal_progress
from cxrkit.data.https import require_https
from cxrkit.data.public_sets import PUBLIC_SETS, Checksum, PublicFile, PublicSet, find_set
from cxrkit.data.transfer import Patience
from cxrkit.errors import ChecksumMismatch, DownloadError, SourceUnreachable, StorageUnusable
from tests.unit.loopback import Handler, Site, answer, drop_after, serve, stall_after

BODY = np.random.default_rng(3).bytes(600_000)
QUICK = Patience(timeout=5, retries=3, pause=0.01)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site({"set.npz": BODY})) as running:
        yield running


def a_set(
    site: Site, *names: str, body: bytes = BODY, checked: bool = True, size: int | None = None, address: str = ""
) -> PublicSet:
    """A public set whose files lie on the site."""
    checksum = Checksum("sha256", hashlib.sha256(body).hexdigest(), "this test") if checked else None
    files = tuple(
        PublicFile(name, address or site.url(name), size, checksum, "" if checked else "nobody has published one")
        for name in names or ("set.npz",)
    )
    return PublicSet("toy", "A toy", files, "CC0", "nobody", "https://example.org/toy", "Put it into --folder.")


def bring(chosen: PublicSet, folder: Path, patience: Patience = QUICK) -> list[str]:
    """Fetch, and return what was told."""
    told: list[str] = []
    fetch(chosen, folder, tell=told.append, patience=patience)
    return told


def test_fetches_checks_and_leaves_nothing_else(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    paths = fetch(a_set(site), tmp_path / "new" / "folder", progress=lambda *step: seen.append(step), patience=QUICK)
    assert [path.read_bytes() for path in paths] == [BODY]
    assert [path.name for path in paths[0].parent.iterdir()] == ["set.npz"]
    assert seen[0] == ("set.npz", 0, len(BODY))
    assert seen[-1] == ("set.npz", len(BODY), len(BODY))
    assert [step[1] for step in seen] == sorted({step[1] for step in seen})


def test_what_is_there_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    bring(a_set(site), tmp_path)
    told = bring(a_set(site), tmp_path)
    assert len(site.asked) == 1
    assert told == ["set.npz: already there, sha256 as published"]


def test_a_dropped_connection_resumes_with_the_missing_bytes_only(site: Site, tmp_path: Path) -> None:
    site.script = [drop_after(250_000), drop_after(100_000)]
    bring(a_set(site), tmp_path)
    assert (tmp_path / "set.npz").read_bytes() == BODY
    assert [headers.get("Range") for headers in site.asked] == [None, "bytes=250000-", "bytes=350000-"]
    assert [headers.get("If-Range") for headers in site.asked] == [None, '"v1"', '"v1"']
    assert site.sent == [250_000, 100_000, 250_000]


def test_a_later_run_resumes_too(site: Site, tmp_path: Path) -> None:
    site.script = [drop_after(250_000), *[drop_after(0)] * 3]
    with pytest.raises(SourceUnreachable, match=r"set\.npz: the connection was dropped") as caught:
        bring(a_set(site), tmp_path)
    assert "goes on where it stopped" in caught.value.remedy
    assert (tmp_path / "set.npz.part").stat().st_size == 250_000
    site.script = [answer(503, Retry_After="0")]
    bring(a_set(site), tmp_path)
    assert site.asked[-1]["Range"] == "bytes=250000-"
    assert site.sent[-1] == len(BODY) - 250_000
    assert [path.name for path in tmp_path.iterdir()] == ["set.npz"]


def test_retries_count_only_attempts_without_new_bytes(site: Site, tmp_path: Path) -> None:
    site.script = [drop_after(50_000)] * 11
    bring(a_set(site), tmp_path)
    assert len(site.asked) == 12


def test_a_server_that_falls_silent_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.script = [stall_after(300_000)]
    bring(a_set(site), tmp_path, Patience(timeout=0.3, retries=3, pause=0.01))
    assert site.asked[1]["Range"] == "bytes=300000-"
    assert (tmp_path / "set.npz").read_bytes() == BODY


def test_a_server_without_ranges_starts_afresh(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.script = [drop_after(250_000)]
    bring(a_set(site), tmp_path)
    assert site.asked[1]["Range"] == "bytes=250000-"
    assert site.sent == [250_000, len(BODY)]
    assert (tmp_path / "set.npz").read_bytes() == BODY


def test_a_server_without_ranges_that_always_drops_is_given_up(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.script = [drop_after(250_000)] * 50
    with pytest.raises(SourceUnreachable):
        bring(a_set(site), tmp_path)
    assert len(site.asked) == 4  # one that brought bytes, three that brought no new ones


def test_bytes_fetched_twice_are_no_progress(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.script = [drop_after(250_000), *[drop_after(100_000), drop_after(200_000)] * 20]
    with pytest.raises(SourceUnreachable):
        bring(a_set(site), tmp_path)
    assert len(site.asked) == 4


def test_a_network_that_fails_on_the_way_is_waited_for(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = transfer.opener, []

    class Refusing:
        def open(self, *_: object, **__: object) -> None:
            raise urllib.error.URLError(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))

    def second_call_fails(address: str) -> object:
        calls.append(address)
        return Refusing() if len(calls) == 2 else real(address)

    monkeypatch.setattr(transfer, "opener", second_call_fails)
    site.script = [drop_after(250_000)]
    bring(a_set(site), tmp_path)
    assert (len(calls), site.sent) == (3, [250_000, 350_000])


def test_old_bytes_never_stand_beside_a_new_validator(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.script = [drop_after(250_000), *[drop_after(0)] * 3]
    with pytest.raises(SourceUnreachable):
        bring(a_set(site), tmp_path)
    site.etag = '"v2"'
    noting = transfer.take_note

    def note_and_die(*note: str) -> None:
        noting(*note)
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "take_note", note_and_die)
    with pytest.raises(KeyboardInterrupt):
        bring(a_set(site), tmp_path)
    assert not (tmp_path / "set.npz.part").exists()


@pytest.mark.parametrize("dated", [False, True])
def test_a_file_that_changed_meanwhile_is_fetched_whole(site: Site, tmp_path: Path, dated: bool) -> None:
    other = BODY[::-1]
    if dated:  # a weak ETag promises nothing, so the date stands in for it
        site.etag, site.modified = 'W/"v1"', "Mon, 01 Jan 2024 00:00:00 GMT"

    def change(handler: Handler) -> bool:
        site.files["set.npz"] = other
        if dated:
            site.modified = "Tue, 02 Jan 2024 00:00:00 GMT"
        else:
            site.etag = '"v2"'
        return False

    site.script = [drop_after(250_000), change]
    bring(a_set(site, body=other), tmp_path)
    assert site.asked[1]["If-Range"] == ("Mon, 01 Jan 2024 00:00:00 GMT" if dated else '"v1"')
    assert site.sent[1] == len(BODY)
    assert (tmp_path / "set.npz").read_bytes() == other


def test_a_complete_part_needs_no_byte(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set.npz.part").write_bytes(BODY)
    bring(a_set(site, size=None), tmp_path)
    assert site.sent == [0]  # answered with 416 and the length, which is the part's
    assert (tmp_path / "set.npz").read_bytes() == BODY


def test_a_complete_part_of_known_size_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "set.npz.part").write_bytes(BODY)
    bring(a_set(Site({}, port=1), size=len(BODY)), tmp_path)
    assert (tmp_path / "set.npz").read_bytes() == BODY


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_part_that_is_too_long_is_thrown_away(site: Site, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "set.npz.part").write_bytes(BODY + b"too much")
    bring(a_set(site, size=size), tmp_path)
    assert (tmp_path / "set.npz").read_bytes() == BODY
    assert site.sent[-1] == len(BODY)


def test_a_part_from_another_address_is_thrown_away(site: Site, tmp_path: Path) -> None:
    site.files["elsewhere.npz"] = BODY
    site.script = [drop_after(250_000), *[drop_after(0)] * 3]
    with pytest.raises(SourceUnreachable):
        bring(a_set(site, address=site.url("elsewhere.npz")), tmp_path)
    bring(a_set(site), tmp_path)
    assert "Range" not in site.asked[-1]
    assert (tmp_path / "set.npz").read_bytes() == BODY


def test_a_part_that_nothing_vouches_for_is_not_continued(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set.npz.part").write_bytes(b"?" * 1000)
    bring(a_set(site, checked=False), tmp_path)
    assert "Range" not in site.asked[-1]
    assert (tmp_path / "set.npz").read_bytes() == BODY


def test_a_range_that_starts_elsewhere_is_not_appended(site: Site, tmp_path: Path) -> None:
    wrong = answer(206, Content_Range=f"bytes 7-{len(BODY) - 1}/{len(BODY)}")
    site.script = [drop_after(250_000), wrong]
    bring(a_set(site), tmp_path)
    assert "Range" not in site.asked[2]
    assert (tmp_path / "set.npz").read_bytes() == BODY


def test_a_server_that_never_fits_is_given_up(site: Site, tmp_path: Path) -> None:
    site.script = [drop_after(9), answer(206, Content_Range="bytes 7-8/600000")] * 20
    with pytest.raises(SourceUnreachable):
        bring(a_set(site), tmp_path)
    assert len(site.asked) <= 8


def test_a_wrong_checksum_is_refused_and_removed(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ChecksumMismatch, match=r"set\.npz arrived with another checksum"):
        bring(a_set(site, body=b"what was meant"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_length_is_refused_before_it_is_fetched(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ChecksumMismatch, match="600000 bytes in place of 5"):
        bring(a_set(site, size=5), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_users_own_is_not_overwritten(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(b"mine")
    with pytest.raises(ChecksumMismatch, match="not the published one"):
        bring(a_set(site), tmp_path)
    assert (tmp_path / "set.npz").read_bytes() == b"mine"
    assert site.asked == []


def test_an_unattested_file_is_recorded_and_said_to_be_unverified(site: Site, tmp_path: Path) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  theirs.csv")
    told = bring(a_set(site, checked=False), tmp_path)
    assert told == [f"set.npz: NOT VERIFIED (nobody has published one); sha256 {digest}, recorded in SHA256SUMS"]
    assert (tmp_path / "SHA256SUMS").read_text() == f"{'0' * 64}  theirs.csv\n{digest}  set.npz\n"
    told = bring(a_set(site, checked=False), tmp_path)
    assert told[0].endswith(f"sha256 {digest}, the same as on an earlier run")
    assert len(site.asked) == 1
    assert (tmp_path / "SHA256SUMS").read_text().count("set.npz") == 1


def test_an_unattested_file_that_changed_is_refused(site: Site, tmp_path: Path) -> None:
    bring(a_set(site, checked=False), tmp_path)
    (tmp_path / "set.npz").write_bytes(b"changed")
    with pytest.raises(ChecksumMismatch, match="SHA256SUMS"):
        bring(a_set(site, checked=False), tmp_path)


def test_offline_says_what_to_fetch_and_where_it_goes(site: Site, tmp_path: Path) -> None:
    site.files["first.csv"] = BODY
    bring(a_set(site, "first.csv"), tmp_path)
    with socket.socket() as unused:  # a port on which nobody listens
        unused.bind(("127.0.0.1", 0))
        gone = Site({}, port=unused.getsockname()[1])
        with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1 cannot be reached") as caught:
            bring(a_set(gone, "first.csv", "set.npz", "third.txt"), tmp_path)
    for name in ("set.npz", "third.txt"):
        assert f"{name} from {gone.url(name)}" in caught.value.remedy
    assert "first.csv" not in str(caught.value)  # it is there already
    assert "--folder" in caught.value.remedy
    assert "https://example.org/toy" in caught.value.remedy
    assert str(tmp_path) not in str(caught.value)


def test_every_real_set_tells_how_to_get_it_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nowhere:
        def open(self, *_: object, **__: object) -> None:
            raise urllib.error.URLError(socket.gaierror(socket.EAI_NONAME, "no such host"))

    monkeypatch.setattr("cxrkit.data.transfer.opener", lambda address: Nowhere())
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**12))
    for chosen in PUBLIC_SETS.values():
        with pytest.raises(SourceUnreachable, match="cannot be reached from here") as caught:
            fetch(chosen.name, tmp_path)
        for file in chosen.files:
            assert f"{file.name} from {file.address}" in caught.value.remedy
        assert "into the folder that was named" in caught.value.remedy


def test_a_refusal_is_not_repeated(site: Site, tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match=r"refuses missing\.zip \(HTTP 404\)"):
        bring(a_set(site, "missing.zip"), tmp_path)
    assert len(site.asked) == 1


def test_a_web_page_is_not_taken_for_the_file(site: Site, tmp_path: Path) -> None:
    site.kind = "text/html; charset=utf-8"
    with pytest.raises(SourceUnreachable, match="a web page in place of set"):
        bring(a_set(site, checked=False), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_keeps_the_range(site: Site, tmp_path: Path) -> None:
    site.files["moved.npz"] = BODY
    to = answer(302, Location=site.url("moved.npz"))
    site.script = [to, drop_after(250_000), to]
    bring(a_set(site), tmp_path)
    assert site.asked[3]["Range"] == "bytes=250000-"
    assert (tmp_path / "set.npz").read_bytes() == BODY


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://example.org/set.npz", "without encryption"),
        ("ftp://127.0.0.1/x", "without encryption"),
        ("file:///etc/hostname", "refuses set.npz"),  # Python follows no such redirect in the first place
    ],
)
def test_a_redirect_to_an_unencrypted_address_is_refused(
    site: Site, tmp_path: Path, location: str, message: str
) -> None:
    site.script = [answer(302, Location=location)]
    with pytest.raises(DownloadError, match=message):
        bring(a_set(site), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "before", "allowed"),
    [
        ("https://zenodo.org/x", None, True),
        ("https://elsewhere.example/x", "https://zenodo.org/x", True),
        ("http://zenodo.org/x", None, False),
        ("http://127.0.0.1:8000/x", None, True),
        ("http://[::1]/x", None, True),
        ("http://localhost/x", "http://127.0.0.1/x", True),
        ("http://127.0.0.1/x", "https://zenodo.org/x", False),
        ("http://127.0.0.1.example.org/x", None, False),
        ("file:///x", None, False),
        ("ftp://127.0.0.1/x", None, False),
    ],
)
def test_which_addresses_are_opened(address: str, before: str | None, allowed: bool) -> None:
    if allowed:
        require_https(address, before)
    else:
        with pytest.raises(DownloadError, match="without encryption"):
            require_https(address, before)


def test_a_full_disk_is_said_before_and_while_writing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "disk_usage", lambda folder: SimpleNamespace(free=400_000))
        with pytest.raises(StorageUnusable, match=r"need 0\.6 MB, and the disk has 0\.4 MB left"):
            bring(a_set(site, size=len(BODY)), tmp_path)
        assert site.asked == []
        (tmp_path / "set.npz.part").write_bytes(BODY[:250_000])  # what is there already needs no room
        bring(a_set(site, size=len(BODY)), tmp_path)
    (tmp_path / "set.npz").unlink()
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    really = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, *how, **more: really(Path("/dev/full") if path.suffix == ".part" else path, *how, **more),
    )
    with pytest.raises(StorageUnusable, match="The disk is full") as caught:
        bring(a_set(site), tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_a_folder_that_is_none_is_named_without_its_path(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable) as caught:
        bring(a_set(site), tmp_path / "file")
    assert str(tmp_path) not in str(caught.value)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"pneumoniamnist-224, .*kermany, .*chestxray14"):
        fetch("chexpert", tmp_path)


def test_the_table_is_whole() -> None:
    for name, chosen in PUBLIC_SETS.items():
        assert find_set(name) is chosen
        assert len({file.name for file in chosen.files}) == len(chosen.files)
        for file in chosen.files:
            require_https(file.address)
            assert file.checksum is not None  # every file of today's table is attested
            assert re.fullmatch(r"[\w.]+", file.name)
    digests = {file.checksum for chosen in PUBLIC_SETS.values() for file in chosen.files}
    assert len(digests) == 8 + 1 + 4 + 12
    assert len({file.address for chosen in PUBLIC_SETS.values() for file in chosen.files}) == 8 + 1 + 4 + 12
    assert sum(file.size or 0 for file in find_set("chestxray14").files) == pytest.approx(45.1e9, abs=0.1e9)


def test_a_checksum_or_the_reason_for_none_is_required() -> None:
    with pytest.raises(ValueError, match="either a checksum or the reason"):
        PublicFile("x.zip", "https://example.org/x.zip", None, None)
    with pytest.raises(ValueError, match="not a md5"):
        Checksum("md5", "0" * 64, "nobody")


def test_the_progress_line_is_overwritten_and_ended() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    show = terminal_progress(out)
    assert show is not None
    show("a.zip", 0, 2_000_000)
    show("a.zip", 1, 2_000_000)  # too soon after the last to be shown
    show("a.zip", 2_000_000, 2_000_000)
    lines = out.getvalue().split("\r")
    assert len(lines) == 3
    assert lines[1].startswith("a.zip: 0.0 MB of 2.0 MB (0%)")
    assert "2.0 MB of 2.0 MB (100%)" in lines[2]
    assert lines[2].endswith("\n")
    assert terminal_progress(io.StringIO()) is None


def test_a_quota_counts_as_a_full_disk() -> None:
    from cxrkit.data.part_file import unwritable

    assert "full" in unwritable(OSError(errno.EDQUOT, "x")).message
    assert "cannot be written" in unwritable(OSError(errno.EACCES, "x")).message

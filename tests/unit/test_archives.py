"""Unpacking an archive: whole, again, and never outside its folder."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cxrkit.data.archives import unpack_archive
from cxrkit.data.download import unpack
from cxrkit.data.public_sets import PublicFile, PublicSet
from cxrkit.errors import ArchiveRefused, StorageUnusable

DRAW = np.random.default_rng(5)
FILES = {f"images/{number:08d}_000.png": DRAW.bytes(30_000 + number) for number in range(6)}


def tar_of(path: Path, members: dict[str, bytes], *odd: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as tape:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tape.addfile(info, io.BytesIO(body))
        for info in odd:
            tape.addfile(info)
    return path


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        for name, body in members.items():
            info = zipfile.ZipInfo()
            info.filename = name  # unlike the constructor this leaves odd names as they are
            bundle.writestr(info, body)
    return path


def pack(folder: Path, kind: str, members: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    return tar_of(folder / "a.tar.gz", members) if kind == "tar.gz" else zip_of(folder / "a.zip", members)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


KINDS = pytest.mark.parametrize("kind", ["tar.gz", "zip"])


@KINDS
def test_unpacks_every_file(tmp_path: Path, kind: str) -> None:
    junk = {"__MACOSX/images/._x.png": b"x", "images/.DS_Store": b"x", "images/._00000000_000.png": b"x"}
    archive = pack(tmp_path, kind, {**FILES, **junk})
    seen: list[tuple[str, int, int | None]] = []
    assert unpack_archive(archive, tmp_path / "out", progress=lambda *step: seen.append(step)) == len(FILES)
    assert tree(tmp_path / "out") == FILES
    assert {step[0] for step in seen} == {archive.name}
    assert all(step[1] <= archive.stat().st_size == step[2] for step in seen)


@KINDS
def test_a_second_run_writes_only_what_is_missing(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, out = pack(tmp_path, kind, FILES), tmp_path / "out"
    unpack_archive(archive, out)
    first, second, third, *_ = (out / name for name in FILES)
    first.unlink()
    second.write_bytes(b"cut off")
    stamp = third.stat().st_mtime_ns
    assert unpack_archive(archive, out) == len(FILES)
    assert tree(out) == FILES
    assert third.stat().st_mtime_ns == stamp
    # and when nothing is missing the archive is not even read
    monkeypatch.setattr("cxrkit.data.archives._members", lambda *_: pytest.fail("read again"))
    assert unpack_archive(archive, out) == len(FILES)


@KINDS
def test_another_archive_of_the_name_is_unpacked_anew(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    unpack_archive(pack(tmp_path, kind, FILES), out)
    assert unpack_archive(pack(tmp_path, kind, {"images/new.png": b"new"}), out) == 1
    assert (out / "images/new.png").read_bytes() == b"new"


@KINDS
@pytest.mark.parametrize(
    "name",
    ["../evil.png", "images/../../evil.png", "/evil.png", "..\\evil.png", "C:\\evil.png", "C:evil.png", "\\evil.png"],
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    archive = pack(tmp_path / "in", kind, {name: b"evil"})
    before = tree(tmp_path)
    with pytest.raises(ArchiveRefused, match="would write outside the folder"):
        unpack_archive(archive, tmp_path / "out" / "deep")
    assert tree(tmp_path) == before


@KINDS
def test_a_link_in_the_folder_does_not_lead_outside(tmp_path: Path, kind: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveRefused, match="would write outside the folder"):
        unpack_archive(pack(tmp_path, kind, FILES), out)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_tar_member_that_is_no_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    odd = tarfile.TarInfo("images/odd.png")
    odd.type, odd.linkname = kind, "../../etc/passwd"
    with pytest.raises(ArchiveRefused, match="a link or a device"):
        unpack_archive(tar_of(tmp_path / "a.tar.gz", {}, odd), tmp_path / "out")
    assert not (tmp_path / "out" / "images" / "odd.png").is_symlink()


def test_a_zip_member_that_is_a_link_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        info = zipfile.ZipInfo("images/odd.png")
        info.external_attr = 0o120777 << 16
        bundle.writestr(info, "../../etc/passwd")
    with pytest.raises(ArchiveRefused, match="a link or a device"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "out")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    raw = bytearray(zip_of(tmp_path / "a.zip", {"x.png": b"x"}).read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(ArchiveRefused, match="is encrypted"):
        unpack_archive(tmp_path / "a.zip", tmp_path / "out")


@KINDS
def test_an_archive_that_swells_is_refused_before_it_is_written(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path, kind, {"small.png": bytes(600), "zeros.png": bytes(500)})
    with pytest.raises(ArchiveRefused, match="far more"):
        unpack_archive(archive, tmp_path / "out", limit=1000)
    assert set(tree(tmp_path / "out")) == {"small.png"}


@KINDS
def test_a_truncated_archive_is_refused_and_can_be_mended(tmp_path: Path, kind: str) -> None:
    archive, out = pack(tmp_path, kind, FILES), tmp_path / "out"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArchiveRefused, match="is damaged"):
        unpack_archive(archive, out)
    assert all(body == FILES[name] for name, body in tree(out).items())  # whole files or none
    archive.write_bytes(whole)
    assert unpack_archive(archive, out) == len(FILES)
    assert tree(out) == FILES


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", FILES)
    raw = bytearray(archive.read_bytes())
    raw[20_000] ^= 1
    archive.write_bytes(raw)
    with pytest.raises(ArchiveRefused, match="is damaged"):
        unpack_archive(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_what_cannot_be_written_is_said_without_a_path(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("not a folder")
    with pytest.raises(StorageUnusable) as caught:
        unpack_archive(pack(tmp_path, "zip", FILES), tmp_path / "out")
    assert str(tmp_path) not in str(caught.value)


def test_a_set_is_unpacked_beside_its_archives(tmp_path: Path) -> None:
    zip_of(tmp_path / "one.zip", {"chest_xray/train/NORMAL/a.jpeg": b"a"})
    tar_of(tmp_path / "two.tar.gz", {"images/b.png": b"b"})
    files = tuple(
        PublicFile(name, f"https://example.org/{name}", None, None, "a test")
        for name in ("l.csv", "one.zip", "two.tar.gz")
    )
    chosen = PublicSet("toy", "A toy", files, "CC0", "nobody", "https://example.org", "")
    told: list[str] = []
    assert unpack(chosen, tmp_path, tell=told.append) == 2
    assert told == ["one.zip: 1 files unpacked", "two.tar.gz: 1 files unpacked"]
    assert (tmp_path / "chest_xray/train/NORMAL/a.jpeg").read_bytes() == b"a"
    (tmp_path / "two.tar.gz").unlink()
    with pytest.raises(ArchiveRefused, match=r"two\.tar\.gz is not in the folder"):
        unpack(chosen, tmp_path)

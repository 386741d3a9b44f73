"""Files and folders that one process keeps, and where that cannot be."""

import errno

import pytest

from cxrkit.data import lock
from cxrkit.data.lock import locked
from cxrkit.errors import CxrError

BUSY = CxrError("Busy.", "Wait.")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_one_at_a_time(tmp_path, kind):
    path = tmp_path if kind == "folder" else tmp_path / "lock"
    with locked(path, BUSY), pytest.raises(CxrError, match="Busy"), locked(path, BUSY):
        pytest.fail("two keep one")
    with locked(path, BUSY):  # free again
        assert [one.name for one in tmp_path.iterdir()] == ([] if kind == "folder" else ["lock"])


def test_what_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "nowhere" / "lock", BUSY):
        pytest.fail("it was entered")


def test_a_disk_or_a_system_without_locks_keeps_nothing(tmp_path, monkeypatch):
    def refuse(handle, kind):
        raise OSError(errno.ENOTSUP, "no locks")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with locked(tmp_path, BUSY), locked(tmp_path, BUSY):
        pass
    monkeypatch.setattr(lock, "fcntl", None)
    with locked(tmp_path / "lock", BUSY), locked(tmp_path / "lock", BUSY):
        assert not (tmp_path / "lock").exists()

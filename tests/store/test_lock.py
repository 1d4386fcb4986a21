"""One writer a folder, across processes, however they end."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from noiseproof.errors import RunError
from noiseproof.store.lock import FolderLock

HOLD = """
import sys, time
from pathlib import Path
from noiseproof.store.lock import FolderLock
FolderLock(Path(sys.argv[1])).acquire()
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_who_until_the_first_is_killed(tmp_path, holder):
    text = rf"is in use by another process \(pid {holder.pid}\); wait for it, or choose another --out"
    with pytest.raises(RunError, match=text):
        FolderLock(tmp_path).acquire()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with FolderLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_released_lock_can_be_taken_again(tmp_path):
    lock = FolderLock(tmp_path)
    for _ in range(2):
        with lock, pytest.raises(RunError, match=f"pid {os.getpid()}"):
            FolderLock(tmp_path).acquire()
    lock.release()  # twice is nothing


def test_the_pid_of_a_longer_number_is_overwritten(tmp_path):
    (tmp_path / "lock").write_text("123456789012\n")
    with FolderLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(RunError, match=r"cannot write in .*nowhere: No such file or directory; choose another --out"):
        FolderLock(tmp_path / "nowhere").acquire()


def test_a_full_disk_is_one_line_and_leaves_no_lock(tmp_path, monkeypatch):
    def full(file, raw, offset):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(RunError, match="No space left on device"):
            FolderLock(tmp_path).acquire()
    with FolderLock(tmp_path):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_not_another_process(tmp_path, monkeypatch, code):
    def none(file, how):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("noiseproof.store.lock.fcntl.flock", none)
    with pytest.raises(RunError) as caught:
        FolderLock(tmp_path).acquire()
    assert str(caught.value) == (
        f"cannot lock {tmp_path}: {os.strerror(code)}; choose another --out, on a file system that has locks"
    )


@pytest.mark.parametrize("code", [errno.EWOULDBLOCK, errno.EACCES])
def test_a_network_file_system_says_in_two_ways_that_another_has_it(tmp_path, monkeypatch, code):
    def taken(file, how):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("noiseproof.store.lock.fcntl.flock", taken)
    with pytest.raises(RunError, match=r"is in use by another process \(pid unknown\)"):
        FolderLock(tmp_path).acquire()

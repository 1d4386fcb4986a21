"""One writer a run folder.

flock itself, not filelock: that does not say who has the lock (before version 4 it erases the pid in the file), gives
it back when its object is collected, makes a missing folder, and may fall back to markers that outlive a killed writer.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from noiseproof.errors import RunError


class FolderLock:
    """An exclusive lock on a folder, given back by the operating system when the process ends, however it ends.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with FolderLock(folder):  # doctest: +ELLIPSIS
    ...     FolderLock(folder).acquire()
    Traceback (most recent call last):
        ...
    noiseproof.errors.RunError: run folder ... is in use by another process (pid ...); wait for it, or ...
    """

    def __init__(self, folder: Path) -> None:
        """A lock on ``folder``, which must exist."""
        self._folder = folder
        self._file = -1

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            RunError: another process has it, or the folder cannot be written or locked.
        """
        path = self._folder / "lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RunError(f"cannot write in {self._folder}: {error.strerror}; choose another --out") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # some network file systems say the second
            holder = os.pread(file, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise RunError(
                f"run folder {self._folder} is in use by another process (pid {holder}); "
                "wait for it, or choose another --out"
            ) from None
        except OSError as error:
            os.close(file)
            raise RunError(
                f"cannot lock {self._folder}: {error.strerror}; choose another --out, on a file system that has locks"
            ) from None
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(file)
            raise RunError(f"cannot write in {self._folder}: {error.strerror}; choose another --out") from None
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

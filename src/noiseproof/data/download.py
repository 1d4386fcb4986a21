"""Downloading a public data set: resumed where it broke off, checked before it gets its name.

Not pooch: it throws a broken download away and begins anew, and asks one address a file.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import DataError
from noiseproof.progress import Progress

if TYPE_CHECKING:
    from noiseproof.data.published import Downloadable, PublishedFile

_ATTEMPTS = 3
_CHUNK = 1 << 16
_TIMEOUT = 30.0
_PASSING = frozenset({408, 416, 429, 500, 502, 503, 504})

_log = logging.getLogger(__name__)


def download(
    source: Downloadable,
    folder: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    address: str | None = None,
    pause: float = 1.0,
) -> Path:
    """Downloads every file of a public data set into a folder, and unpacks there what must be unpacked.

    A file grows as NAME.part, which a broken download leaves for the next one to go on from. It gets its
    name only once its SHA-256 is the published one; a file with another SHA-256 is removed.

    Args:
        source: the data set.
        folder: where its files go; made where it is missing.
        progress: called after every piece.
        address: a base address to use instead of the published ones.
        pause: seconds before a second attempt at one address, doubled for each further one.

    Returns:
        ``folder``.

    Raises:
        ValueError: ``address`` is not http or https.
        DataError: no address serves a file, a file is not the published one, or the folder cannot be written.
    """
    if address is not None and not address.startswith(("http://", "https://")):
        raise ValueError(f"address must begin with http:// or https://, got {address!r}")
    addresses = source.addresses if address is None else (f"{address.rstrip('/')}/",)
    total = sum(file.size for file in source.files)
    before = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in source.files:
            if not _right(folder / file.name, file):
                fetch = _Fetch(source, file, folder, _shifted(progress, before, total), pause)
                fetch.from_any(addresses)
            before += file.size
            if progress is not None:
                progress(Progress(before, total, "bytes"))
        source.unpack(folder)
    except OSError as error:
        raise DataError(
            f"cannot write to {folder}: {error.strerror}; make room or give permission there, "
            "or choose another folder of data sets with NOISEPROOF_DATA"
        ) from error
    return folder


class _TransferError(Exception):
    """One attempt failed; another may not."""


class _AddressError(_TransferError):
    """The address does not serve the file: no further attempt there."""


@dataclass(frozen=True)
class _Fetch:
    """One file on its way from one of several addresses into the folder."""

    source: Downloadable
    file: PublishedFile
    folder: Path
    progress: Callable[[int], None]
    pause: float

    @property
    def part(self) -> Path:
        return self.folder / f"{self.file.name}.part"

    def from_any(self, addresses: tuple[str, ...]) -> None:
        reasons = []
        for address in addresses:
            url = f"{address}{self.file.name}"
            reason = self._from_one(url)
            if reason is None:
                return
            reasons.append(f"{url}: {reason}")
        helps = ", or ".join(
            (
                "check the network and run the same command again",
                f"put the file into {self.folder}",
                *self.source.remedies,
            )
        )
        raise DataError(f"cannot download {'; '.join(reasons)}; {helps}")

    def _from_one(self, url: str) -> str | None:
        """None where the file is here and right, else why not."""
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                resumed = self._transfer(url)
                self._accept(resumed=resumed)
            except _AddressError as error:
                return str(error)
            except _TransferError as error:
                reason = str(error)
                _log.info("attempt %d at %s: %s", attempt + 1, url, reason)
            else:
                return None
        return reason

    def _transfer(self, url: str) -> bool:
        """Lets the part grow to the file's size; True where it had begun earlier."""
        here = self.part.stat().st_size if self.part.exists() else 0
        if here == self.file.size:
            return True
        if here > self.file.size:
            self.part.unlink()
            here = 0
        with self._answer(url, here) as answer:
            resumed = here > 0 and answer.status == http.client.PARTIAL_CONTENT
            if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {here}-"):
                self.part.unlink()
                raise _TransferError("the server went on from another place than asked")
            with self.part.open("ab" if resumed else "wb") as stream:
                done = here if resumed else 0
                while piece := _piece(answer):
                    stream.write(piece)
                    done += len(piece)
                    if done > self.file.size:
                        break
                    self.progress(done)
        if done < self.file.size:
            raise _TransferError(f"the connection broke off at {done:,} of {self.file.size:,} bytes")
        return resumed

    def _answer(self, url: str, here: int) -> http.client.HTTPResponse:
        asked = urllib.request.Request(url, headers={"Range": f"bytes={here}-"} if here else {})
        try:
            answer = urllib.request.urlopen(asked, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                self.part.unlink(missing_ok=True)
            kind = _TransferError if error.code in _PASSING else _AddressError
            raise kind(f"HTTP {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise _TransferError(f"no answer ({reason})") from error
        assert isinstance(answer, http.client.HTTPResponse), "an http or https address was checked for"
        return answer

    def _accept(self, *, resumed: bool) -> None:
        found = _sha256(self.part)
        if found != self.file.sha256:
            size = self.part.stat().st_size
            self.part.unlink()
            # A part begun earlier may come from elsewhere and deserves a fresh start; a fresh file does not.
            kind = _TransferError if resumed else _AddressError
            raise kind(
                f"expected {self.file.size:,} bytes with SHA-256 {self.file.sha256}, found {size:,} bytes with {found}"
            )
        self.part.replace(self.folder / self.file.name)


def _piece(answer: http.client.HTTPResponse) -> bytes:
    """The next bytes; nothing at the end, and nothing where the connection breaks."""
    try:
        return answer.read(_CHUNK)
    except (OSError, http.client.HTTPException):
        return b""


def _right(path: Path, file: PublishedFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and _sha256(path) == file.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shifted(progress: Callable[[Progress], None] | None, before: int, total: int) -> Callable[[int], None]:
    def shifted(done: int) -> None:
        if progress is not None:
            progress(Progress(before + done, total, "bytes"))

    return shifted

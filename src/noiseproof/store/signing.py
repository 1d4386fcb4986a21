"""Who stands behind a run: Ed25519 signatures of its seal, by keys as OpenSSH keeps them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseproof.errors import RunError, pip_install
from noiseproof.store.folder import JOURNAL
from noiseproof.store.journal import read_journal
from noiseproof.store.lines import encoded
from noiseproof.store.manifest import read_manifest
from noiseproof.store.verify import VerificationError

BY, SIGNATURE = "by", "signature"
_MARK = b',"signature":"'


@dataclass(frozen=True)
class Signer:
    """A private key at work.

    Attributes:
        by: the public key that belongs to it, as OpenSSH writes it (``ssh-ed25519 AAAA...``).
        sign: bytes -> their signature of 64 bytes.
    """

    by: str
    sign: Callable[[bytes], bytes]

    def signed(self, entry: dict[str, Any], journal: Path, meaning_hash: str) -> dict[str, Any]:
        """A seal, signed together with the meaning of its run and every byte of the journal before it."""
        entry = entry | {BY: self.by}
        with journal.open("rb") as file:
            before = hashlib.file_digest(file, "sha256").hexdigest()
        signature = self.sign(_statement(meaning_hash, before, encoded(entry)[:-1]))
        return entry | {SIGNATURE: base64.b64encode(signature).decode()}


def unsigned(entry: dict[str, Any]) -> dict[str, Any]:
    """A seal without its signature."""
    return {name: value for name, value in entry.items() if name not in (BY, SIGNATURE)}


def signer(key: Path, ask: Callable[[str], str] | None = None) -> Signer:
    """The private key of a file that ``ssh-keygen -t ed25519`` made.

    Args:
        key: the file.
        ask: asks for the passphrase of a key that has one.

    Raises:
        RunError: it is no such key, its passphrase is wrong, or cryptography is not installed.
    """
    ed25519, serialization = _cryptography()
    raw = _bytes(key)
    try:
        try:
            private = serialization.load_ssh_private_key(raw, None)
        except TypeError:
            if ask is None:
                raise
            private = serialization.load_ssh_private_key(raw, ask(f"passphrase of {key}: ").encode())
    except (TypeError, ValueError, _unsupported()) as error:
        raise RunError(f"sign must be a private key of OpenSSH, as ssh-keygen -t ed25519 makes it: {error}") from None
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise RunError(f"sign must be an Ed25519 key, got another kind in {key}; make one: ssh-keygen -t ed25519")
    form = serialization.PublicFormat.OpenSSH
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, form)
    return Signer(public.decode(), private.sign)


def check_signature(run: Path, trust: Path) -> str:
    """Check that a run was sealed by somebody who is trusted, and is what it was then.

    Args:
        run: a run folder.
        trust: public keys of OpenSSH, one a line (a ``.pub`` file).

    Returns:
        The public key that signed.

    Raises:
        VerificationError: the last seal is not signed, or by nobody trusted, or something was changed or added since.
        RunError: the keys cannot be read, or cryptography is not installed.
    """
    ed25519, serialization = _cryptography()
    journal, meaning_hash = run / JOURNAL, read_manifest(run).meaning_hash
    seal, start, end = None, 0, 0
    for line in read_journal(journal, meaning_hash):
        if line.entry["is"] == "seal":
            seal, start = line, end
        elif line.entry["is"] != "session":
            seal = None
        end = line.end
    if seal is None or not {BY, SIGNATURE} <= seal.entry.keys():
        raise VerificationError(
            f"{run} does not end with a seal that is signed; its line again, with --sign KEY, signs it"
        )
    by, raw = str(seal.entry[BY]), journal.read_bytes()
    if by not in _keys(trust):
        raise VerificationError(f"{run} is signed by {by}, which is not in {trust}")
    body, _, _ = raw[start : seal.end].rpartition(_MARK)
    try:
        public = serialization.load_ssh_public_key(by.encode())
        if not isinstance(public, ed25519.Ed25519PublicKey):
            raise VerificationError(f"{run} is signed by {by}, which is no Ed25519 key")
        before = hashlib.sha256(raw[:start]).hexdigest()
        public.verify(base64.b64decode(str(seal.entry[SIGNATURE])), _statement(meaning_hash, before, body))
    except (ValueError, _invalid()):
        raise VerificationError(f"{run}: the signature of its seal is not that of {by}: it was changed since") from None
    return by


def _statement(meaning_hash: str, journal: str, body: bytes) -> bytes:
    return f"noiseproof-seal 1\n{meaning_hash}\n{journal}\n".encode() + body


def _keys(trust: Path) -> set[str]:
    lines = _bytes(trust).decode("utf-8", "replace").splitlines()
    return {" ".join(line.split()[:2]) for line in lines if line.strip() and not line.startswith("#")}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read the key {path}: {error.strerror}") from None


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise RunError(f"signatures need the package cryptography: {pip_install('sign')}") from None
    return ed25519, serialization


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm


def _invalid() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature

    return InvalidSignature

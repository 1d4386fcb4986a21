"""Every reader of noiseproof, with valid files to start from, and the law that holds for all of them.

The law: whatever the bytes are, a reader returns or raises one of the errors it documents; it ends soon.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import pickle
import shutil
import signal
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.forms import FORMS
from noiseproof.errors import NoiseproofError

_RAM = Path("/dev/shm")


class HangError(BaseException):
    """A read went on past its deadline."""


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        name: how it is called.
        read: reads a file of these bytes in an empty folder.
        seeds: valid files.
        errors: what may come out besides a ``NoiseproofError``.
        torch: whether it needs torch.
    """

    name: str
    read: Callable[[Path, bytes], object]
    make: Callable[[], Sequence[bytes]]
    errors: tuple[type[Exception], ...] = ()
    torch: bool = False

    def seeds(self) -> Sequence[bytes]:
        return _seeds(self)

    def warm_up(self) -> None:
        """Read the valid files: each of them is one, and every module is imported."""
        for raw in self.seeds():
            self.check(raw, deadline=120)

    def check(self, raw: bytes, *, deadline: float) -> Exception | None:
        """Read these bytes; what comes out other than the documented errors is passed on."""
        with _folder() as folder, _limit(deadline):
            try:
                self.read(folder, raw)
            except UnicodeError:
                raise  # a ValueError, but never one for a user
            except (NoiseproofError, *self.errors) as error:
                said = str(error)
                assert len(said) < 2000 + 4 * len(raw), f"an error of {len(said):,} characters: {said[:80]!r}"
                return error
        return None


class _folder:  # noqa: N801
    def __enter__(self) -> Path:
        self.path = Path(tempfile.mkdtemp(dir=_RAM if _RAM.is_dir() else None))
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class _limit:  # noqa: N801
    """The alarm of the operating system; what never gives the interpreter back is killed by the one who started it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        self.before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)

    def _ring(self, *_: object) -> None:
        raise HangError(f"still reading after {self.seconds} s")


@cache
def _seeds(reader: Reader) -> Sequence[bytes]:
    return reader.make()


# --- run folders -----------------------------------------------------------------------------------------------------


def _genuine(folder: Path) -> Path:
    """A small genuine run: two inputs finished, one under way."""
    from noiseproof.noises import Gaussian
    from noiseproof.procedures import Certify
    from noiseproof.store import Manifest, Range, RunFolder

    noise, procedure = Gaussian(sigma=0.5).on((1, 2, 2)), Certify(n0=10, n=200)
    meaning = {
        "model": {"fingerprint": "f" * 64, "architecture": "linear", "num_classes": 3},
        "data": {"name": "grey:test", "shape": [1, 2, 2], "labels": "0" * 32},
        "noise": noise.config(), "procedure": procedure.config(), "seed": 5, "arithmetic": noise.arithmetic,
    }  # fmt: skip
    with RunFolder(folder, Manifest("certify", meaning, "0")) as run:
        run.begin({"device": "cpu", "backend": "torch 2", "precision": "fp32", "batch_size": 4, "version": "0"}, {})
        for index, share in enumerate((0.99, 0.4, 0.9)):
            asking, requests, begun = procedure.run(noise), [], dict[str, int]()
            request = next(asking)
            while True:
                requests.append((request.stage, request.n))
                votes = (round(request.n * share), request.n - round(request.n * share), 0)
                first = begun.get(request.stage, 0)
                begun[request.stage] = first + request.n
                run.add_range(f"k{index}-0", request.stage, Range(first, request.n, votes, 0.25))
                if index == 2:
                    break
                try:
                    request = asking.send(np.array(votes))
                except StopIteration as done:
                    run.add_record(f"k{index}-0", index, 0, requests, done.value)
                    break
    return folder


@cache
def _run_files() -> dict[str, bytes]:
    with _folder() as folder:
        run = _genuine(folder / "run")
        return {name: (run / name).read_bytes() for name in ("manifest.json", "journal.jsonl", "settings.toml")}


def _everything(run: Path) -> None:
    """All readers of a run folder; each is given its chance, the first error comes out at the end."""
    from noiseproof.reports.show import show
    from noiseproof.store import read_run
    from noiseproof.store.exchange import export_run
    from noiseproof.store.manifest import read_manifest
    from noiseproof.store.run import RunFolder
    from noiseproof.store.verify import verify

    def read() -> None:
        found = read_run(run)
        assert len(found.records) == len(found.state.records)

    def parts() -> None:
        found = read_run(run)
        assert found.noise is not None
        assert found.procedure is not None

    def resume() -> None:
        with RunFolder(run, read_manifest(run)) as folder:
            folder.begin({"device": "cpu"}, {})

    first: Exception | None = None
    for step in (read, parts, lambda: verify(run), lambda: show(run), lambda: export_run(run, out=run / "x", format="csv"),
                 resume):  # fmt: skip
        try:
            step()
        except UnicodeError:
            raise
        except (NoiseproofError, ValueError) as error:
            first = first or error
    if first is not None:
        raise first


def _read_manifest(folder: Path, raw: bytes) -> None:
    (folder / "journal.jsonl").write_bytes(_run_files()["journal.jsonl"])
    (folder / "manifest.json").write_bytes(raw)
    _everything(folder)


def _read_meaning(folder: Path, raw: bytes) -> None:
    """Kind and meaning as somebody wrote them, pinned by the right hash, and a journal that continues it."""
    try:
        stored = json.loads(raw)
        kind, meaning, version = stored["kind"], stored["meaning"], stored["version"]
        text = json.dumps([kind, meaning], sort_keys=True, separators=(",", ":"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    pinned = hashlib.sha256(text.encode()).hexdigest()
    whole = {"format": 1, "kind": kind, "version": version, "meaning_hash": pinned, "meaning": meaning}
    (folder / "manifest.json").write_text(json.dumps(whole))
    (folder / "journal.jsonl").write_bytes(_chained(_bodies(_run_files()["journal.jsonl"]), pinned))
    _everything(folder)


def _meanings() -> Sequence[bytes]:
    from noiseproof.noises import Gaussian
    from noiseproof.procedures import Anytime, Curve, Decide, Predict, Sequential, SequentialPredict

    stored = json.loads(_run_files()["manifest.json"])
    made = [json.dumps(stored).encode()]
    noise = Gaussian(sigma=0.5).on((1, 2, 2))
    for procedure in (Predict(n=100), Decide(0.25, n_max=300), Anytime(0.25, n_max=300), Sequential(n_max=300),
                      Curve((0.0, 0.25), n_max=300), SequentialPredict(n_max=300)):  # fmt: skip
        meaning = stored["meaning"] | {"procedure": procedure.config()}
        if design := procedure.design(noise):
            meaning["design"] = design
        made.append(json.dumps(stored | {"kind": procedure.verb, "meaning": meaning}).encode())
    return made


def _read_journal(folder: Path, raw: bytes) -> None:
    (folder / "manifest.json").write_bytes(_run_files()["manifest.json"])
    (folder / "journal.jsonl").write_bytes(raw)
    _everything(folder)


def _read_entries(folder: Path, raw: bytes) -> None:
    """A journal whose every hash is right: what an attacker can write, too."""
    start = json.loads(_run_files()["manifest.json"])["meaning_hash"]
    _read_journal(folder, _chained([line for line in raw.split(b"\n") if line], start))


def _bodies(journal: bytes) -> list[bytes]:
    return [line.rpartition(b',"hash":"')[0] for line in journal.splitlines()]


def _chained(bodies: Sequence[bytes], start: str) -> bytes:
    lines, previous = [], start
    for body in bodies:
        previous = hashlib.sha256(previous.encode() + b"\n" + body).hexdigest()[:32]
        lines.append(body + b',"hash":"' + previous.encode() + b'"}\n')
    return b"".join(lines)


@cache
def _attack_files() -> tuple[bytes, bytes]:
    from noiseproof.store.attacks import Attacked, Judgement
    from noiseproof.store.manifest import Manifest, write_manifest

    point = Attacked("k0-0", 0, 1, 1, 0.5, 1.5, 0.7, 9, 100, (40, 60), 1, 0.01, 1.0)
    again = Attacked("k1-0", 1, None, 1, 0.5, 1.0, 0.4, 9, 100, (90, 10), 0, 0.01, 1.0, again=Judgement(3, 10, (9, 1), 0, 0.1))  # fmt: skip
    bodies = [json.dumps({"is": "session", "settings": {}}).encode()[:-1]]
    bodies += [json.dumps({"is": "point"} | asdict(each)).encode()[:-1] for each in (point, again)]
    manifest = Manifest("attack", {"run": "x"}, "0")
    with _folder() as folder:
        write_manifest(folder, manifest)
        return (folder / "manifest.json").read_bytes(), b"\n".join(bodies)


def _read_attack(folder: Path, raw: bytes) -> None:
    from noiseproof.store.attacks import read_attack

    (folder / "manifest.json").write_bytes(_attack_files()[0])
    start = json.loads(_attack_files()[0])["meaning_hash"]
    (folder / "journal.jsonl").write_bytes(_chained([line for line in raw.split(b"\n") if line], start))
    for point in read_attack(folder).points:
        assert point.broken in (True, False)
        assert point.contradicts in (True, False)


# --- foreign tables --------------------------------------------------------------------------------------------------

_TSV = (
    b"idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t3\t3\t0.41\t1\t0:00:13.736080\n"
    b"20\t8\t8\t1.21\t1\t15.4\n40\t8\t-1\t0.0\t0\t1 day, 0:00:13\n60\t1\t2\t0.378\t0\t15.4\n"
)


def _read_tsv(folder: Path, raw: bytes) -> None:
    from noiseproof.analysis.audit import audit
    from noiseproof.store.exchange import import_run

    file = folder / "sigma_0.25.tsv"
    file.write_bytes(raw)
    first = None
    for step in (
        lambda: audit([file], n=1000),
        lambda: _everything(import_run(file, out=folder / "r", n=1000, alpha=0.001).path),
    ):
        try:
            step()
        except NoiseproofError as error:
            first = first or error
    if first is not None:
        raise first


def _read_topk(folder: Path, raw: bytes) -> None:
    from noiseproof.store.exchange import import_run

    file = folder / "counts.txt"
    file.write_bytes(raw)
    _everything(import_run(file, out=folder / "r", sigma=0.5, n=1000, format="topk", alpha=0.001).path)


# --- pictures --------------------------------------------------------------------------------------------------------


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _idx_seeds() -> Sequence[bytes]:
    pictures = _idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    return [pictures, _idx(np.array([0, 1], np.uint8)), _gzipped(pictures)]


def _gzipped(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


def _read_idx(folder: Path, raw: bytes) -> None:
    from noiseproof.data.idx import read_idx
    from noiseproof.data.source import from_idx

    (folder / "x").write_bytes(raw)
    (folder / "y").write_bytes(_idx(np.array([0, 1], np.uint8)))
    first: NoiseproofError | None = None
    good = 0
    for step in (
        lambda: read_idx(folder / "x", ndim=1),
        lambda: from_idx("x", ("a", "b"), folder / "x", folder / "y", "remedy").images(),
    ):
        try:
            step()
            good += 1
        except NoiseproofError as error:
            first = error
    if first is not None and not good:
        raise first


_SHAPE = (3, 2, 2)


def _batch_seeds() -> Sequence[bytes]:
    array = np.arange(24, dtype=np.uint8).reshape(2, 12)
    batch = {"data": array, "labels": [3, 1], "filenames": ["a.png", "b.png"], "batch_label": "one"}
    # as Python 2 wrote the published ones
    head = b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01bq\x03\x87Rq\x04"
    state = b"(K\x01K\x02K\x0c\x86cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x18"  # fmt: skip
    old = b"\x80\x02}q\x00(U\x04data" + head + state + array.tobytes() + b"tbU\x06labels](K\x03K\x01eu."
    return [old, pickle.dumps(batch, 4)]


def _read_python_batch(folder: Path, raw: bytes) -> None:
    from noiseproof.data.batches import read_python_batch

    (folder / "b").write_bytes(raw)
    pictures, labels = read_python_batch(folder / "b", _SHAPE)
    assert pictures.shape[1:] == _SHAPE
    assert labels.dtype == np.int64


def _read_binary_batch(folder: Path, raw: bytes) -> None:
    from noiseproof.data.batches import read_binary_batch

    (folder / "b").write_bytes(raw)
    read_binary_batch(folder / "b", _SHAPE)


def _png(size: tuple[int, int] = (32, 32), kind: str = "PNG", mode: str = "RGB") -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new(mode, size, 7).save(stream, kind)
    return stream.getvalue()


@cache
def _tar() -> bytes:
    from noiseproof.data.cifar10 import CLASSES

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for kind in CLASSES:
            member = tarfile.TarInfo(f"test/{kind}/0.png")
            raw = _png()
            member.size = len(raw)
            if kind == "cat":
                member.pax_headers = {"comment": "miau"}
            archive.addfile(member, io.BytesIO(raw))
    return stream.getvalue()


def _read_jpeg_archive(folder: Path, raw: bytes) -> None:
    from unittest.mock import patch

    from noiseproof.data import load

    (folder / "cifar10-jpeg.tar.xz").write_bytes(raw)
    with patch("noiseproof.data.cifar10_jpeg.cache", lambda: folder / "cache"), _only(folder):
        load("cifar10-jpeg", root=folder).images()


def _read_jpeg_tar(folder: Path, raw: bytes) -> None:
    _read_jpeg_archive(folder, lzma.compress(raw, preset=0))


def _only(folder: Path) -> Any:
    """Data sets are looked for in this folder alone."""
    from unittest.mock import patch

    return patch("noiseproof.data.places.roots", lambda root=None: [folder])


def _svhn_seeds() -> Sequence[bytes]:
    from scipy.io import savemat

    pictures = np.zeros((32, 32, 3, 2), np.uint8)
    made = []
    for compressed in (False, True):
        stream = io.BytesIO()
        savemat(stream, {"X": pictures, "y": np.array([[10], [1]], np.uint8)}, do_compression=compressed)
        made.append(stream.getvalue())
    return made


def _read_svhn(folder: Path, raw: bytes) -> None:
    from noiseproof.data import load

    (folder / "test_32x32.mat").write_bytes(raw)
    with _only(folder):
        load("svhn", root=folder).images()


def _read_svhn_inside(folder: Path, raw: bytes) -> None:
    """Each element of a MATLAB file compressed anew, so that no checksum keeps a change away from the reader."""
    head, place, made = raw[:128], 128, b""
    while place + 8 <= len(raw):
        length = 8 + int.from_bytes(raw[place + 4 : place + 8], "little")
        packed = zlib.compress(raw[place : place + length], 1)
        made += struct.pack("<II", 15, len(packed)) + packed
        place += length
    _read_svhn(folder, head + made)


def _read_table(folder: Path, raw: bytes) -> None:
    from noiseproof.data import load

    place = folder / "imagenet" / "sample"
    place.mkdir(parents=True)
    (place / "labels.csv").write_bytes(raw)
    for name in ("a.png", "b.png"):
        (place / name).write_bytes(_TINY)
    with _only(folder):
        load("imagenet:sample", root=folder).pixels(0)


_TINY = _png((8, 8))


def _picture_seeds() -> Sequence[bytes]:
    made = [_png((8, 8), kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF")]
    return [*made, _png((8, 8), "PNG", "L"), _png((8, 8), "PNG", "P")]


def _read_picture(folder: Path, raw: bytes) -> None:
    from noiseproof.data import load

    for name in ("a", "b"):
        (folder / "set" / name).mkdir(parents=True)
        (folder / "set" / name / "x.png").write_bytes(raw)
    place = folder / "imagenet" / "sample"
    place.mkdir(parents=True)
    (place / "labels.csv").write_text("file,index\na.png,0\n")
    (place / "a.png").write_bytes(raw)
    with _only(folder):
        first = None
        for step in (lambda: load(f"folder:{folder / 'set'}").images(), lambda: load("imagenet:sample").pixels(0)):
            try:
                step()
            except NoiseproofError as error:
                first = first or error
        if first is not None:
            raise first


# --- models ----------------------------------------------------------------------------------------------------------


def _module() -> Any:
    import torch

    from noiseproof.models.architectures import build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build("lenet", num_classes=2, shape=(1, 16, 16))


@cache
def _checkpoint(legacy: bool) -> bytes:
    import torch

    stream = io.BytesIO()
    state = {"epoch": 3, "arch": "lenet", "state_dict": _small()}
    torch.save(state, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def _small() -> dict[str, Any]:
    """Names of ours with few numbers: what does not fit is refused later than what cannot be read."""
    import torch

    return {"1.module.conv1.weight": torch.zeros(2, 1, 2, 2), "1.module.fc2.bias": torch.ones(2)}


@cache
def _pickle_inside() -> bytes:
    with zipfile.ZipFile(io.BytesIO(_checkpoint(False))) as archive:
        return next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))


def _read_checkpoint(folder: Path, raw: bytes) -> None:
    from noiseproof.models import load
    from noiseproof.models.checkpoint import load_checkpoint
    from noiseproof.training.folder import TrainingFolder

    (folder / "x.pth.tar").write_bytes(raw)
    (folder / "checkpoint.pt").write_bytes(raw)
    first = None

    def tensors() -> None:
        for tensor in load_checkpoint(folder / "x.pth.tar")[0].values():
            if not tensor.is_meta and tensor.numel() < 1 << 20:
                tensor.contiguous().sum()

    for step in (
        tensors,
        lambda: load(folder / "x.pth.tar", arch="lenet", num_classes=2, shape=(1, 16, 16)),
        TrainingFolder(folder).read_checkpoint,
    ):
        try:
            step()
        except NoiseproofError as error:
            first = first or error
    if first is not None:
        raise first


def _read_checkpoint_pickle(folder: Path, raw: bytes) -> None:
    """A pickle inside a whole archive, so that no checksum keeps a change away from the reader."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_checkpoint(False))) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, raw if name.endswith("data.pkl") else old.read(name))
    _read_checkpoint(folder, stream.getvalue())


@cache
def _weights() -> Sequence[bytes]:
    import safetensors.torch

    metadata = {
        "architecture": "lenet", "num_classes": "2", "shape": "[1, 16, 16]", "sigma": "0.25", "mean": "[0.5]",
        "std": "[0.5]", "epochs": "2",
    }  # fmt: skip
    return [safetensors.torch.save(_small(), metadata), safetensors.torch.save(_module_small(), metadata)]


def _module_small() -> dict[str, Any]:
    """All keys of a LeNet, the large matrix left out."""
    return {name: tensor for name, tensor in _module().state_dict().items() if tensor.numel() < 2000}


def _read_weights(folder: Path, raw: bytes) -> None:
    from noiseproof.models import load
    from noiseproof.models.weights import load_weights

    (folder / "w.safetensors").write_bytes(raw)
    first = None
    for step in (lambda: load_weights(folder / "w.safetensors"), lambda: load(folder / "w.safetensors").trained):
        try:
            step()
        except NoiseproofError as error:
            first = first or error
    if first is not None and "does not fit" not in str(first):
        raise first


def _read_metadata(folder: Path, raw: bytes) -> None:
    """What the weights file of a real LeNet says of itself, one JSON table."""
    import safetensors.torch

    from noiseproof.models import load

    try:
        said = {str(name): str(value) for name, value in json.loads(raw).items()}
        packed = safetensors.torch.save(_whole_module(), said)
    except (ValueError, AttributeError, RecursionError, TypeError):
        return
    (folder / "w.safetensors").write_bytes(packed)
    assert load(folder / "w.safetensors").trained is not None


@cache
def _whole_module() -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in _module().state_dict().items()}


_METADATA = json.dumps({"architecture": "lenet", "num_classes": "2", "shape": "[1, 16, 16]", "sigma": "0.25", "mean": "[0.5]", "std": "[0.5]", "epochs": "2"}).encode()  # fmt: skip


def _read_metrics(folder: Path, raw: bytes) -> None:
    from noiseproof.reports.show import show
    from noiseproof.store.manifest import Manifest, write_manifest
    from noiseproof.training.folder import TrainingFolder

    write_manifest(folder, Manifest("train", {"sigma": 0.25}, "0"))
    (folder / "metrics.jsonl").write_bytes(raw)
    first = None
    for step in (lambda: show(folder), lambda: TrainingFolder(folder).keep_metrics(2)):
        try:
            step()
        except NoiseproofError as error:
            first = first or error
    if first is not None:
        raise first


# --- settings --------------------------------------------------------------------------------------------------------

_TOML = (
    b'model = "m"\ndata = "fashion-mnist-small"\nsigma = 0.25\nout = "runs/x"\nn = 1000\nlimit = 5\ntwo_sided = true\n'
)


def _read_settings(folder: Path, raw: bytes) -> None:
    """The settings of certify as the command line takes them; nothing is run."""
    from cyclopts import CycloptsError

    from noiseproof.cli.errors import text_of
    from noiseproof.cli.main import VERBS, app_for

    (folder / "s.toml").write_bytes(raw)
    app, words = app_for(["certify", "--config", str(folder / "s.toml")])
    try:
        app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        text_of(error, VERBS)  # one line for a user as well


def _recipes() -> Sequence[bytes]:
    from noiseproof.cli.recipes import recipe_names

    return [name.encode() for name in recipe_names()[:2]]


def _read_recipe(folder: Path, raw: bytes) -> None:
    from noiseproof.cli.recipes import read_recipe
    from noiseproof.store.settings import read_toml

    (folder / "r.toml").write_bytes(raw)
    try:
        read_toml(folder / "r.toml")
    except NoiseproofError:
        read_recipe(raw.decode(errors="surrogateescape"))
    else:
        read_recipe(raw.decode(errors="surrogateescape"))


READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("manifest", _read_manifest, lambda: [_run_files()["manifest.json"]], (ValueError,)),
        Reader("meaning", _read_meaning, _meanings, (ValueError,)),
        Reader("journal", _read_journal, lambda: [_run_files()["journal.jsonl"]]),
        Reader("entries", _read_entries, lambda: [b"\n".join(_bodies(_run_files()["journal.jsonl"]))]),
        Reader("attack", _read_attack, lambda: [_attack_files()[1]]),
        Reader("tsv", _read_tsv, lambda: [_TSV]),
        Reader("topk", _read_topk, lambda: [b"990 5 5 0\n3 400 500 2\n12 13 14 1\n"]),
        Reader("idx", _read_idx, _idx_seeds),
        Reader("python-batch", _read_python_batch, _batch_seeds),
        Reader("binary-batch", _read_binary_batch, lambda: [bytes(range(26)), bytes(13)]),
        Reader("jpeg-archive", _read_jpeg_archive, lambda: [lzma.compress(_tar(), preset=0)]),
        Reader("jpeg-tar", _read_jpeg_tar, lambda: [_tar()]),
        Reader("svhn", _read_svhn, _svhn_seeds),
        Reader("svhn-inside", _read_svhn_inside, lambda: _svhn_seeds()[:1]),
        Reader(
            "imagenet-table", _read_table, lambda: [b"file,index,wnid,name\na.png,0,n01440764,tench\nb.png,999,n1,x\n"]
        ),
        Reader("picture", _read_picture, _picture_seeds),
        Reader("checkpoint", _read_checkpoint, lambda: [_checkpoint(False), _checkpoint(True)], torch=True),
        Reader("checkpoint-pickle", _read_checkpoint_pickle, lambda: [_pickle_inside()], torch=True),
        Reader("weights", _read_weights, _weights, torch=True),
        Reader("weights-metadata", _read_metadata, lambda: [_METADATA], torch=True),
        Reader(
            "metrics", _read_metrics, lambda: [b'{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": 0.4}\n'], torch=True
        ),
        Reader("settings", _read_settings, lambda: [_TOML], (ValueError,)),
        Reader("recipe", _read_recipe, lambda: [*_recipes(), _TOML], (ValueError,)),
        *(
            Reader(name, read, make)
            for name, (read, make) in FORMS.items()
            if name not in ("parquet", "arrow") or find_spec("pyarrow")
        ),
    )
}
"""All of them, by name."""

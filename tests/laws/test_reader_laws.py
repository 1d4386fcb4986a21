"""Every reader x the law: on any bytes its own errors alone, soon, in little memory, and nothing is run."""

from __future__ import annotations

import importlib.util
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz.mutations import KINDS, apply
from fuzz.targets import READERS, Reader
from noiseproof.errors import DataError, ModelError, RunError

ROOT = Path(__file__).resolve().parents[2]
TORCH = importlib.util.find_spec("torch") is not None
DEADLINE = 20  # seconds a read: a busy machine is not a hang
SLOW = {"settings": 12, "checkpoint": 80, "checkpoint-pickle": 80, "meaning": 80, "picture": 120}
STEPS = st.lists(st.tuples(st.integers(0, KINDS - 1), st.floats(0, 1), st.integers(0, (1 << 32) - 1)), min_size=1)


@pytest.fixture(params=[pytest.param(each, id=name) for name, each in READERS.items()])
def reader(request: pytest.FixtureRequest) -> Reader:
    if request.param.torch and not TORCH:
        pytest.skip("needs torch")
    return request.param


@pytest.fixture(autouse=True)
def _no_warning_is_an_error() -> None:
    """A warning about a strange file is no breach of the law."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_valid_files_are_read(reader):
    for raw in reader.seeds():
        said = reader.check(raw, deadline=60)
        assert said is None or any(text in str(said) for text in _MAY_SAY), said


_MAY_SAY = ("does not fit", "does not hold", "imported without counts", "unknown recipe")
"""What is said of a seed that is a valid file, but of a model, procedure or import that goes no further."""


def test_any_bytes(reader):
    _hold(reader, st.binary(max_size=200), most=40)


def test_valid_files_made_wrong(reader):
    made = st.builds(apply, st.sampled_from(reader.seeds()), STEPS)
    _hold(reader, made, most=250)


def _hold(reader: Reader, made: st.SearchStrategy[bytes], *, most: int) -> None:
    @settings(
        max_examples=min(most, SLOW.get(reader.name, most)),
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(raw=made)
    def holds(raw: bytes) -> None:
        reader.check(raw[: 1 << 16], deadline=DEADLINE)

    holds()


MOST_MB = 300
"""What any plant may add to the process; torch's first use is in it."""

_CHILD = """
import json, resource, sys, time
sys.path.insert(0, {root!r})
from fuzz.plants import PLANTS
from fuzz.targets import READERS
for title in json.loads(sys.argv[1]):
    name, make = PLANTS[title]
    raw = make()
    READERS[name].warm_up()
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        said = READERS[name].check(raw, deadline=20)
        kind = type(said).__name__
    except BaseException as error:
        said, kind = repr(error), "breach"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(json.dumps([title, kind, str(said)[:200], grown, time.monotonic() - begun]), flush=True)
"""


def _planted(titles: list[str]) -> list[list]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD.format(root=str(ROOT)), json.dumps(titles)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(titles), f"the process died of {titles[len(told)]!r} ({done.returncode})\n{done.stderr}"
    return told


@pytest.mark.parametrize("torch", [False, True])
def test_hostile_files_are_refused_soon_and_in_little_memory(torch):
    if torch and not TORCH:
        pytest.skip("needs torch")
    from fuzz.plants import PLANTS

    titles = [title for title, (name, _) in PLANTS.items() if READERS[name].torch == torch]
    for title, kind, said, grown, seconds in _planted(titles):
        assert kind in ("DataError", "ModelError", "RunError", "ValueError", "ChainError"), (title, kind, said)
        assert grown < MOST_MB, (title, grown, said)
        assert seconds < 10, (title, seconds, said)


def test_an_archive_unpacks_to_so_many_bytes_and_no_more(tmp_path, monkeypatch):
    import lzma

    reader = READERS["jpeg-archive"]
    assert reader.check(reader.seeds()[0], deadline=DEADLINE) is None
    monkeypatch.setattr("noiseproof.data.cifar10_jpeg._MOST", 1 << 20)
    assert reader.check(reader.seeds()[0], deadline=DEADLINE) is None
    longer = lzma.compress(lzma.decompress(reader.seeds()[0])[:2048] * 1000, preset=0)
    assert "it unpacks to more than 1,048,576 bytes" in str(reader.check(longer, deadline=DEADLINE))


class _Mischief:
    """Makes a file when it is read by a reader that does what a pickle says."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("within", ["alone", "entry", "key"])
def test_no_pickle_of_a_batch_runs_anything(tmp_path, protocol, within):
    from noiseproof.data.batches import read_python_batch

    raw = pickle.dumps(_wrapped(_Mischief(tmp_path / "made"), within), protocol)
    (tmp_path / "b").write_bytes(raw)
    with pytest.raises(DataError, match="found a pickle that asks for"):
        read_python_batch(tmp_path / "b", (3, 2, 2))
    _would_run(raw, tmp_path / "made")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("within", ["alone", "entry", "key"])
def test_no_checkpoint_runs_anything(tmp_path, legacy, within):
    torch = pytest.importorskip("torch")
    from noiseproof.models import load
    from noiseproof.models.checkpoint import load_checkpoint
    from noiseproof.training.folder import TrainingFolder

    stream = io.BytesIO()
    torch.save(_wrapped(_Mischief(tmp_path / "made"), within), stream, _use_new_zipfile_serialization=not legacy)
    for name in ("x.pth.tar", "checkpoint.pt"):
        (tmp_path / name).write_bytes(stream.getvalue())
    with pytest.raises(ModelError, match="nothing in it was run"):
        load_checkpoint(tmp_path / "x.pth.tar")
    with pytest.raises(ModelError):
        load(tmp_path / "x.pth.tar", arch="lenet", num_classes=2, shape=(1, 16, 16))
    with pytest.raises(RunError, match="is damaged"):
        TrainingFolder(tmp_path).read_checkpoint()
    assert not (tmp_path / "made").exists()
    torch.load(io.BytesIO(stream.getvalue()), weights_only=False)
    assert (tmp_path / "made").exists(), "the plant does nothing: the test would pass on any reader"


def test_the_kept_pictures_of_an_archive_run_nothing(tmp_path, monkeypatch):
    import numpy as np

    from fuzz.targets import _read_jpeg_archive

    archive = READERS["jpeg-archive"].seeds()[0]
    _read_jpeg_archive(tmp_path, archive)
    kept = next((tmp_path / "cache").rglob("*.npz"))
    mischief = np.array([_Mischief(tmp_path / "made")], dtype=object)
    np.savez(kept, pictures=mischief, labels=mischief)
    _read_jpeg_archive(tmp_path, archive)
    assert not (tmp_path / "made").exists()


def _wrapped(thing: object, within: str) -> object:
    return {"alone": thing, "entry": {"data": thing, "state_dict": {"a": thing}}, "key": {("a", 1): [thing]}}[within]


def _would_run(raw: bytes, made: Path) -> None:
    assert not made.exists()
    pickle.loads(raw)
    assert made.exists(), "the plant does nothing: the test would pass on any reader"


def test_an_error_is_one_line_on_the_command_line(tmp_path, capsys):
    from noiseproof.cli.main import run

    (tmp_path / "s.toml").write_bytes(b'"a\\nb\\u001b[2J" = 1\n')
    assert run(["certify", "--config", str(tmp_path / "s.toml")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "\x1b" not in told

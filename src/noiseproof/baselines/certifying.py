"""Certify inputs by another method, and attack each within its radius: one line an input, resumable."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from noiseproof.arguments import real
from noiseproof.attacks import PGD
from noiseproof.baselines.base import Certifier, Method
from noiseproof.baselines.lipschitz import Lipschitz, lipschitz_cnn
from noiseproof.data import DataSet, given
from noiseproof.errors import ModelError
from noiseproof.models import BaseModel
from noiseproof.models import load as load_model
from noiseproof.models.base import fingerprint, frozen
from noiseproof.models.classes import matched
from noiseproof.models.weights import load_weights
from noiseproof.noises.keys import input_key
from noiseproof.progress import Progress
from noiseproof.store.baselines import KIND_BASELINE, Baseline, BaselineFolder, Determined, read_baseline
from noiseproof.store.manifest import Manifest
from noiseproof.version import __version__

DEFAULT_AT = (1.0, 2.0)
DEFAULT_PGD = PGD(steps=100, draws=1)
"""Of a network without noise: nothing is averaged, so one draw, and many steps."""

_ATTACKED = 0.99999
"""The share of the radius that the attack may use: within it the certificate must hold, at it rounding decides."""


def certify(
    method: Method,
    *,
    model: str | Path,
    data: str | DataSet,
    out: str | Path,
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    at: Sequence[float] = DEFAULT_AT,
    attack: PGD = DEFAULT_PGD,
    root: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Baseline:
    """Class and radius of each input, and the network's class where PGD ends at multiples of that radius.

    The same call again resumes; more inputs extend. On the CPU.

    Args:
        method: what certifies; its settings of training mean nothing here.
        model: folder of a training, or anything else that ``noiseproof.models.load`` takes, of plain layers.
        data: a spec, its test split where it names none, or a data set.
        out: folder.
        every: take every so many-th input,
        start: beginning with this index,
        limit: and this many at most.
        at: distances of the attack in units of each input's radius, > 0.
        attack: PGD; its noise is 0.
        root: where data sets lie.
        progress: called after every input.

    Raises:
        ValueError: an argument is out of range.
        ModelError: the package is not installed, or the network is not one that the method knows a bound for.
        RunError: ``out`` cannot be used.
    """
    multiples = tuple(real("at", multiple) for multiple in at)
    if any(not 0 < multiple < math.inf for multiple in multiples):
        raise ValueError(f"at must be > 0 and finite, got {', '.join(map(str, multiples))}")
    source = given(data, split="test", root=None if root is None else Path(root))
    indices = source.select(every=every, start=start, limit=limit)
    network, metadata, named = load_network(model)
    classes = int(metadata.get("num_classes", len(source.classes)))
    source = matched(source, BaseModel(network, "", classes, None, named, str(model), dict(metadata)))
    _check_shape(metadata, source, str(model))
    certifier = method.certifier(network, source.shape)
    labels = hashlib.sha256(source.labels.astype("<i8").tobytes()).hexdigest()[:32]
    meaning = {
        "model": {
            "fingerprint": named,
            "architecture": metadata.get("architecture", ""),
            "num_classes": len(source.classes),
        },
        "data": {"name": source.name, "shape": list(source.shape), "labels": labels},
        "certificate": method.certificate() | certifier.said,
        "attack": attack.config(),
    }
    settings = {"model": str(model), "data": source.name, "every": every, "start": start, "at": list(multiples)}
    environment = {"version": __version__, "backend": f"torch {torch.__version__}", "device": "cpu"}
    trained = {name: json.loads(metadata[name]) for name in ("baseline", "seconds", "sigma") if name in metadata}
    with BaselineFolder(Path(out), Manifest(KIND_BASELINE, meaning, __version__)) as folder:
        folder.begin(environment | {"trained": trained}, settings | ({} if limit is None else {"limit": limit}))
        left = [i for i in indices if not _done(folder.inputs.get(i), multiples)]
        begun = time.monotonic()
        for number, index in enumerate(left, start=1):
            folder.add(_one(certifier, network, source, index, multiples, attack))
            if progress is not None:
                each = (time.monotonic() - begun) / number
                finished = len(indices) - len(left) + number
                seconds_left = each * (len(left) - number)
                progress(Progress(finished, len(indices), "inputs", "with attacks", seconds_left))
    return read_baseline(Path(out))


def load_network(model: str | Path) -> tuple[nn.Sequential, Mapping[str, str], str]:
    """A network of plain layers, what its file says of it, and its fingerprint.

    Raises:
        ModelError: there is none, or it is not a sequence of layers.
    """
    path = Path(model)
    weights = path / "weights.safetensors" if path.is_dir() else path
    if weights.suffix == ".safetensors" and weights.is_file():
        tensors, metadata = load_weights(weights)
        if metadata.get("architecture") == Lipschitz.architecture:
            network = lipschitz_cnn(json.loads(metadata["num_classes"]), tuple(json.loads(metadata["shape"])))
            network.load_state_dict(tensors)
            frozen(network)
            return network, metadata, fingerprint(network, Lipschitz.architecture)
    found = load_model(model)
    if not isinstance(found.module, nn.Sequential):
        raise ModelError(
            f"{model} is a {type(found.module).__name__}, no sequence of plain layers: other certificates go through "
            "layers one by one; give a network such as --arch small-cnn"
        )
    return found.module, {"architecture": found.architecture} | found.metadata, found.fingerprint


def _one(
    certifier: Certifier, network: nn.Sequential, data: DataSet, index: int, at: Sequence[float], attack: PGD
) -> Determined:
    x = torch.from_numpy(data[index][0]).unsqueeze(0).to(certifier.dtype)
    begun = time.perf_counter()
    found = certifier.radii(x)
    seconds = time.perf_counter() - begun
    radius, prediction = float(found.radii), int(found.predictions)
    ended = tuple((m, attacked_class(network, x, prediction, m * radius, attack)) for m in at) if radius > 0 else ()
    return Determined(
        input_key(data.pixels(index)), index, int(data.labels[index]), prediction, radius, round(seconds, 6), ended
    )


def attacked_class(network: nn.Module, x: Tensor, y: int, distance: float, attack: PGD) -> int:
    """The network's class at the point where PGD ends, within the distance but for its last thousandth of a percent."""
    label = torch.tensor([y])
    none = itertools.repeat(torch.zeros_like(x).unsqueeze(0))
    point = attack.climb(network, x, label, radius=_ATTACKED * distance, noises=none)
    with torch.no_grad():
        return int(network(point).argmax(dim=1))


def _done(found: Determined | None, at: Sequence[float]) -> bool:
    return found is not None and (found.radius == 0 or {m for m, _ in found.attacked} >= set(at))


def _check_shape(metadata: Mapping[str, str], data: DataSet, model: str) -> None:
    shape = metadata.get("shape")
    if shape is not None and tuple(json.loads(shape)) != tuple(data.shape):
        raise ModelError(f"{model} takes inputs of shape {shape}, but {data.name} has {list(data.shape)}")

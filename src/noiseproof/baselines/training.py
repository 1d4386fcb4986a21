"""The small training loop of the other methods: Adam for a number of steps, resumable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from noiseproof.arguments import integer, real
from noiseproof.baselines.base import Method
from noiseproof.data import DataSet, given
from noiseproof.data.dataset import pictures_only
from noiseproof.errors import ModelError, RunError
from noiseproof.models.base import frozen
from noiseproof.models.weights import save_weights
from noiseproof.progress import Progress
from noiseproof.store.manifest import write_text

WEIGHTS = "weights.safetensors"
_CHECKPOINT = "checkpoint.pt"
_SETTINGS = "training.json"
_KEEP_EVERY = 50


def train(
    method: Method,
    *,
    data: str | DataSet,
    out: str | Path,
    steps: int = 1000,
    batch_size: int = 50,
    lr: float = 1e-3,
    seed: int = 0,
    root: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train a network by a method; ``weights.safetensors`` and ``training.json`` in ``out``. The same call resumes.

    Adam; the rate falls to 0 along a half cosine. Pictures are not augmented. On the CPU.

    Args:
        method: with its settings.
        data: a spec, its train split where it names none, or a data set.
        out: folder.
        steps: batches, >= 1.
        batch_size: pictures of a batch.
        lr: rate at the beginning, > 0.
        seed: of the first weights, the order of the pictures and random projections.
        root: where data sets lie.
        progress: called at every step.

    Returns:
        The weights file.

    Raises:
        ValueError: an argument is out of range.
        ModelError: the package of the method is not installed, or its loss is no number.
        RunError: ``out`` holds another training.
    """
    steps, batch_size = integer("steps", steps, least=1), integer("batch_size", batch_size, least=1)
    lr, seed = real("lr", lr), integer("seed", seed)
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr must be > 0 and finite, got {lr}")
    source = given(data, split="train", root=None if root is None else Path(root))
    asked = {**method.config(), "data": source.name, "steps": steps, "batch_size": batch_size, "lr": lr, "seed": seed}
    folder = Path(out)
    _claim(folder, asked)
    if (folder / WEIGHTS).exists():
        return folder / WEIGHTS
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _run(method, source, folder, steps, batch_size, lr, seed, asked, progress)


def _run(
    method: Method,
    data: DataSet,
    folder: Path,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    asked: dict[str, object],
    progress: Callable[[Progress], None] | None,
) -> Path:
    network = method.begin(len(data.classes), pictures_only(data).shape).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    pictures, labels = torch.from_numpy(data.images()), torch.from_numpy(data.labels)
    kept = folder / _CHECKPOINT
    first, before = 0, 0.0
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        rate.load_state_dict(state["rate"])
        torch.set_rng_state(state["random"])
        first, before = state["step"], state["seconds"]
    begun = time.monotonic()
    for step in range(first, steps):
        chosen = _batch(step, batch_size, len(labels), seed)
        loss = method.loss(network, pictures[chosen].float() / 255, labels[chosen], step / steps)
        if not bool(loss.detach().isfinite()):
            raise ModelError(f"the loss of {method.name} is no number at step {step}; give a smaller --lr or --eps")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rate.step()
        seconds = before + time.monotonic() - begun
        if progress is not None:
            seconds_left = seconds / (step + 1) * (steps - step - 1)
            progress(Progress(step + 1, steps, "steps", f"loss {float(loss.detach()):.3f}", seconds_left))
        if (step + 1) % _KEEP_EVERY == 0:
            state = {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "rate": rate.state_dict(),
                "random": torch.get_rng_state(),
                "step": step + 1,
                "seconds": seconds,
            }
            torch.save(state, part := kept.with_name(kept.name + ".part"))
            part.replace(kept)
    plain = frozen(method.trained(network.eval()))
    metadata = {
        "architecture": method.architecture,
        "num_classes": json.dumps(len(data.classes)),
        "classes": json.dumps(data.classes),
        "shape": json.dumps(data.shape),
        "data": data.name,
        "baseline": json.dumps(asked),
        "seconds": json.dumps(round(before + time.monotonic() - begun, 1)),
    }
    save_weights(plain, folder / WEIGHTS, metadata)
    kept.unlink(missing_ok=True)
    return folder / WEIGHTS


def _batch(step: int, size: int, pictures: int, seed: int) -> torch.Tensor:
    """Indices of a batch: every pass takes all pictures in an order of its own, the last few of them left out."""
    a_pass = max(1, pictures // size)
    order = torch.Generator().manual_seed(seed * 1_000_003 + step // a_pass)
    return torch.randperm(pictures, generator=order)[step % a_pass * size :][:size]


def _claim(folder: Path, asked: dict[str, object]) -> None:
    """Note what is trained here; refuse a folder of another training."""
    path = folder / _SETTINGS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise RunError(f"cannot use the folder {folder}: {error.strerror}; choose another --out") from None
    except ValueError:
        raise RunError(f"{path} is damaged; choose another --out") from None
    if stored is None and names:
        raise RunError(f"{folder} holds other files and is no training of a baseline; choose another --out")
    if stored is not None and stored != json.loads(json.dumps(asked)):
        differing = [name for name in asked if stored.get(name) != asked[name]] if isinstance(stored, dict) else []
        raise RunError(f"{folder} is another training (differs: {', '.join(differing)}); choose another --out")
    write_text(path, json.dumps(asked, indent=2) + "\n")

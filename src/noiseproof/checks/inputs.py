"""What becomes of inputs before the first layer: clipped, rounded, read bit by bit, in other units."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from noiseproof.checks.finding import Finding
from noiseproof.checks.probe import Probe
from noiseproof.checks.significance import far_above
from noiseproof.checks.variation import variation
from noiseproof.models.normalize import Normalize

_STILL = 1e-6
"""Of the largest score: less is no reaction, but rounding."""
_REACTS = 1e-4
_CIFAR = (
    ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
)
_GREY = ((0.1307, 0.3081), (0.2860, 0.3530), (0.5, 0.25))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def clipped(probe: Probe) -> Finding:
    """Does it see noise beyond [0, 1]? Half of the coordinates are moved within the range, and as far beyond."""
    below = _ignores_beyond(probe, inside=0.25, edge=0.0, beyond=-0.25)
    above = _ignores_beyond(probe, inside=0.75, edge=1.0, beyond=1.25)
    sides = [name for name, ignored in (("below 0", below), ("above 1", above)) if ignored]
    if sides:
        return Finding(
            "clipping",
            "warn",
            f"scores do not react to inputs {' and '.join(sides)}, but do within [0, 1]: the model clips; what is "
            "certified is the model with the clip, so use it with the clip, or take the clip out",
            {"below": float(below), "above": float(above)},
        )
    return Finding("clipping", "ok", "inputs below 0 and above 1 are not clipped", {"below": 0.0, "above": 0.0})


def _ignores_beyond(probe: Probe, *, inside: float, edge: float, beyond: float) -> bool:
    """Whether it reacts to moves from the edge inwards, and to none of as many as far outwards."""
    x, generator = probe.clean[:16], probe.generator
    half = torch.rand(x.shape, generator=generator) < 0.5
    at = [probe.scores(torch.where(half, torch.tensor(level), x)) for level in (edge, inside, beyond)]
    inwards = [variation(at[0][k : k + 1], at[1][k : k + 1]) for k in range(len(x))]
    outwards = [variation(at[0][k : k + 1], at[2][k : k + 1]) for k in range(len(x))]
    return sum(move > _REACTS for move in inwards) >= max(1, len(x) // 4) and max(outwards) <= _STILL


def quantised(probe: Probe) -> Finding:
    """Does it round inputs? On the grid that is allowed: the theorem takes any fixed function."""
    x, generator = probe.rows[:32], probe.generator
    nearer = torch.empty_like(x).uniform_(-0.4, 0.4, generator=generator) / 255
    first = probe.scores(x)
    fine = variation(first, probe.scores(x + nearer))
    whole = variation(first, probe.scores(x + nearer.sign() / 255))
    measured = {"within a step": fine, "a step": whole}
    if fine <= _STILL < whole:
        text = "scores do not change within a step of the 8-bit grid: the model rounds inputs, which is allowed"
        return Finding("rounding", "ok", text, measured)
    return Finding("rounding", "ok", "inputs are not rounded", measured)


def low_bits(probe: Probe) -> Finding:
    """Does it react to the last bit of a float? A smooth function could not; one that reads leaks of the noise does."""
    x, generator = probe.rows[:32], probe.generator
    up = torch.rand(x.shape, generator=generator) < 0.5
    nudged = torch.nextafter(x, torch.where(up, torch.tensor(inf), torch.tensor(-inf)))
    first = probe.scores(x)
    bit, step = variation(first, probe.scores(nudged)), variation(first, probe.scores(x + (2 * up - 1) / 255))
    measured = {"last bit": bit, "grid step": step}
    if bit > 1e-3 and bit > step / 10:
        return Finding(
            "low bits",
            "warn",
            f"the last bit of inputs moves scores by {bit:.1e} of the largest, a whole grid step by {step:.1e}: the "
            "model reads low bits; harmless under exact noise (the default, grid 255), but with float noise (grid 0) "
            "its certificates can be false",
            measured,
        )
    return Finding("low bits", "ok", f"the last bit of inputs moves scores by {bit:.1e} of the largest", measured)


def units(probe: Probe) -> Finding:
    """Does it expect other inputs than [0, 1]? Then noise is in the wrong units, and so is every radius.

    A model trained under much noise may do worse on clean pictures in [0, 1] than in units in which they are rougher,
    and well under its noise: so the other units must also beat the noisy pictures.
    """
    right = probe.predictions == probe.labels
    noisy = probe.under_noise == probe.labels
    plain = float(right.mean())
    measured = {"as is": plain}
    least = probe.chance + 0.2 * (1 - probe.chance)
    worst: tuple[float, str, str] | None = None
    own = getattr(probe.base, "normalize", None)
    own = own if isinstance(own, Normalize) else None
    for name, x, remedy in [*_normalisations(probe.clean, own), *_readings(probe.clean)]:
        other = probe.classes_of(x) == probe.labels
        measured[name] = accuracy = float(other.mean())
        above = all(far_above(other, here, gap=0.15, least=least) for here in (right, noisy))
        if above and (worst is None or accuracy > worst[0]):
            worst = accuracy, name, remedy
    if worst is None:
        return Finding("units", "ok", f"no other units than [0, 1] give far more than {plain:.1%} accuracy", measured)
    accuracy, name, remedy = worst
    if remedy.startswith("--"):
        says = f"accuracy is {plain:.1%} with the model's normalisation, {accuracy:.1%} with {name}: give {remedy}"
        return Finding("units", "refuse", says, measured)
    return Finding(
        "units",
        "refuse",
        f"accuracy is {plain:.1%} on inputs in [0, 1], {accuracy:.1%} on {name}: noise would be in the wrong units; "
        f"put {remedy} into the model, as its first layer",
        measured,
    )


def _readings(x: Tensor) -> list[tuple[str, Tensor, str]]:
    """The same pictures in units that models are trained with: name, pictures, what is missing inside."""
    over = (0, *range(2, x.dim()))
    shape = (1, -1, *[1] * (x.dim() - 2))
    mean, std = x.mean(dim=over).view(shape), x.std(dim=over).clamp(min=1 / 255).view(shape)
    found = [
        ("0..255", x * 255, "the multiplication by 255"),
        ("(x - mean)/std of the data", (x - mean) / std, "the normalisation"),
        ("2x - 1", 2 * x - 1, "the map to [-1, 1]"),
    ]
    if x.dim() == 4 and x.shape[1] == 3:
        centre, spread = (torch.tensor(values).view(shape) for values in _IMAGENET)
        found.append(("(x - mean)/std of ImageNet", (x - centre) / spread, "the normalisation"))
    return found


def _normalisations(x: Tensor, own: Normalize | None) -> list[tuple[str, Tensor, str]]:
    """Pictures that reach the network behind its own normalisation as if that were another, of published trainings."""
    if own is None or x.dim() != 4 or own.mean.numel() not in (1, x.shape[1]):
        return []
    shape = (1, -1, 1, 1)
    mean, std = (part.detach().cpu().view(shape) for part in (own.mean, own.std))
    known = [(mean.flatten().tolist(), [1.0]), ([0.0], [1.0]), ([0.5], [0.5])]
    if x.shape[1] == 3:
        known += [(list(centre), list(spread)) for centre, spread in (_IMAGENET, *_CIFAR)]
        known += [(list(centre), [1.0]) for centre, _ in (_IMAGENET, *_CIFAR)]
    elif x.shape[1] == 1:
        known += [([centre], [spread]) for centre, spread in _GREY]
    found = []
    for centre, spread in known:
        wanted = (x - torch.tensor(centre).view(shape)) / torch.tensor(spread).view(shape)
        texts = [",".join(f"{value:.4g}" for value in part) for part in (centre, spread)]
        flags = f"--mean {texts[0]} --std {texts[1]}"
        found.append((f"mean {texts[0]}, std {texts[1]}", wanted * std + mean, flags))
    return found

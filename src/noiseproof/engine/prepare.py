"""A base classifier made ready for many forward passes: a copy, folded and laid out for speed where that is safe."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from noiseproof.engine.arithmetic import arithmetic
from noiseproof.engine.fuse import fuse
from noiseproof.errors import ModelError
from noiseproof.models.copies import copied
from noiseproof.models.ensemble import Ensemble

log = logging.getLogger(__name__)

_FOLDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
}
_TOLERANCE = 1e-3
"""Of the largest score: folding moves scores by rounding alone, some 1e-6 of it."""


@dataclass(frozen=True)
class Prepared:
    """A base classifier as a backend calls it.

    Attributes:
        base: the same function up to rounding, on the device.
        channels_last: whether it is faster with pictures in this layout.
        folded: how many batch-norms were folded into the convolutions before them.
        fused: how many convolutions compute the ReLU behind them too, on CUDA.
    """

    base: Callable[[Tensor], Tensor]
    channels_last: bool
    folded: int
    fused: int = 0


def prepared(
    base: Callable[[Tensor], Tensor], *, shape: tuple[int, ...], device: torch.device, precision: str = "fp32"
) -> Prepared:
    """A copy of a module on the device, with batch-norm folded into convolutions and channels last where safe.

    The caller's module is never changed. What is tried is kept only if the scores of two probing inputs stay the
    same up to rounding; else the module is called as it is. Folding asks torch.fx which batch-norm always follows
    which convolution; the copy remains ordinary Python. On CUDA the trace itself is run where convolutions can be fused
    with what follows them. What is compared is computed in IEEE fp32. Whatever is no module is returned as it is.

    Channels last is for a CPU and for the tensor cores of a GPU: its IEEE fp32 convolutions are 1.3 to 3.5 times as
    fast on channels first, at every batch size (docs/performance.md).

    Args:
        base: the base classifier, in eval mode.
        shape: of one input.
        device: where it is to be called.
        precision: with "bf16" the weights that autocast would cast in each call are cast once.

    Raises:
        ModelError: the module must be moved to another device and cannot be copied.
    """
    with arithmetic("fp32", device):
        ready = _prepared(base, shape, device, precision)
    if device.type == "cuda":
        gc.collect()  # traces are cycles that hold copies of the weights
    return ready


def _prepared(
    base: Callable[[Tensor], Tensor], shape: tuple[int, ...], device: torch.device, precision: str
) -> Prepared:
    if not isinstance(base, nn.Module):
        return Prepared(base, channels_last=False, folded=0)
    moved = any(tensor.device != device for tensor in chain(base.parameters(), base.buffers()))
    convolves = any(type(part) in _FOLDS for part in base.modules())
    if not moved and not convolves:
        return Prepared(base, channels_last=False, folded=0)
    try:
        plain = copied(base).to(device)
    except Exception as error:
        if moved:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"the base classifier cannot be copied to {device} ({said}); move it there yourself"
            ) from error
        log.info("the base classifier cannot be copied (%s): it is called as it is", error)
        return Prepared(base, channels_last=False, folded=0)
    if not convolves:
        return Prepared(plain, channels_last=False, folded=0)
    plain.requires_grad_(False)
    probe = torch.rand((2, *shape), generator=torch.Generator().manual_seed(0)).to(device)
    wanted = _scores(plain, probe)
    if wanted is None:  # the backend will say what is wrong
        return Prepared(plain, channels_last=False, folded=0)
    made, folded = fold(plain)
    picture = len(shape) == 3 and (device.type, precision) != ("cuda", "fp32")
    tried = [(made, folded, picture), (made, folded, False), (plain, 0, picture)]
    for module, pairs, last in tried:
        layout = torch.channels_last if last else torch.contiguous_format
        candidate = copied(module) if last else module
        if last:
            candidate = candidate.to(memory_format=layout)  # type: ignore[call-overload]  # missing in its stubs
        if same_scores(_scores(candidate, probe.contiguous(memory_format=layout)), wanted):
            faster, calls = fuse(candidate) if device.type == "cuda" else (candidate, 0)
            if calls and not same_scores(_scores(faster, probe.contiguous(memory_format=layout)), wanted):
                faster, calls = candidate, 0
            return Prepared(_cast(faster) if precision == "bf16" else faster, last, pairs, calls)
    log.info("the base classifier is called as it is: folded or channels-last it gives other scores")
    return Prepared(plain, channels_last=False, folded=0)


def fold(module: nn.Module) -> tuple[nn.Module, int]:
    """A copy with batch-norm folded into the convolutions before it, and how many were folded.

    Folded is a pair of which the trace of torch.fx says that each is called exactly once, that nothing else sees the
    convolution's output, and that no hook and no other code touches either. A module that cannot be traced, or has no
    such pair, is returned as it is. An ensemble is folded member by member, since a consensus cannot be traced.

    Args:
        module: in eval mode.
    """
    if not any(type(part) in _FOLDS.values() for part in module.modules()):
        return module, 0
    if type(module) is Ensemble and not (module._forward_hooks or module._forward_pre_hooks):
        members = [fold(member) for member in module.members]
        count = sum(pairs for _, pairs in members)
        return (Ensemble([member for member, _ in members], module.consensus), count) if count else (module, 0)
    try:
        graph = fx.Tracer().trace(copied(module))  # a copy, since tracing runs the module's Python
        made = copied(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a forward pass does with what is no tensor
        log.info("batch-norm is not folded: torch.fx cannot trace the base classifier (%s)", error)
        return module, 0
    parts = dict(made.named_modules())
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    touched = [str(node.target) for node in graph.nodes if node.op == "get_attr"]
    folded = 0
    for node in graph.nodes:
        if node.op != "call_module" or node.kwargs or len(node.args) != 1:
            continue
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        names = str(before.target), str(node.target)
        conv, norm = (parts[name] for name in names)
        alone = all(calls[name] == 1 and not any(each.startswith(f"{name}.") for each in touched) for name in names)
        if alone and _foldable(conv, norm):
            _put(made, names[0], fuse_conv_bn_eval(conv, norm))
            _put(made, names[1], nn.Identity())
            folded += 1
    return (made, folded) if folded else (module, 0)


def _foldable(conv: nn.Module, norm: nn.Module) -> bool:
    # exact types: a subclass may do something else with its weights
    if (type(conv), type(norm)) not in _FOLDS.items():
        return False
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
    hooked = any(
        part._forward_hooks or part._forward_pre_hooks or hasattr(part, "parametrizations") for part in (conv, norm)
    )
    return norm.running_mean is not None and not norm.training and not conv.training and not hooked


def _put(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, part)


def _scores(module: nn.Module, x: Tensor) -> Tensor | None:
    try:
        with torch.inference_mode():
            scores = module(x.clone())  # it may work in place
    except (Exception, SystemExit):  # noqa: BLE001  # any, of any module
        return None
    return scores if isinstance(scores, Tensor) and bool(torch.isfinite(scores).all()) else None


def same_scores(scores: Tensor | None, wanted: Tensor) -> bool:
    """Whether scores are those wanted up to rounding: to a thousandth of the largest."""
    if scores is None or scores.shape != wanted.shape:
        return False
    return bool((scores - wanted).abs().max() <= _TOLERANCE * wanted.abs().max())


def _cast(module: nn.Module) -> nn.Module:
    """Weights of convolutions and linear layers in bf16, as autocast casts them in each call."""
    for part in module.modules():
        if type(part) in {*_FOLDS, nn.Linear}:
            part.to(torch.bfloat16)
    return module

"""conv -> relu and conv -> add -> relu as one cuDNN call each."""

from __future__ import annotations

import copy
import logging
import operator
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

log = logging.getLogger(__name__)

_RELUS = (F.relu, torch.relu)
_ADDS = (operator.add, torch.add)


class FusedConv(nn.Module):
    """relu(conv(x)) or relu(conv(x) + z): one kernel on CUDA, the plain operations elsewhere."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """The activations."""
        c = self.conv
        if not x.is_cuda:
            y = c(x)
            return F.relu(y if z is None else y + z)
        assert isinstance(c.padding, tuple), "see fuse"
        x = x.to(c.weight.dtype)
        if z is None:
            return torch.cudnn_convolution_relu(x, c.weight, c.bias, c.stride, c.padding, c.dilation, c.groups)
        z = z.to(c.weight.dtype)
        return torch.cudnn_convolution_add_relu(x, c.weight, z, 1.0, c.bias, c.stride, c.padding, c.dilation, c.groups)


def fuse(module: nn.Module) -> tuple[nn.Module, int]:
    """The trace of a folded module, with one call for each convolution that ends in a ReLU, and how many there are.

    Fused is a plain two-dimensional convolution whose output goes into an addition and a ReLU, or a ReLU, and nowhere
    else. A module that cannot be traced, or has no such place, is returned as it is. Whether the trace computes the
    same is for the caller to try: what Python decides is decided once, and += is +, whoever else holds the tensor.

    Args:
        module: in eval mode.
    """
    try:
        made = fx.symbolic_trace(copy.deepcopy(module))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a forward pass does with what is no tensor
        log.info("nothing is fused: torch.fx cannot trace the base classifier (%s)", error)
        return module, 0
    parts, graph, count = dict(made.named_modules()), made.graph, 0
    for node in list(graph.nodes):
        if not _is_relu(node, parts):
            continue
        inner = _before(node.args[0], parts)
        z: fx.Node | None = None
        if _is_call(inner, _ADDS) and len(inner.users) == 1 and len(inner.args) == 2 and not inner.kwargs:
            a, b = (_before(each, parts) for each in inner.args)
            if a is None or b is None or a is b:
                continue
            if _is_conv(a, parts):
                inner, z = a, b
            elif _is_conv(b, parts):
                inner, z = b, a
        if not _is_conv(inner, parts):
            continue
        name = f"fused_{count}"
        made.add_module(name, FusedConv(parts[str(inner.target)]))
        with graph.inserting_before(node):
            new = graph.call_module(name, (inner.args[0],) if z is None else (inner.args[0], z))
        node.replace_all_uses_with(new)
        graph.erase_node(node)
        count += 1
    if not count:
        return module, 0
    graph.eliminate_dead_code()
    made.delete_all_unused_submodules()
    made.recompile()
    return made, count


def _is_call(node: fx.Node | None, targets: tuple[object, ...]) -> TypeGuard[fx.Node]:
    return node is not None and node.op == "call_function" and node.target in targets


def _is_relu(node: fx.Node, parts: dict[str, nn.Module]) -> bool:
    part = parts.get(str(node.target)) if node.op == "call_module" else None
    of_part = type(part) is nn.ReLU and _plain(part)
    method = node.op == "call_method" and node.target in ("relu", "relu_")
    return (of_part or method or _is_call(node, _RELUS)) and bool(node.args)


def _is_conv(node: fx.Node | None, parts: dict[str, nn.Module]) -> TypeGuard[fx.Node]:
    if not (node is not None and node.op == "call_module" and len(node.users) == 1 and not node.kwargs):
        return False
    conv = parts.get(str(node.target))
    # exact type: a subclass may do something else with its weights
    if type(conv) is not nn.Conv2d or not _plain(conv):
        return False
    return conv.groups == 1 and conv.padding_mode == "zeros" and isinstance(conv.padding, tuple)


def _before(node: object, parts: dict[str, nn.Module]) -> fx.Node | None:
    """The node itself, past what folding left of a batch-norm."""
    while (
        isinstance(node, fx.Node)
        and node.op == "call_module"
        and type(parts.get(str(node.target))) is nn.Identity
        and len(node.users) == 1
    ):
        node = node.args[0]
    return node if isinstance(node, fx.Node) else None


def _plain(part: nn.Module) -> bool:
    hooked = part._forward_hooks or part._forward_pre_hooks or hasattr(part, "parametrizations")
    return not hooked

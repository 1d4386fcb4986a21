"""Several processes that train one model: each takes its rows of every joint batch, the gradients are averaged.

Started by ``torchrun --nproc-per-node 2 -m noiseproof train ...``. The joint batch sees the pictures, crops and noise
that a single process would give it, so without batch-norm the result is that of one process up to rounding. Batch-norm
takes the statistics of a process's own rows, and the first process's running statistics are kept: so did the training
on several GPUs of Cohen et al. 2019.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from noiseproof.errors import NoiseproofError
from noiseproof.training.randomness import Part

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """The processes of a training: the number of this one, and how many there are.

    >>> Team(rank=1, size=2).part(5)
    Part(joint=5, rows=slice(3, 5, None), weight=0.8)
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def part(self, joint: int) -> Part:
        """This process's rows of a joint batch.

        The weight makes the mean over the processes the mean over the rows. A process that gets none, since there are
        fewer rows than processes, takes the first row with weight 0: every process must take part in every step.
        """
        begin, end = (-(-joint * rank // self.size) for rank in (self.rank, self.rank + 1))
        weight = (end - begin) * self.size / joint
        return Part(joint, slice(begin, end) if begin < end else slice(0, 1), weight)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module whose gradients are the means over the processes; itself where there is one."""
        if self.size == 1:
            return module
        # Buffers are shared once an epoch (``share_buffers``): DDP would overwrite them between two forward passes
        # of one step, which autograd refuses.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch 2.13 has a new name, which 2.6 does not know
            return DistributedDataParallel(module, broadcast_buffers=False)

    def share_buffers(self, module: nn.Module) -> None:
        """Gives every process the first one's buffers (running statistics), as a resumed run has them."""
        if self.size > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def add(self, tensor: Tensor) -> Tensor:
        """The sum over the processes."""
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def first(self, act: Callable[[], T]) -> T:
        """Acts in the first process only; every process gets what it returned, or the user's error it raised."""
        if self.size == 1:
            return act()
        said: list[T | NoiseproofError | None] = [None]
        if self.is_first:
            try:
                said = [act()]
            except NoiseproofError as error:
                said = [error]
        dist.broadcast_object_list(said, src=0)
        if isinstance(said[0], NoiseproofError):
            raise said[0]
        return cast("T", said[0])


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team that torchrun started, joined for as long as the context lasts; else a team of one.

    Inside another such context, or where the caller has set up a process group, it is that group.
    """
    if dist.is_available() and dist.is_initialized():
        yield Team(dist.get_rank(), dist.get_world_size())
    elif not _started_by_torchrun():
        yield Team()
    else:
        on_gpu = device.type == "cuda"
        if on_gpu:
            torch.cuda.set_device(device)
        store, rank, size = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
        store = dist.PrefixStore(_attempt(), store)  # type: ignore[attr-defined]
        # Imported while there is a group, as an optimizer's first step would, it keeps the group (torch 2.13), whose
        # threads then abort the process now and then while Python shuts down.
        importlib.import_module("torch._dynamo")
        dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=size)
        try:
            yield Team(dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()


def is_first_process() -> bool:
    """Whether this process is the one that talks to the user: asked before a team is joined."""
    return not _started_by_torchrun() or int(os.environ["RANK"]) == 0


def _attempt() -> str:
    """A name for this start of the processes, so that none meets the addresses that a killed one left.

    torchrun keeps its store over restarts (github.com/pytorch/pytorch/issues/135712). It counts restarts a machine:
    on several machines set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, with which every start has a new store.
    """
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return f"start {os.environ['TORCHELASTIC_RESTART_COUNT'] if kept else 0}"


def _started_by_torchrun() -> bool:
    return dist.is_available() and dist.is_torchelastic_launched() and int(os.environ.get("WORLD_SIZE", "1")) > 1

import math

import pytest
import torch
import torch.distributed as dist

from noiseproof.training.distributed import Team
from noiseproof.training.losses.noisy import accuracy, frozen_in_eval_mode, log_vote, noisy_scores


def test_the_copies_of_a_picture_keep_their_noise():
    x, noise = torch.rand(2, 1, 1, 3), torch.randn(6, 1, 1, 3)
    found = noisy_scores(torch.nn.Flatten(), x, noise)
    assert found.shape == (3, 2, 3)
    assert found.dtype == torch.float64
    assert torch.equal(found[2, 1].float(), (x[1] + noise[5]).flatten())


def test_the_vote_is_the_mean_of_the_softmaxes():
    scores = torch.tensor([[[0.0, 0.0]], [[math.log(3), 0.0]]], dtype=torch.float64)
    assert log_vote(scores).exp()[0].tolist() == pytest.approx([5 / 8, 3 / 8])
    assert accuracy(scores, torch.tensor([1])).item() == 0.0
    assert accuracy(scores, torch.tensor([0])).item() == 1.0


def test_it_is_held_still_until_an_error_comes_too():
    net = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="mine"), frozen_in_eval_mode(net):
        raise RuntimeError("mine")
    assert net.training
    assert net.weight.requires_grad


def test_of_several_processes_it_is_ones_own_model():
    net = torch.nn.Linear(2, 2)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with frozen_in_eval_mode(Team(0, 2).wrap(net)) as still:
            assert still is net
            assert not net.training
    finally:
        dist.destroy_process_group()
    assert net.training

import pytest
import torch

from noiseproof.models import Normalize


def test_each_channel_has_its_own_constants():
    x = torch.ones(1, 2, 1, 1)
    assert Normalize([0.5, 0.0], [0.5, 4.0])(x).flatten().tolist() == [1.0, 0.25]


def test_nothing_is_in_the_state():
    assert Normalize([0.5], [0.5]).state_dict() == {}


def test_channels_that_differ():
    with pytest.raises(ValueError, match=r"^mean and std must have one entry a channel, got 1 and 2$"):
        Normalize([0.5], [0.5, 0.5])


def test_a_standard_deviation_of_zero():
    with pytest.raises(ValueError, match=r"^std must be > 0 in each channel, got \[0.0\]$"):
        Normalize([0.5], [0.0])

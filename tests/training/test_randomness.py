import pytest
import torch

from noiseproof.training.randomness import derived_seed, generator, global_generator

CPU = torch.device("cpu")


def test_each_of_seed_purpose_and_epoch_counts():
    seeds = {derived_seed(s, p, e) for s in range(20) for p in ("order", "noise") for e in range(20)}
    assert len(seeds) == 800
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_rule_stays_what_it_is():
    assert derived_seed(0, "noise", 0) == 1950905863


def test_the_same_key_gives_the_same_numbers():
    draws = [torch.rand(4, generator=generator(CPU, 0, "noise", epoch)).tolist() for epoch in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_the_global_generator_is_seeded_inside_and_as_before_after():
    inside = []
    for epoch in (3, 3, 4):
        torch.rand(1)  # what it is outside does not matter
        before = torch.get_rng_state()
        with global_generator(CPU, 0, "module", epoch):
            inside.append(torch.rand(3).tolist())
        assert torch.equal(torch.get_rng_state(), before)
    assert inside[0] == inside[1] != inside[2]


def test_as_before_also_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt), global_generator(CPU, 0, "module", 3):
        raise KeyboardInterrupt
    assert torch.equal(torch.get_rng_state(), before)

"""Runs of several models: counted, resumed, drawn again, attacked and refused as those of one."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof import verify
from noiseproof.engine.prepare import fold, prepared
from noiseproof.errors import ModelError, RunError
from noiseproof.models import Ensemble
from noiseproof.store import read_run
from tests.asking import bench, doctor, falsify, redraw

SOURCE = """
import torch

def make(seed):
    generator = torch.Generator().manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    net[1].weight.data = torch.randn(3, 16, generator=generator)
    net[1].bias.data = torch.zeros(3)
    return net
"""
QUICK = {"device": "cpu", "workers": 1}


@pytest.fixture
def models(make_model):
    return [make_model(seed=seed) for seed in range(3)]


@pytest.fixture
def specs(tmp_path):
    found = []
    for seed in range(3):
        path = tmp_path / f"m{seed}.py"
        path.write_text(f"{SOURCE}\ndef net():\n    return make({seed})\n")
        found.append(f"{path}:net")
    return found


class Rule(nn.Module):
    """K-consensus as one reads it: every member is asked about every row."""

    def __init__(self, members, consensus):
        super().__init__()
        self.members, self.consensus = nn.ModuleList(members), consensus

    def forward(self, x):
        scores = torch.stack([member(x) for member in self.members])
        first = scores[: self.consensus].argmax(2)
        agreed = (first == first[0]).all(0)
        return nn.functional.one_hot(torch.where(agreed, first[0], scores.sum(0).argmax(1)), 3).float()


def test_one_model_in_a_list_is_that_model(certified, as_set, model):
    one, alone = certified("one", model=[model]), certified("alone")
    assert as_set(one) == as_set(alone)
    assert one.manifest == alone.manifest
    assert "members" not in one.state.sessions[0]


def test_the_counts_are_those_of_the_mean(certified, as_set, models):
    mean = nn.Linear(16, 3)
    mean.weight.data = sum(model[1].weight for model in models) / 3
    mean.bias.data = sum(model[1].bias for model in models) / 3
    wanted = as_set(certified("mean", model=nn.Sequential(nn.Flatten(), mean).eval(), common_noise=True))
    assert as_set(certified(model=models, common_noise=True)) == wanted
    assert as_set(certified("first", model=models[:1], common_noise=True)) != wanted


@pytest.mark.parametrize("batch_size", [1, 7, 32, 100])
def test_the_counts_of_a_consensus_are_those_of_its_rule_in_any_batch(certified, as_set, models, batch_size):
    alike = {"limit": 4, "common_noise": True}
    wanted = as_set(certified("rule", model=Rule(models, 2).eval(), **alike))
    assert as_set(certified(model=models, consensus=2, batch_size=batch_size, **alike)) == wanted
    assert as_set(certified("mean", model=models, **alike)) != wanted


def test_a_run_says_its_models_and_what_a_draw_takes(certified, specs, tmp_path):
    run = certified(model=specs, consensus=2, limit=1)
    (session,) = run.state.sessions
    assert session["settings"]["model"] == specs
    assert session["settings"]["consensus"] == 2
    assert session["draw_takes"] == "2 forward passes, 3 where they disagree"
    alone = [certified(f"{k}", model=spec, limit=1).manifest.meaning["model"] for k, spec in enumerate(specs)]
    assert session["members"] == [each["fingerprint"] for each in alone]
    assert run.manifest.meaning["model"]["architecture"] == "2-consensus of m0.py:net, m1.py:net, m2.py:net"
    assert (tmp_path / "run" / "settings.toml").read_text().count("model = [") == 1


@pytest.mark.parametrize("consensus", [None, 2])
def test_a_run_is_resumed_and_another_ensemble_is_not(certified, as_set, specs, tmp_path, consensus):
    whole = as_set(certified("whole", model=specs, consensus=consensus))
    certified(model=specs, consensus=consensus, limit=3)
    assert as_set(certified(model=specs, consensus=consensus)) == whole
    assert verify(tmp_path / "run").records == 8
    for model, other in ((specs, 2 if consensus is None else None), (specs[::-1], consensus), (specs[0], None)):
        with pytest.raises(RunError, match=r"has another meaning: model\.(architecture|fingerprint) is "):
            certified(model=model, consensus=other)


@pytest.mark.parametrize("consensus", [None, 2])
def test_it_is_drawn_again_and_attacked_through_its_settings(certified, specs, data, tmp_path, consensus):
    certified(model=specs, consensus=consensus, limit=3, sigma=0.1)
    again = redraw(tmp_path / "run", 3, data=data, **QUICK)
    assert (again.of, again.differing) == (len(again.inputs), 0)
    assert redraw(tmp_path / "run", 1, model=specs, data=data, **QUICK).differing == 0
    found = falsify(tmp_path / "run", data=data, limit=1, n=50, at=(0.5, 1.0), **QUICK)
    assert len(found.points) > 2
    assert f'"{specs[2]}"]' in (tmp_path / "run-falsify" / "settings.toml").read_text()


@pytest.mark.parametrize("chosen", [slice(0, 1), slice(0, 2), slice(None, None, -1)])
def test_another_ensemble_than_the_run_s_is_named_by_fingerprints(certified, specs, data, tmp_path, chosen):
    certified(model=specs, consensus=2, limit=1)
    with pytest.raises(
        ModelError, match=r"has the fingerprint .*, but .*run was certified with .*; give the certified"
    ):
        redraw(tmp_path / "run", 1, model=specs[chosen], data=data, **QUICK)


def test_members_without_gradients_or_names_still_have_a_run(certified, models, tmp_path, data):
    certified(model=models, consensus=2, limit=1, model_id="mine")
    assert read_run(tmp_path / "run").manifest.meaning["model"]["fingerprint"] == "named mine"
    assert redraw(tmp_path / "run", 1, model=models, data=data, **QUICK).differing == 0


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_mean_is_exported_and_a_consensus_refused(certified, as_set, models, tmp_path, name):
    pytest.importorskip(name, reason=f"{name} is not installed")
    with pytest.raises(
        ModelError, match=f"^backend {name} runs one fixed graph, but a consensus .* use --backend torch"
    ):
        certified(model=models, consensus=2, backend=name)
    assert not (tmp_path / "run").exists()
    assert as_set(certified(model=models, limit=2, backend=name)) == as_set(certified("torch", model=models, limit=2))


class Company(nn.Module):
    """Scores that vary a little with the rest of the batch, as some kernels' do."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, x):
        scores = self.base(x)
        return scores + 1e-6 * scores.mean()


def test_a_consensus_of_scores_that_vary_is_refused_and_their_mean_is_not(certified, models):
    models = [Company(model).eval() for model in models]
    (session,) = certified("mean", model=models, limit=1).state.sessions
    assert session["tolerance"] > 0
    with pytest.raises(
        ModelError, match=r"vary here by up to .*leave --consensus out.*; or compute on another --device"
    ):
        certified(model=models, consensus=2, limit=1)


def test_doctor_looks_at_several_together(models, data):
    found = doctor(model=models, data=data, consensus=2, num_classes=3, device="cpu")
    assert found.model == "2-consensus of " + ", ".join(["torch.nn.modules.container.Sequential"] * 3)
    assert {finding.name: finding.verdict for finding in found.findings}["own row"] == "ok"
    with pytest.raises(ValueError, match="consensus must be at least 2"):
        doctor(model=models[0], data=data, consensus=2, num_classes=3, device="cpu")


@pytest.mark.slow
def test_bench_measures_several_together(specs):
    options = {"num_classes": 3, "shape": (1, 4, 4), "seconds": 0.5, **QUICK}
    found = bench(model=specs, consensus=2, **options)
    assert found.environment["model"] == f"2-consensus of {', '.join(specs)}"
    assert found.best.median > 0
    with pytest.raises(ValueError, match="consensus must be at least 2"):
        bench(model=specs[0], consensus=2, **options)


def normed(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    net[1].running_mean.normal_()
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("consensus", [None, 2])
def test_batch_norm_is_folded_in_every_member(consensus):
    base = Ensemble([normed(seed) for seed in range(3)], consensus)
    made, count = fold(base)
    assert (count, made.consensus) == (3, consensus)
    x = torch.randn(64, 1, 4, 4)
    assert (made(x) - base(x)).abs().max() < 1e-5
    assert type(base.members[0][1]) is nn.BatchNorm2d
    ready = prepared(base, shape=(1, 4, 4), device=torch.device("cpu"))
    assert ready.folded == 3
    assert (ready.base(x) - base(x)).abs().max() < 1e-5


def test_an_ensemble_with_a_hook_is_not_taken_apart():
    base = Ensemble([normed(seed) for seed in range(3)], 2)
    base.register_forward_hook(lambda module, inputs, scores: scores * 2)
    assert fold(base) == (base, 0)

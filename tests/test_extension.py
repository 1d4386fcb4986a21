"""To add X, write Y: each row of docs/architecture.md, done from outside the package and held by the laws.

A variant is registered by a call, or by an entry point as an installed package has it; then it is asked for on the
command line like one of the package's own.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from noiseproof.asked.compute import ExecutorName
from noiseproof.cli.main import run
from noiseproof.data import DATA_SETS
from noiseproof.engine import TorchBackend
from noiseproof.noises import NOISES
from noiseproof.procedures import PROCEDURES
from noiseproof.registry import Registry
from noiseproof.reports.experiments import EXPERIMENTS
from noiseproof.runners.executors import EXECUTORS
from noiseproof.store import read_run
from noiseproof.tallies import TALLIES
from noiseproof.training.losses import LOSSES, GaussianLoss
from tests.laws import test_loss_laws as loss_laws
from tests.laws import test_noise_laws as noise_laws
from tests.laws import test_procedure_laws as procedure_laws
from tests.laws import test_tally_laws as tally_laws
from tests.toys.loss import Smoothed
from tests.toys.noise import Uniform
from tests.toys.procedure import Hoeffding
from tests.toys.tally import Parity, PredictParity

TOYS = Path(__file__).parent / "toys"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
REGISTRIES: dict[str, Registry[Any]] = {
    "noises": NOISES,
    "procedures": PROCEDURES,
    "tallies": TALLIES,
    "data_sets": DATA_SETS,
    "losses": LOSSES,
    "executors": EXECUTORS,
    "experiments": EXPERIMENTS,
}
INSTALLED = {
    "noises": ("uniform", "noise:Uniform"),
    "procedures": ("hoeffding", "procedure:Hoeffding"),
    "data_sets": ("stripes", "data:STRIPES"),
    "losses": ("label-smoothing", "loss:Smoothed"),
    "executors": ("one-row", "executor:OneRow"),
    "experiments": ("draws", "report:DRAWS"),
}
MODEL = """
import torch

def make():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    row, column = torch.arange(64) // 8, torch.arange(64) % 8
    net[1].weight.data = torch.stack([(at == 0).float() - (at == 1).float() for at in (column, row)])
    return net
"""


def test_help_lists_the_executors_that_are_here():
    assert get_args(ExecutorName) == tuple(EXECUTORS)


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch) -> None:
    """What a test registers is gone after it."""
    for registry in REGISTRIES.values():
        monkeypatch.setattr(registry, "_known", dict(registry))


@pytest.fixture
def installed(monkeypatch) -> None:
    """The toys as entry points of a package that is installed."""
    toys = {f"noiseproof.{group}": (name, f"tests.toys.{value}") for group, (name, value) in INSTALLED.items()}
    real = importlib.metadata.entry_points

    def entry_points(**asked: str) -> Any:
        group = asked.get("group", "")
        return [EntryPoint(*toys[group], group)] if group in toys else real(**asked)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


@pytest.fixture
def asked(tmp_path, monkeypatch) -> list[str]:
    """What every run is asked about, but the noise."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)
    about = ["--model", "m.py:make", "--data", f"{TOYS / 'data.py'}:stripes"]
    return [*about, "--limit", "6", "--workers", "1", "--device", "cpu"]


def outcomes(name: str) -> list[Any]:
    return [(record.index, record.answers, record.outcome) for record in read_run(Path(name)).records]


def held(name: str) -> None:
    """It verifies, from its keys too, and is shown."""
    assert run(["verify", name, "--replay", "2", "--workers", "1", "--device", "cpu"]) == 0
    assert run(["show", name]) == 0


def test_the_page_has_every_row_and_each_toy_is_short():
    if not PAGE.exists():
        pytest.skip("the pages are not beside the tests")
    text = PAGE.read_text(encoding="utf-8").partition("## To add X, write Y")[2].partition("\n## ")[0]
    assert set(re.findall(r"`noiseproof\.(\w+)`", text)) == set(REGISTRIES)
    assert set(re.findall(r"`tests/toys/(\w+\.py)`", text)) == {path.name for path in TOYS.glob("*.py")}
    for path in TOYS.glob("*.py"):
        assert len([line for line in path.read_text().splitlines() if line.strip()]) < 30, path.name


# --- noise ----------------------------------------------------------------------------------------------------------


def test_a_noise(installed, asked, capsys):
    line = ["certify", "--noise", "uniform", "--reach", "0.5", "--n", "500", *asked, "--out", "u"]
    assert run(line) == 0
    found = read_run(Path("u"))
    assert found.noise == Uniform(reach=0.5, dimension=64)
    assert all(record.outcome.norm == "l1" and 0 < record.outcome.radius <= 0.5 for record in found.records)
    held("u")
    assert run(["certify", "--config", "u/settings.toml", "--out", "again"]) == 0
    assert outcomes("again") == outcomes("u")
    assert run(["report", "u", "--radii", "0,0.25", "--out", "report"]) == 0
    assert "L1" in capsys.readouterr().out
    assert run(["certify", "--noise", "unifrom", "--reach", "1", *asked, "--out", "o"]) == 2
    assert run(["attack", "u", "--out", "a"]) == 1
    assert run(["plan", "--noise", "uniform", "--reach", "0.5", "--radius", "0.2"]) == 0
    assert run(["certify", "--noise", "uniform", "--help"]) == 0
    assert "How far a number goes, in input units." in capsys.readouterr().out


NOISE_LAWS = [
    noise_laws.test_same_key_same_noise_whatever_the_split,
    noise_laws.test_another_seed_key_stage_or_draw_is_other_noise,
    noise_laws.test_the_input_is_added_exactly,
    noise_laws.test_the_distribution_is_the_exact_one,
    noise_laws.test_the_radius_is_never_above_the_slow_truth,
    noise_laws.test_the_radius_is_not_above_the_truth_where_the_quantiles_cancel,
    noise_laws.test_the_radius_grows_with_p_lower_and_shrinks_with_the_rival,
    noise_laws.test_nothing_is_certified_at_a_half,
    noise_laws.test_a_norm_without_a_theorem_is_refused,
    noise_laws.test_the_noise_is_its_configuration,
]


@pytest.mark.parametrize("law", NOISE_LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_noises(law):
    NOISES.register(Uniform)

    def cdf(x, reach=0.5):
        return np.clip((x / reach + 1) / 2, 0, 1)

    law(
        variant=noise_laws.Variant(
            noise=Uniform(reach=0.5),
            quantile=lambda p: (2 * p - 1) * 0.5,
            cdf=cdf,
            radius=lambda tail, rival: (1 - tail - rival) / 2,
            wider=lambda x: cdf(x, 0.505),
        )
    )


# --- procedure ------------------------------------------------------------------------------------------------------


def test_a_procedure(installed, asked, capsys):
    line = ["certify", "--procedure", "hoeffding", "--sigma", "0.25", "--n", "500", *asked, "--out", "h"]
    assert run(line) == 0
    assert read_run(Path("h")).procedure == Hoeffding(n=500)
    held("h")
    assert run(["report", "h", "--out", "report"]) == 0
    exact = [word if word != "hoeffding" else "certify" for word in line[:-1]]
    assert run([*exact, "exact"]) == 0
    for (_, answers, mine), (_, same, theirs) in zip(outcomes("h"), outcomes("exact"), strict=True):
        assert answers == same
        assert mine.radius <= theirs.radius
    assert run(["decide", "--procedure", "hoeffding", "--radius", "1", "--sigma", "1", *asked, "--out", "o"]) == 2
    assert "unknown procedure 'hoeffding'; known: anytime, decide" in capsys.readouterr().err


PROCEDURE_LAWS = [
    procedure_laws.test_replay_is_run,
    procedure_laws.test_votes_that_cannot_be_are_refused,
    procedure_laws.test_answers_that_were_not_asked_for_are_refused,
    procedure_laws.test_void_draws_never_help,
    procedure_laws.test_a_sure_thing_is_said_with_the_fewest_draws,
    procedure_laws.test_the_procedure_is_its_configuration,
]


@pytest.fixture
def hoeffding(monkeypatch) -> procedure_laws.Variant:
    PROCEDURES.register(Hoeffding)
    made = procedure_laws.Variant(
        lambda alpha: Hoeffding(n0=3, n=30, alpha=alpha), procedure_laws.one_sided_room, sharp=0.0
    )
    monkeypatch.setitem(procedure_laws.VARIANTS, "hoeffding", made)
    return made


@pytest.mark.parametrize("law", PROCEDURE_LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_procedures(law, hoeffding):
    law(variant=hoeffding)


@pytest.mark.parametrize("void", [False, True])
def test_its_error_rate_is_at_most_alpha(hoeffding, void):
    procedure_laws.test_the_error_rate_is_at_most_alpha(hoeffding, 0.05, void)


# --- tally ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def parity() -> tally_laws.Variant:
    TALLIES.register(Parity)
    PROCEDURES.register(PredictParity)
    return tally_laws.Variant(
        Parity(),
        lambda scores: {max(range(len(scores)), key=lambda k: scores[k]) % 2},
        PredictParity(n=300),
        [[11, 0], [6, 5], [-1, 5], [10], [3, 3, 3]],
    )


def test_a_tally(parity, asked):
    assert run(["predict", "--procedure", "predict-parity", "--sigma", "0.25", "--n", "200", *asked, "--out", "p"]) == 0
    found = read_run(Path("p"))
    assert found.manifest.meaning["tally"] == {"name": "parity"}
    assert {len(answer.votes) for record in found.records for answer in record.answers} == {2}
    held("p")


TALLY_LAWS = [
    tally_laws.test_a_row_is_counted_by_its_own_scores_alone,
    tally_laws.test_scores_that_move_by_less_than_half_the_margin_are_counted_in_the_same_slots,
    tally_laws.test_a_row_is_void_where_its_margin_is_within_the_tolerance,
    tally_laws.test_counts_of_draws_hold_and_tell_how_many_were_void,
    tally_laws.test_counts_that_no_draws_can_give_are_refused,
]


@pytest.mark.parametrize("law", TALLY_LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_tallies(law, parity):
    law(variant=parity)


@pytest.fixture
def backend() -> Iterator[TorchBackend]:
    noise, shape = tally_laws.NOISE, tally_laws.SHAPE
    made = TorchBackend(tally_laws.base, num_classes=tally_laws.CLASSES, noise=noise, shape=shape, batch_size=32)
    yield made
    made.close()


def test_a_whole_run_of_it_is_counted_kept_verified_and_drawn_again(parity, backend, tmp_path):
    tally_laws.test_a_whole_run_is_counted_kept_verified_and_drawn_again(parity, backend, tmp_path)


# --- data set -------------------------------------------------------------------------------------------------------


def test_a_data_set_in_a_file_and_one_with_a_name(installed, asked, capsys):
    line = ["certify", "--sigma", "0.25", "--n", "200"]
    assert run([*line, *asked, "--out", "file"]) == 0
    held("file")
    named = [word if not word.endswith(":stripes") else "stripes" for word in asked]
    assert run([*line, *named, "--out", "named"]) == 0
    held("named")
    assert read_run(Path("named")).manifest.meaning["data"]["name"] == "stripes:test"
    assert run(["data", "list"]) == 0
    assert "\nstripes " in capsys.readouterr().out
    assert run([*line, *(word if word != "stripes" else "stripse" for word in named), "--out", "o"]) == 2
    assert "unknown data set 'stripse'; did you mean 'stripes'?" in capsys.readouterr().err
    assert run(["data", "get", "stripes"]) == 1
    assert "it is computed" in capsys.readouterr().err


# --- loss -----------------------------------------------------------------------------------------------------------


def test_a_loss(installed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["train", "--data", "stripes", "--arch", "resnet20", "--sigma", "0.25", "--epochs", "1", "--batch-size", "8"]
    assert run([*line, "--loss", "label-smoothing", "--loss-setting", "share=0.2", "--out", "m"]) == 0
    assert '"label-smoothing"' in Path("m/manifest.json").read_text()
    assert run([*line, "--loss", "label-smothing", "--out", "o"]) == 2
    assert "did you mean 'label-smoothing'?" in capsys.readouterr().err


LOSS_LAWS = [
    loss_laws.test_at_its_neutral_setting_it_is_the_gaussian_loss,
    loss_laws.test_the_gradient_is_that_of_finite_differences,
    loss_laws.test_the_same_seed_gives_the_same_step_and_another_another,
    loss_laws.test_the_global_generator_and_the_pictures_are_left_alone,
    loss_laws.test_the_model_is_left_in_training_with_every_weight_to_be_learned,
    loss_laws.test_the_accuracy_is_a_fraction_and_not_differentiated,
]


@pytest.fixture
def smoothed() -> loss_laws.Variant:
    LOSSES.register(Smoothed)
    return loss_laws.Variant(Smoothed(share=0.3), Smoothed(share=0.0), GaussianLoss())


@pytest.fixture
def net() -> loss_laws.Net:
    with torch.random.fork_rng():
        torch.manual_seed(33)
        return loss_laws.Net().train()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return torch.rand(4, 1, 2, 2, generator=random, dtype=torch.float64), torch.tensor([0, 1, 2, 1])


@pytest.mark.parametrize("law", LOSS_LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_losses(law, smoothed, net, batch):
    law(smoothed, net, batch)


def test_its_step_does_not_hang_on_the_order_and_its_configuration_makes_it_again(smoothed, net, batch, monkeypatch):
    loss_laws.test_the_configuration_makes_the_same_loss_again(smoothed)
    loss_laws.test_the_order_of_the_batch_does_not_matter(smoothed, net, batch, monkeypatch)


# --- executor -------------------------------------------------------------------------------------------------------


def test_an_executor(installed, asked, capsys):
    line = ["certify", "--sigma", "2", "--n", "200", *asked]  # so much that votes differ
    assert run([*line, "--out", "plain"]) == 0
    one = [word if word != "6" else "2" for word in line]
    assert run([*one, "--executor", "one-row", "--out", "rows"]) == 0
    assert len(read_run(Path("rows")).records) == 2
    assert run([*line, "--executor", "one-row", "--out", "rows"]) == 0
    assert outcomes("rows") == outcomes("plain")
    assert [session["batch_size"] for session in read_run(Path("rows")).state.sessions] == [1, 1]
    assert read_run(Path("rows")).manifest.meaning == read_run(Path("plain")).manifest.meaning
    held("rows")
    assert run([*line, "--executor", "one-rwo", "--out", "o"]) == 2
    assert "unknown executor 'one-rwo'; did you mean 'one-row'?" in capsys.readouterr().err


# --- report ---------------------------------------------------------------------------------------------------------


def test_a_report(installed, asked, capsys):
    assert run(["certify", "--sigma", "0.25", "--n", "200", *asked, "--out", "c"]) == 0
    assert run(["experiment", "draws", "c", "--out", "e"]) == 0
    assert "Draws of c by label." in capsys.readouterr().out
    assert {path.name for path in Path("e").iterdir()} == {
        f"draws.{form}" for form in ("txt", "md", "tex", "png", "pdf")
    }
    assert run(["experiment"]) == 0
    assert "\ndraws           one run: what each class cost" in capsys.readouterr().out
    assert run(["experiment", "drawz", "c", "--out", "e"]) == 2
    assert "unknown experiment 'drawz'; did you mean 'draws'?" in capsys.readouterr().err

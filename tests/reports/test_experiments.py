from __future__ import annotations

import re

import numpy as np
import pytest

from noiseproof.analysis import certified_accuracy
from noiseproof.errors import NoiseproofError, RunError, UnsupportedError
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Predict
from noiseproof.reports.card import card
from noiseproof.reports.experiments import EXPERIMENTS, experiment
from noiseproof.stats import bernstein_lower, one_sided
from noiseproof.store import Manifest, RunFolder, read_run
from noiseproof.store.manifest import KIND_IMPORT, NO_COUNTS

TOPS = (0.999, 0.97, 0.9, 0.8, 0.55, 0.2)


def rows(text):
    """The cells of the first table, by the first of each row."""
    lines = text.split("\n\n")[0].splitlines()
    body = lines[2 : lines.index(lines[1], 2)]
    return {cells[0]: cells[1:] for cells in (re.split(r"\s{2,}", line.strip()) for line in body)}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_every_experiment_writes_five_files(make_run, out):
    several = [make_run(f"c{sigma}", TOPS, sigma=sigma) for sigma in (0.25, 0.5)]
    predicted = make_run("p", TOPS, procedure=Predict(n=1000))
    same = make_run("other", (*TOPS[:5], 0.1), sigma=0.25)
    given = {"sigma": several, "training-noise": [several[0], same], "n": several[:1], "alpha": several[:1]}
    given |= {"acr": several, "guarantee": several, "predict": [predicted]}
    given |= {"bounds": [], "ceiling": [], "tightness": []}
    assert list(given) == list(EXPERIMENTS)
    for name, runs in given.items():
        written = experiment(name, runs, out=out)
        assert [path.name for path in written.files] == [
            f"{name}.{form}" for form in ("txt", "md", "tex", "png", "pdf")
        ]
        assert (out / f"{name}.txt").read_text() == written.text + "\n"
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_sigma_marks_the_best_of_each_radius_and_adds_the_envelope(make_run, out):
    runs = [make_run("big", (0.9, 0.9, 0.3), sigma=1.0), make_run("small", (0.99, 0.99, 0.99), sigma=0.12)]
    text = experiment("sigma", runs, out=out, radii="0,0.2,0.9,9").text
    assert list(rows(text)) == ["sigma = 0.12", "sigma = 1", "envelope"]  # by sigma, not in the order given
    assert rows(text)["sigma = 0.12"][:4] == ["100.0*", "100.0*", "0.0", "0.0"]
    assert rows(text)["sigma = 1"][:4] == ["66.7", "66.7", "66.7*", "0.0"]  # where all are 0, none is best
    assert rows(text)["envelope"] == ["100.0", "100.0", "66.7", "0.0"]
    assert "chosen after looking" in text
    assert "not on the same inputs" not in text


def test_sigma_tells_runs_of_one_sigma_apart(make_run, out):
    text = experiment("sigma", [make_run("a", TOPS), make_run("b", TOPS)], out=out).text
    assert list(rows(text)) == ["sigma = 0.5 (a)", "sigma = 0.5 (b)", "envelope"]


def test_runs_on_other_data_are_refused_and_other_inputs_are_said(make_run, out):
    one, fewer = make_run("one", TOPS), make_run("fewer", TOPS[:3], sigma=1.0)
    assert "The runs are not on the same inputs" in experiment("sigma", [one, fewer], out=out).text
    other = make_run("other", TOPS, data="mnist:test")
    with pytest.raises(ValueError, match=r"on the same data, got grey:test in one and mnist:test in other$"):
        experiment("sigma", [one, other], out=out)


def test_training_noise_is_at_one_sigma(make_run, out):
    runs = [make_run("t25", TOPS), make_run("t50", TOPS)]
    assert list(rows(experiment("training-noise", runs, out=out).text)) == ["t25", "t50", "envelope"]
    text = "runs must be certified at the same sigma, so that only the training differs; got 0.5 in t25, 1 in c"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        experiment("training-noise", [runs[0], make_run("c", TOPS, sigma=1.0)], out=out)


def test_training_noise_is_named_by_what_the_weights_say(make_run, out):
    runs = [
        make_run("a", TOPS, trained={"sigma": 0.0}),
        make_run("b", TOPS, trained={"sigma": 0.25}),
        make_run("c", TOPS, trained={"sigma": 0.25}),
        make_run("d", TOPS, trained={"data": "grey"}),
    ]
    named = ["trained at 0", "trained at 0.25 (b)", "trained at 0.25 (c)", "d", "envelope"]
    assert list(rows(experiment("training-noise", runs, out=out).text)) == named


def test_an_envelope_over_one_training_noise_is_refused(make_run, out):
    runs = [make_run("a", TOPS, trained={"sigma": 0.25}), make_run("b", TOPS, trained={"sigma": 0.25})]
    said = (
        "runs must be of different training noise, got 0.25 in all of a, b: their envelope would be the best of so "
        "many attempts; noiseproof compare sets them side by side"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        experiment("training-noise", runs, out=out)
    experiment("training-noise", runs[:1], out=out)


def test_n_says_what_a_run_with_that_n_says(make_run, out):
    text = experiment("n", [make_run("c", TOPS, procedure=Certify(n=2000))], out=out, radii="0:1:0.25").text
    found = rows(text)
    assert list(found) == ["n = 100", "n = 1,000", "n = 2,000"]
    for n, name in ((100, "n = 100"), (1000, "n = 1,000"), (2000, "n = 2,000")):
        alone = read_run(make_run(f"alone{n}", TOPS, procedure=Certify(n=n)))
        shares = certified_accuracy(alone.records, [0, 0.25, 0.5, 0.75, 1])
        assert found[name][:5] == [f"{share * 100:.1f}" for share in shares]
    assert "EXPLORATORY" not in text.upper()


def test_alpha_is_marked_everywhere_but_in_the_row_of_the_run(make_run, out):
    run = make_run("c", TOPS, procedure=Certify(n=1000, alpha=0.01))
    written = experiment("alpha", [run], out=out, radii="0:1:0.5")
    own = read_run(run)
    assert list(rows(written.text)) == [
        "alpha = 0.0001 (exploratory)",
        "alpha = 0.001 (exploratory)",
        "alpha = 0.01 (the run's)",
        "alpha = 0.1 (exploratory)",
    ]
    shares = certified_accuracy(own.records, [0, 0.5, 1])
    assert rows(written.text)["alpha = 0.01 (the run's)"][:3] == [f"{share * 100:.1f}" for share in shares]
    assert "EXPLORATORY: alpha is fixed before sampling, and that of c is 0.01." in written.text
    for form in ("md", "tex"):
        assert (out / f"alpha.{form}").read_text().count("EXPLORATORY") == 1


def test_alpha_of_another_run_stands_among_those_of_the_paper(make_run, out):
    run = make_run("c", TOPS, procedure=Certify(n=1000, alpha=0.05))
    assert list(rows(experiment("alpha", [run], out=out).text))[3] == "alpha = 0.05 (the run's)"


def figure_of(name, run, radii=(0.0, 0.5)):
    from noiseproof.asked.look import SCREEN
    from noiseproof.reports.units import INPUT_UNITS

    return EXPERIMENTS[name].find([read_run(run)], radii, INPUT_UNITS, SCREEN).figure


def test_the_figure_of_alpha_is_marked_too(make_run):
    figure = figure_of("alpha", make_run("c", TOPS))
    assert "EXPLORATORY" in figure.axes[0].get_title()
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["--", "-", "--", "--"]
    assert "dashed curves are no certificates" in figure.legends[0].get_title().get_text()


def test_the_guaranteed_curves_lie_below_by_what_the_bounds_cost(make_run):
    run = make_run("c", [0.99] * 300)
    approximate, fixed, bernstein = figure_of("guarantee", run).axes[0].lines
    assert approximate.get_ydata()[0] == 1.0
    assert fixed.get_ydata()[0] == pytest.approx(1 - 3 / 300)  # F = 3: P(Bin(300, .001) > 3) = 2.7e-4
    assert bernstein.get_ydata()[0] == pytest.approx(bernstein_lower(1.0, 300, 0.001, 0.001))
    assert (min(fixed.get_ydata()), min(bernstein.get_ydata())) == (0, 0)


@pytest.mark.parametrize("m", [20, 300])
def test_the_inset_of_the_guarantee_shows_all_three_curves(make_run, m):
    axes = figure_of("guarantee", make_run("c", [0.99] * m)).axes[0]
    (inset,) = axes.child_axes
    low, high = inset.get_ylim()
    middle = sum(inset.get_xlim()) / 2
    for line in inset.lines:
        radii, shares = line.get_data()
        assert low < shares[np.searchsorted(radii, middle)] < high or shares[0] == 0


def test_predict_is_the_table_of_the_paper(make_run, out):
    run = make_run("p", (0.99, 0.9, 0.52, 0.2), procedure=Predict(n=10_000))
    text = experiment("predict", [run], out=out).text
    assert rows(text) == {
        "100": ["50.0%", "25.0%", "25.0%"],
        "1,000": ["50.0%", "25.0%", "25.0%"],
        "10,000": ["75.0%", "25.0%", "0.0%"],
    }


def test_bounds_are_the_three_certificates(out):
    found = rows(experiment("bounds", out=out).text)
    assert found["0.9"] == ["1.281552", "1.031930", "0.390267"]
    assert found["0.99"] == ["2.326348", "1.908009", "0.554867"]


def test_the_ceiling_is_what_certify_prints(out):
    found = rows(experiment("ceiling", out=out).text)
    # sigma Phi^-1(alpha^(1/n)) where all draws are of one class; 3.8 sigma is the paper's end at n = 100,000
    assert (found["100,000"][0], found["1,000"][0]) == ("3.8114", "2.4632")
    for n in (100, 1000, 10_000, 100_000):
        printed = Gaussian(1.0).radius(one_sided(n * 9 // 10, n, 0.001))
        assert 0 <= printed - float(found[f"{n:,}"][4]) < 1e-4
        assert printed < float(found["p_A known"][4])
    assert found["100"][1:3] == ["0.0000", "0.1091"]  # 60 of 100 draws say nothing


def test_tightness_crosses_one_half_at_the_radius(out):
    found = rows(experiment("tightness", out=out).text)
    assert found["0.8"] == ["0.8000", "0.6631", "0.5034", "0.5000", "0.4966", "0.3369", "0.2000"]


def test_units_of_255_are_in_the_table_and_in_the_radii_asked_for(make_run, out):
    run = make_run("c", TOPS)
    steps = experiment("sigma", [run], out=out, radii="0,51,102", units=255).text
    plain = experiment("sigma", [run], out=out, radii="0,0.2,0.4").text
    assert "r=51" in steps.splitlines()[0]
    assert "units of 1/255" in steps
    assert rows(steps)["sigma = 0.5"][:3] == rows(plain)["sigma = 0.5"][:3]


def test_what_cannot_be_asked_is_refused(make_run, out):
    certified, predicted = make_run("c", TOPS), make_run("p", TOPS, procedure=Predict(n=100))
    empty = make_run("empty", ())
    for arguments, error, text in (
        (("sgima", []), ValueError, "unknown experiment 'sgima'; did you mean 'sigma'?"),
        (("n", [certified] * 2), ValueError, "experiment n takes one run of certify, got 2"),
        (("sigma", []), ValueError, "experiment sigma takes one run of certify or more, got 0"),
        (("bounds", [certified]), ValueError, "experiment bounds takes no run, got 1"),
        (("n", [predicted]), RunError, "is a run of predict, which has no radii; give runs of certify"),
        (("alpha", [predicted]), UnsupportedError, "got predict; run it again with the alpha you want"),
        (("predict", [certified]), UnsupportedError, "needs a run of predict, got one of certify"),
        (("n", [empty]), RunError, "has no finished input yet; run its certify line again"),
    ):
        with pytest.raises((ValueError, NoiseproofError)) as said:
            experiment(*arguments, out=out)
        assert isinstance(said.value, error)
        assert text in str(said.value)
    with pytest.raises(ValueError, match=r"^experiment bounds is not about radii of runs; leave radii and units out$"):
        experiment("bounds", out=out, units=255)
    with pytest.raises(ValueError, match=r"^experiment predict is not about radii"):
        experiment("predict", [predicted], out=out, radii="0,1")
    assert not out.exists()


def test_an_import_without_counts_has_no_smaller_n_and_no_other_alpha(make_run, tmp_path, out):
    made = read_run(make_run("c", TOPS))
    meaning = made.manifest.meaning | {"counts": NO_COUNTS, "source": {"name": "theirs.tsv"}}
    del meaning["data"]
    with RunFolder(tmp_path / "imported", Manifest(KIND_IMPORT, meaning, "0")) as folder:
        for record in made.records:
            folder.add_record(record.key, record.index, record.label, [], record.outcome)
    for name in ("n", "alpha"):
        with pytest.raises(RunError, match=r"was imported without counts, so nothing can be derived from them"):
            experiment(name, [tmp_path / "imported"], out=out)
    text = experiment("sigma", [made.path, tmp_path / "imported"], out=out).text  # printed radii may stand beside ours
    assert rows(text)["sigma = 0.5 (c)"][:4] == rows(text)["sigma = 0.5 (imported)"][:4]
    with pytest.raises(RunError, match=r"was imported: no fingerprint says which model it is about"):
        card(tmp_path / "imported")

"""The forms of the Hub, read by a YAML parser and, where it is installed, by the Hub's own client."""

from __future__ import annotations

import pytest

from noiseproof.cli.main import run
from noiseproof.errors import RunError
from noiseproof.procedures import Certify, Decide
from noiseproof.reports.card import card
from noiseproof.reports.hub import hub_card, write_hub_card
from noiseproof.store import read_run

yaml = pytest.importorskip("yaml")
TOPS = (0.999, 0.97, 0.9, 0.8, 0.55, 0.2)
DATA = "owner/grey"


@pytest.fixture
def folder(make_run):
    return make_run("mine", TOPS, procedure=Certify(n=1000, alpha=0.01))


def front(readme):
    return yaml.safe_load(readme.split("---\n")[1])


def test_the_readme_is_the_card_after_its_results(folder):
    readme = hub_card(folder, DATA).readme
    assert readme.startswith('---\n"tags":\n- "certified-robustness"\n')
    assert readme.endswith("---\n\n" + card(folder))
    said = front(readme)["model-index"][0]
    assert said["name"] == "mine"
    (result,) = said["results"]
    assert result["task"]["type"] == "image-classification"
    assert result["dataset"] == {"type": DATA, "name": "grey:test", "split": "test"}
    shares = {metric["args"]["radius"]: metric["value"] for metric in result["metrics"]}
    curve = read_run(folder)
    assert shares == {r: round(100 * curve.certified_accuracy(r), 2) for r in (0, 0.25, 0.5, 0.75, 1.0) if r in shares}
    assert {0.0, 0.25, 0.5} <= shares.keys()
    for metric in result["metrics"]:
        asked = metric["args"]
        assert (asked["norm"], asked["sigma"], asked["n"], asked["alpha"]) == ("L2", 0.5, 1000, 0.01)
        assert asked["run"] == curve.manifest.meaning_hash
        assert asked["of these inputs at least"] < metric["value"], "fewer than all certificates are certainly true"


def test_results_have_one_file_a_radius_in_the_hub_s_form(folder):
    found = hub_card(folder, f"{DATA}:robust").results
    hash_ = read_run(folder).manifest.meaning_hash
    assert next(iter(found)) == f"certified_l2_0.25_sigma_0.5_{hash_[:8]}.yaml"
    for text in found.values():
        (entry,) = yaml.safe_load(text)
        assert entry["dataset"] == {"id": DATA, "task_id": "robust"}
        for fact in (
            "norm = L2",
            "sigma = 0.5",
            "n = 1000",
            "alpha = 0.01",
            f"run {hash_}",
            "of these inputs at least",
        ):
            assert fact in entry["notes"]
    assert "radius = 0.25" in next(iter(found.values()))


def test_the_hub_s_own_client_reads_both(folder):
    client = pytest.importorskip("huggingface_hub")
    found = hub_card(folder, DATA)
    results = client.ModelCard(found.readme, ignore_metadata_errors=False).data.eval_results
    assert len(results) == len(found.results) + 1
    assert {each.dataset_type for each in results} == {DATA}
    assert results[1].metric_args["radius"] == 0.25
    if not hasattr(client, "parse_eval_result_entries"):
        pytest.skip("this huggingface_hub has no reader of evaluation results")
    for text in found.results.values():
        (entry,) = client.parse_eval_result_entries(yaml.safe_load(text))
        assert (entry.dataset_id, entry.task_id) == (DATA, "default")
        assert client.eval_result_entries_to_yaml([entry]) == yaml.safe_load(text), "nothing in it is unknown to it"


def test_a_run_of_decide_has_its_radius(make_run):
    path = make_run("d", TOPS, procedure=Decide(radius=0.25, n_max=2000))
    found = hub_card(path, DATA)
    (metric,) = front(found.readme)["model-index"][0]["results"][0]["metrics"]
    assert metric["args"]["radius"] == 0.25
    assert metric["args"]["procedure"] == "decide"
    assert len(found.results) == 1


def test_what_is_there_is_not_overwritten(folder, tmp_path):
    found, out = hub_card(folder, DATA), tmp_path / "repository"
    written = write_hub_card(found, out)
    assert sorted(path.relative_to(out).parts[0] for path in written)[-1] == "README.md"
    assert {path.name for path in (out / ".eval_results").iterdir()} == found.results.keys()
    write_hub_card(found, out)
    (out / "README.md").write_text("# mine\n")
    with pytest.raises(RunError, match=r"README\.md is there already; leave out --out and add what is printed"):
        write_hub_card(found, out)
    assert (out / "README.md").read_text() == "# mine\n"


@pytest.mark.parametrize("name", ["cifar10", "a/b/c", "/b", "a/", "a b/c"])
def test_a_name_that_is_none_of_the_hub_s_is_refused(folder, name):
    with pytest.raises(ValueError, match="hub must be the Hub's name of the data set, OWNER/NAME"):
        hub_card(folder, name)


def test_a_run_that_does_not_hold_gets_none(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("noiseproof.noises.gaussian.gaussian_radius", lambda bounds, sigma: 0.125)
    assert run(["card", str(folder), "--hub", DATA, "--out", str(tmp_path / "out")]) == 1
    assert "does not hold" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_line_a_user_types(folder, tmp_path, capsys):
    assert run(["card", str(folder), "--hub", DATA]) == 0
    assert capsys.readouterr().out == hub_card(folder, DATA).readme
    assert run(["card", str(folder), "--hub", DATA, "--out", str(tmp_path / "out")]) == 0
    assert "README.md" in capsys.readouterr().out

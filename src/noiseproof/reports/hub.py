"""A run in the forms of the Hugging Face Hub: a model card with its results, and files of evaluation results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noiseproof.analysis import decision_table
from noiseproof.errors import RunError
from noiseproof.reports.card import card_of, promising
from noiseproof.reports.files import make_folder
from noiseproof.reports.summaries import radii_of, run_summary, shared_draws
from noiseproof.reports.tables import norm_name
from noiseproof.store.given import RunLike
from noiseproof.store.manifest import write_text
from noiseproof.store.verify import verify
from noiseproof.store.whole import wholeness
from noiseproof.types import Decision
from noiseproof.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noiseproof.store.run import Run

TASKS = {3: "image-classification", 1: "tabular-classification"}
"""The Hub's name of the task, by the number of axes of an input."""

RESULTS = ".eval_results"
"""The folder of a model repository in which the Hub looks for results."""


@dataclass(frozen=True)
class HubCard:
    """What goes into a model repository of the Hub.

    Attributes:
        readme: ``README.md``: the results as YAML before the text (``model-index``), then the card.
        results: the files of ``.eval_results``, name to text, one a radius.
    """

    readme: str
    results: dict[str, str]


@dataclass(frozen=True)
class _Result:
    """Certified accuracy at one radius: of these inputs, and at least, whatever certificates are false."""

    radius: float
    certified: float
    at_least: float


def hub_card(run: RunLike, dataset: str) -> HubCard:
    """The card of a run in the Hub's forms; the run is verified first, and nothing is sent anywhere.

    The shares are in percent of all inputs, at radius 0 and at each radius at which an input is certified. With each
    stand radius, norm, sigma, n, alpha and the hash of what the run means.

    Args:
        run: of certify or decide, with labels.
        dataset: the Hub's name of the data set, such as "uoft-cs/cifar10"; "NAME:TASK" names one of its tasks, else
            "default".

    Raises:
        VerificationError: a certificate does not follow from its counts.
        RunError: as for ``card``.
        ValueError: a label is missing, or the name is none.

    Source: huggingface.co/docs/hub/model-cards and huggingface.co/docs/hub/eval-results.
    """
    name, _, task = dataset.partition(":")
    if name.count("/") != 1 or not all(name.split("/")) or not name.isprintable() or " " in dataset:
        raise ValueError(f"hub must be the Hub's name of the data set, OWNER/NAME or OWNER/NAME:TASK, got {dataset!r}")
    found = promising(run)
    held = verify(found.path)
    results = list(_results(found))
    index = [{"name": found.name, "results": [_indexed(found, name, results)]}]
    front = _yaml({"tags": ["certified-robustness", "randomized-smoothing", "noiseproof"], "model-index": index})
    return HubCard(
        readme="\n".join(["---", *front, "---", "", card_of(found, held)]),
        results={
            _file_name(found, each): "\n".join([*_yaml([_entry(found, name, task or "default", each)]), ""])
            for each in results
            if each.radius > 0
        },
    )


def write_hub_card(written: HubCard, out: str | Path) -> tuple[Path, ...]:
    """``README.md`` and the files of ``.eval_results`` in a folder, which becomes or is a model repository.

    Raises:
        RunError: another README.md is there, or a file cannot be written.
    """
    folder = make_folder(out)
    readme = folder / "README.md"
    if readme.exists() and readme.read_text(encoding="utf-8", errors="replace") != written.readme:
        raise RunError(
            f"{readme} is there already; leave out --out and add what is printed to it, or choose another --out"
        )
    write_text(readme, written.readme)
    files = [readme]
    for name, text in written.results.items():
        files.append(make_folder(folder / RESULTS) / name)
        write_text(files[-1], text)
    return tuple(files)


def _results(run: Run) -> Iterator[_Result]:
    if isinstance(run.records[0].outcome, Decision):
        said = decision_table(run.records, alpha=run.procedure.alpha)
        yield _Result(said.radius, said.certified, said.fixed_set_lower)
        return
    summary = run_summary(run, radii_of([run], None))
    for radius, certified, at_least in zip(summary.radii, summary.certified, summary.fixed_set_lower, strict=True):
        if certified > 0 or radius == 0:
            yield _Result(radius, certified, at_least)


def _settings(run: Run, radius: float) -> dict[str, Any]:
    meaning = run.manifest.meaning
    unit = {"unit of radii": run.manifest.unit} if run.manifest.unit else {}
    said = {"radius": radius, "norm": norm_name(run.norm), **unit, "noise": meaning["noise"]["family"]}
    said |= {name: value for name, value in meaning["noise"].items() if isinstance(value, float)}
    procedure = dict(run.procedure.config())
    said |= {"procedure": procedure.pop("name")} | {name: v for name, v in procedure.items() if name != "radius"}
    if (together := shared_draws(run)) is not None:
        said["draws of all inputs together"] = together
    if unfinished := wholeness(run.state).unfinished:
        said["unfinished"] = unfinished
    return said | {
        "inputs": len(run.records),
        "arithmetic": meaning["arithmetic"],
        "noiseproof": __version__,
        "seed": meaning["seed"],
        "run": run.manifest.meaning_hash,
    }


def _indexed(run: Run, dataset: str, results: Sequence[_Result]) -> dict[str, Any]:
    data = run.manifest.meaning["data"]
    return {
        "task": {"type": TASKS.get(len(data["shape"]), "other"), "name": "Certified robust classification"},
        "dataset": {"type": dataset, "name": data["name"], "split": data["name"].partition(":")[2] or "test"},
        "metrics": [
            {
                "type": "certified_accuracy",
                "name": f"Certified accuracy (%) at {norm_name(run.norm)} radius {each.radius:g}",
                "value": round(100 * each.certified, 2),
                "args": _settings(run, each.radius) | {"of these inputs at least": _down(each.at_least)},
            }
            for each in results
        ],
    }


def _entry(run: Run, dataset: str, task: str, result: _Result) -> dict[str, Any]:
    settings = _settings(run, result.radius)
    told = ", ".join(f"{name} = {value}" for name, value in settings.items() if name != "run")
    return {
        "dataset": {"id": dataset, "task_id": task},
        "value": round(100 * result.certified, 2),
        "notes": (
            f"Certified accuracy (%): {told}; of these inputs at least {_down(result.at_least)}%; run {settings['run']}"
        ),
    }


def _file_name(run: Run, result: _Result) -> str:
    sigma = run.manifest.meaning["noise"].get("sigma")
    noise = "" if sigma is None else f"_sigma_{sigma:g}"
    return f"certified_{run.norm.replace(' ', '_')}_{result.radius:g}{noise}_{run.manifest.meaning_hash[:8]}.yaml"


def _down(share: float) -> float:
    return int(share * 1e4) / 100


def _yaml(value: Any, indent: str = "") -> list[str]:  # noqa: ANN401  # what JSON can say
    """The lines of a value as YAML: tables and lists in blocks, all else as JSON, which YAML takes.

    >>> _yaml({"a": [{"b": "yes", "c": 1.5}], "d": []})
    ['"a":', '- "b": "yes"', '  "c": 1.5', '"d": []']
    """
    if isinstance(value, dict) and value:
        lines = []
        for name, each in value.items():
            inner = _yaml(each, indent + ("  " if isinstance(each, dict) else ""))
            block = isinstance(each, dict | list) and each
            lines += [f"{indent}{json.dumps(name)}:", *inner] if block else [f"{indent}{json.dumps(name)}: {inner[0]}"]
        return lines
    if isinstance(value, list) and value:
        return [line for each in value for line in _dashed(_yaml(each, indent + "  "), indent)]
    return [json.dumps(value, allow_nan=False)]


def _dashed(lines: list[str], indent: str) -> list[str]:
    return [f"{indent}- {lines[0].strip()}", *lines[1:]]

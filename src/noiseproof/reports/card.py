"""The certificate card: one page for whoever relies on a run, what is promised and what is not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from noiseproof.errors import RunError
from noiseproof.procedures.radii import parse_radii
from noiseproof.reports.summaries import DEFAULT_RADII, decisions_table, run_summary, shared_draws
from noiseproof.reports.tables import Table, norm_name, percent_down
from noiseproof.reports.units import down
from noiseproof.stats import false_certificates
from noiseproof.store.given import RunLike, path_of
from noiseproof.store.manifest import KIND_IMPORT, noise_note
from noiseproof.store.run import Run, read_run
from noiseproof.store.verify import verify
from noiseproof.store.whole import wholeness
from noiseproof.types import Certificate, Decision

if TYPE_CHECKING:
    from noiseproof.store.verify import Verification

RHO = 0.001
"""Failure probability of the statements about all inputs together."""


def card(run: RunLike) -> str:
    """What a run promises and what it does not, as one page of Markdown; the run is verified first.

    Args:
        run: of certify or decide.

    Raises:
        VerificationError: a certificate does not follow from its counts: then nothing is promised.
        RunError: not a run with certificates, an import, or no input is finished.
    """
    found = promising(run)
    return card_of(found, verify(found.path))


def promising(run: RunLike) -> Run:
    """A run of which a card can say something.

    Raises:
        RunError: not a run with certificates, an import, or no input is finished.
    """
    path = path_of(run)
    found = read_run(path)
    if found.manifest.kind == KIND_IMPORT:
        raise RunError(f"{path} was imported: no fingerprint says which model it is about, so no card can promise it")
    if not found.records:
        raise RunError(f"{path} has no finished input yet; run its {found.manifest.kind} line again")
    if not all(isinstance(record.outcome, Certificate | Decision) for record in found.records):
        raise RunError(
            f"{path} is a run of {found.manifest.kind}, which promises no radius; give a run of certify or decide"
        )
    return found


def card_of(found: Run, held: Verification) -> str:
    """The card of a run with certificates or decisions that was read and verified, as Markdown."""
    parts = (
        [f"# Certificate card: {found.path.resolve().name}", *_unfinished(found), _in_a_sentence(found)],
        ["## About", *_about(found, held)],
        ["## Found", *_found(found)],
        ["## Promised", *(f"- {line}" for line in _promised(found))],
        ["## Not promised", *(f"- {line}" for line in _not_promised(found))],
    )
    return "\n\n".join("\n".join(_spaced(part)) for part in parts) + "\n"


def _unfinished(run: Run) -> Iterator[str]:
    if said := wholeness(run.state).unfinished:
        yield f"**The run is unfinished: {said}.** This page is about those."


def _in_a_sentence(run: Run) -> str:
    certified = sum(not record.outcome.abstained for record in run.records)
    decided, size = _decided(run), f"smaller than its certified radius ({_norm(run)})"
    claim = (
        f"{certified} of {len(run.records)} inputs are certified: no change of the input "
        f"{size if decided is None else f'of {_norm(run)} size up to {decided:g}'} changes the class that the smoothed "
        "classifier gives it."
    )
    if _exact(run):
        return f"{claim} For each input, a false claim has probability at most {run.procedure.alpha:g}."
    return (
        f"{claim} **This holds in real arithmetic, not on the machine**: the noise was made of floating-point numbers. "
        "Read it as evidence, not as proof."
    )


def _about(run: Run, held: Verification) -> Iterator[str]:
    meaning = run.manifest.meaning
    model, data = meaning["model"], meaning["data"]
    sha = f"`{model['fingerprint']}`"
    procedure = ", ".join(f"{name} = {value}" for name, value in run.procedure.config().items() if name != "name")
    draws = shared_draws(run)
    together = (
        "" if draws is None else f", {draws:,} draws for all inputs together, spent on those nearest to a decision"
    )
    noise = ", ".join(f"{name} = {value:g}" for name, value in meaning["noise"].items() if isinstance(value, float))
    machines = sorted(
        {f"{s['backend']}, {s['precision']} on {s['device']}" for s in run.state.sessions if "backend" in s}
    )
    yield from _rows(
        ("base classifier", f"{model['architecture']}, {model['num_classes']} classes, fingerprint {sha}"),
        ("smoothed by", f"{meaning['noise']['family']} noise, {noise}"),
        ("inputs", f"{len(run.records)} of {data['name']} ({' x '.join(map(str, data['shape']))}){_whole(run)}"),
        *_units(run),
        ("procedure", f"{run.procedure.name}: {procedure}{together}"),
        (
            "arithmetic",
            f"{meaning['arithmetic']} (noise); {' and '.join(machines) or meaning['precision']} (forward pass)",
        ),
        ("seed", _seed(run)),
        ("meaning", f"`{run.manifest.meaning_hash}`"),
        (
            "verified",
            f"all {held.records:,} outcomes follow from their {held.draws:,} draws ({held.void:,} void), "
            f"the chain is whole; {held.unfinished} inputs under way",
        ),
    )


def _units(run: Run) -> Iterator[tuple[str, str]]:
    """Of a run on scaled data, what its norm is: every column with its range."""
    if run.manifest.unit:
        scaling = run.manifest.meaning["data"]["scaling"]
        ranges = zip(scaling["columns"], scaling["low"], scaling["high"], strict=True)
        columns = ", ".join(f"{name} {low:.10g} to {high:.10g}" for name, low, high in ranges)
        yield "unit of radii", f"{run.manifest.unit}: high - low of {columns}"


def _seed(run: Run) -> str:
    note = noise_note(run.manifest)
    bound = "the draws are bound to the model, the noise and the procedure"
    return f"{run.manifest.meaning['seed']}; {f'noise {note}' if note else bound}"


def _whole(run: Run) -> str:
    said = wholeness(run.state).text
    return f"; {said}" if said else "; all that were asked for"


def _decided(run: Run) -> float | None:
    """The radius that a run of decide was asked about."""
    first = run.records[0].outcome
    return first.radius if isinstance(first, Decision) else None


def _found(run: Run) -> Iterator[str]:
    m = len(run.records)
    if _decided(run) is not None:
        if any(record.label is None for record in run.records):
            yield "Labels are not known: whether a certified class is the right one is not said."
        else:
            yield decisions_table([run]).markdown() + _in_real_arithmetic(run)
        return
    radii = sorted(record.outcome.radius for record in run.records if isinstance(record.outcome, Certificate))
    abstained = sum(record.outcome.abstained for record in run.records)
    yield f"Abstained on {abstained} of {m}; the largest certified radius is {down(radii[-1], 4)}."
    if any(record.label is None for record in run.records):
        yield "Labels are not known: whether a certified class is the right one is not said."
        return
    summary = run_summary(run, parse_radii(DEFAULT_RADII))
    rows = [
        (f"{radius:g}", f"{certified * 100:.1f}", percent_down(fixed), percent_down(population))
        for radius, certified, fixed, population in zip(
            summary.radii, summary.certified, summary.fixed_set_lower, summary.population_lower, strict=True
        )
        if radius <= radii[-1]
    ]
    yield Table(
        header=(f"{_norm(run)} radius", "right and certified, %", "these inputs, % at least", "population, % at least"),
        rows=tuple(rows),
        caption=(
            f"The lower bounds hold with probability {1 - summary.rho:g}{_in_real_arithmetic(run)}: of these inputs at "
            "all radii at once; of the population that they were drawn from independently, for one radius chosen "
            "beforehand; both for a number of inputs fixed beforehand, not for one at which a run that was looked at "
            "was ended.",
        ),
    ).markdown()


def _promised(run: Run) -> Iterator[str]:
    m, alpha = len(run.records), run.procedure.alpha
    machine, decided = _in_real_arithmetic(run), _decided(run)
    yield (
        f"**Input by input**{machine}: with probability at least {1 - alpha:.10g} over the noise drawn, the run either "
        f"{'abstained on' if decided is None else 'did not certify'} the input, or the smoothed classifier gives the "
        f"certified class at every point of the {_norm(run)} ball of "
        f"{'the certified radius' if decided is None else f'radius {decided:g}'} around it."
    )
    yield _ball(run)
    budget = false_certificates(m, alpha, RHO)
    none_false = 1 - m * alpha
    yield (
        f"**All together**{machine}: at most {budget} of the {m} outcomes {'is' if budget == 1 else 'are'} false, with "
        f"probability {1 - RHO:g}. "
        + (
            f"That none is has probability at least {none_false:.3g}."
            if none_false > 0
            else "That none is: no promise."
        )
    )
    yield (
        "**The smoothed classifier** is what the majority of infinitely many noisy copies says, for this base "
        "classifier, at this noise, precision, backend and arithmetic. Asked at run time with finitely many copies it "
        "needs a test of its own (`noiseproof predict`), with its own failure probability."
    )


def _ball(run: Run) -> str:
    """Where its centre is, and what it is measured in."""
    steps = run.manifest.meaning["noise"].get("grid")
    if unit := run.manifest.unit:
        dimension = math.prod(run.manifest.meaning["data"]["shape"])
        rounded = ", and rounded to a multiple of 1/" + str(steps) if steps else ""
        off = math.ceil(math.sqrt(dimension) / steps * 1e5) / 1e5 if steps else 0.0
        as_it_was = f" For the input as it was, and changes between these steps, take {off:g} off the radius."
        lost = as_it_was if steps else ""
        return (
            f"**The ball** is in units of {unit}: of an input, each number v is taken as (v - low) / (high - low) with "
            f"the low and high above, moved into [0, 1]{rounded}; that is its centre. The size of a change is the "
            f"{_norm(run)} norm: of its numbers, each divided by high - low.{lost}"
        )
    centre = f"the 8-bit picture, its values divided by {steps or 255}" if _exact(run) else "the picture, its values"
    return (
        f"**The ball** lies in the digital input space: its centre is {centre} in [0, 1], its radius is in the "
        "same units, and every point of it counts, whether a picture file can hold it or not."
    )


def _not_promised(run: Run) -> Iterator[str]:
    if not _exact(run):
        yield (
            "**That it holds on the machine.** Floating-point addition lets the low bits of the input show through the "
            "noise. A base classifier can read them: some are known to be certified for two classes within one ball. "
            "Certify on the 8-bit grid (`--grid 255`) for a promise about the machine."
        )
    yield "**That the class is right.** A wrong class is certified as readily as the right one."
    yield (
        "**Anything at other inputs**, beyond the bound on the population above, and that only for inputs drawn like "
        "these, by chance and independently."
    )
    yield f"**Other norms**{_other_norms(run)}."
    yield (
        "**Another classifier.** Other weights, another precision, library or device, other noise, clipping or "
        "preprocessing in between: the rounding of the forward pass is part of the classifier that was sampled. "
        "The base classifier without noise is not covered either."
    )
    yield (
        "**Changes of the world**: light, angle, printing and photographing, compression, another object of the same "
        "kind, unless the digital input stays in the ball."
    )
    yield _chosen(run)
    yield (
        "**That the counts are honest.** The chain shows accidents: whoever means to can make it anew. "
        "`noiseproof verify --replay all` draws them again."
    )


def _chosen(run: Run) -> str:
    best = (
        "The probabilities above do not hold for the best of several runs (of seeds, models, inputs or n); "
        "`noiseproof verify --commitment` tells one that was announced before its draws."
    )
    if run.manifest.binding:
        return (
            "**That nothing was chosen by its result.** Another model, noise, alpha or procedure would have drawn "
            f"other noise, so none was made for these draws, but each could be tried. {best}"
        )
    return (
        f"**Inputs or settings chosen with the noise in view.** Whoever knew the seed ({run.manifest.meaning['seed']}) "
        "before the inputs, the model, sigma, n or alpha were chosen, and chose them by it, can make false "
        f"certificates at will; certify without `--common-noise`. {best}"
    )


def _other_norms(run: Run) -> str:
    meaning = run.manifest.meaning
    if meaning["noise"]["family"] != "gaussian":
        return f" than {_norm(run)}"
    dimension = math.prod(meaning["data"]["shape"])
    return (
        ", beyond what follows: an L1 ball of the same radius lies inside, and an Linf ball of the radius divided by "
        f"{math.ceil(math.sqrt(dimension) * 10) / 10:g} (the root of {dimension} coordinates)"
    )


def _exact(run: Run) -> bool:
    return str(run.manifest.meaning["arithmetic"]).startswith("exact")


def _in_real_arithmetic(run: Run) -> str:
    return "" if _exact(run) else " (in real arithmetic)"


def _norm(run: Run) -> str:
    return norm_name(run.norm)


def _rows(*rows: tuple[str, str]) -> Iterator[str]:
    yield "| | |\n| --- | --- |\n" + "\n".join(
        f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in rows
    )


def _spaced(lines: list[str]) -> Iterator[str]:
    for i, line in enumerate(lines):
        if i and not (line.startswith("- ") and lines[i - 1].startswith("- ")):
            yield ""
        yield line

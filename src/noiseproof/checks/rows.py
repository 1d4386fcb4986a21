"""Is it a deterministic function of each row? What else a certificate is about nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from noiseproof.checks.finding import Finding
from noiseproof.checks.probe import ROWS, Probe
from noiseproof.checks.variation import argmax_changes, largest_variation, tolerance_for, variation
from noiseproof.engine.contract import check_eval_mode
from noiseproof.errors import ModelError

SIZES = (1, 2, 8)
"""Batch sizes that are tried beside the full one."""


def training_mode(probe: Probe) -> Finding:
    """Batch-norm or dropout in training mode."""
    try:
        check_eval_mode(probe.base)
    except ModelError as error:
        return Finding("training mode", "refuse", str(error))
    return Finding("training mode", "ok", "no part is in training mode")


def number_of_scores(probe: Probe) -> Finding:
    """One score a class for each row."""
    try:
        _ = probe.first
    except ModelError as error:
        return Finding("scores", "refuse", str(error))
    return Finding("scores", "ok", f"{probe.num_classes} a row")


def finite(probe: Probe) -> Finding:
    """Scores that are NaN or infinite: such draws are void, and argmax alone would call NaN a class."""
    scores = torch.cat([probe.scores(probe.clean[:ROWS]), probe.first])
    bad = ~torch.isfinite(scores)
    rows = int(bad.any(dim=1).sum())
    measured = {"rows": float(len(scores)), "void": float(rows)}
    if not rows:
        return Finding("finite", "ok", f"all scores of {len(scores)} rows are finite", measured)
    where = ", ".join(str(int(k)) for k in bad.any(dim=0).nonzero().flatten()[:5])
    said = f"{rows} of {len(scores)} rows have NaN or infinite scores (class {where})"
    if rows == len(scores):
        return Finding("finite", "refuse", f"{said}: every draw would be void; repair the model", measured)
    return Finding("finite", "warn", f"{said}: such draws are void and count against the top class", measured)


def two_calls(probe: Probe) -> Finding:
    """The same batch, asked again and again."""
    first = probe.first
    again = [probe.scores(probe.rows) for _ in range(3)]
    cause = "look for dropout or noise that is drawn in the forward pass, or for anything it remembers"
    found = _compared("two calls", "between two calls", first, again, cause)
    if found.verdict != "ok" or not probe.in_place:
        return found
    return replace(found, says=f"{found.says}; it works in place on its inputs, and is given copies")


def own_row(probe: Probe) -> Finding:
    """The same rows in another order, and beside other rows."""
    first = probe.first
    answers = [answer for _, answer in in_other_batches(probe.rows, probe.scores, first)]
    cause = (
        "look for batch-norm that uses the batch's own statistics, for a mean or a softmax over the batch, or for "
        "dynamic quantisation"
    )
    return _compared("own row", "with the other rows of the batch", first, answers, cause)


def batch_size(probe: Probe) -> Finding:
    """The same rows in batches of 1, 2 and 8."""
    first = probe.first
    answers, failed = [], []
    for size in SIZES:
        rows = min(ROWS, 16 * size)
        try:
            answers.append(torch.cat([probe.scores(probe.rows[:rows], size), first[rows:]]))
        except ModelError as error:
            failed.append(str(error))
    cause = "look for a squeeze() or a mean over the batch"
    found = _compared("batch size", f"between batches of {ROWS} and of 1, 2, 8", first, answers, cause)
    if failed and found.verdict == "ok":
        return Finding("batch size", "warn", f"{failed[0]}; batches of constant size are all that it may be given")
    return found


def in_other_batches(rows: Tensor, scores: Callable[[Tensor], Tensor], first: Tensor) -> list[tuple[str, Tensor]]:
    """Answers to the same rows, turned round, and with every other row replaced by ones of no such kind.

    Args:
        rows: a batch.
        scores: from a batch to its scores.
        first: the scores of that batch; stand where a row was replaced.
    """
    count = len(rows)
    turn = torch.arange(count).flip(0).roll(count // 3)
    turned = torch.empty_like(first)
    turned[turn] = scores(rows[turn])
    found = [("in another order", turned)]
    for kept in (0, 1)[: min(2, count)]:
        replaced = torch.arange(count) % 2 != kept
        if not bool(replaced.any()):
            continue
        mixed = rows.clone()
        # flat ones, unlike any picture, no two alike
        ramp = torch.linspace(0.0, 1.0, count, dtype=rows.dtype, device=rows.device)
        mixed[replaced] = ramp.view(-1, *[1] * (rows.dim() - 1)).expand_as(rows)[replaced]
        answer = scores(mixed).clone()
        answer[replaced] = first[replaced]
        found.append(("beside other rows", answer))
    return found


def _compared(name: str, how: str, first: Tensor, answers: list[Tensor], cause: str) -> Finding:
    worst = max((variation(first, answer) for answer in answers), default=0.0)
    tolerance = tolerance_for(worst)
    changed = max((argmax_changes(first, answer, tolerance) for answer in answers), default=0)
    measured = {"variation": worst, "tolerance": tolerance, "changed": float(changed)}
    if worst == 0:
        return Finding(name, "ok", f"scores are the same {how}, to the last bit", measured)
    size = f"{worst:.1e} of the largest score"
    if worst > largest_variation(first.dtype) or changed:
        return Finding(name, "refuse", f"scores change {how} by {size}, more than rounding can; {cause}", measured)
    return Finding(name, "ok", f"scores change {how} by {size}, as rounding does", measured)

"""Does what it says agree with the labels, clean and under noise?"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from noiseproof.checks.finding import Finding
from noiseproof.checks.probe import Probe
from noiseproof.checks.significance import far_above

_FEW = 50
"""Fewer pictures say nothing about accuracy."""


def labels(probe: Probe) -> Finding:
    """Labels shifted by one, or classes named in another order."""
    said, label, classes = probe.predictions, probe.labels, probe.num_classes
    right = said == label
    measured = {"as is": float(right.mean())}
    least = probe.chance + 0.2 * (1 - probe.chance)
    for shift in (1, -1):
        shifted = said == (label + shift) % classes
        measured[f"{shift:+d}"] = float(shifted.mean())
        if classes > 2 and far_above(shifted, right, gap=0.2, least=least):
            return Finding(
                "labels",
                "refuse",
                f"labels {shift:+d} agree with the model on {shifted.mean():.1%} of {len(label)} pictures, the labels "
                f"themselves on {right.mean():.1%}: they are shifted by one; give the labels the model was trained on",
                measured,
            )
    fitted, held_out = slice(0, None, 2), slice(1, None, 2)
    renamed = _renaming(said[fitted], label[fitted], classes)
    by_name = renamed[label[held_out]] == said[held_out]
    measured["renamed"] = float(by_name.mean())
    if far_above(by_name, right[held_out], gap=0.1, least=max(0.5, least)):
        names = [probe.classes[k] for k in np.flatnonzero(renamed != np.arange(classes)) if k in label[fitted]]
        return Finding(
            "labels",
            "warn",
            f"with classes renamed the model agrees with {by_name.mean():.1%} of held-out labels, as they are with "
            f"{right[held_out].mean():.1%}: {', '.join(names[:6])} seem swapped; compare the order of the classes",
            measured,
        )
    return Finding("labels", "ok", "no shift and no renaming of classes explains them much better", measured)


def accuracy(probe: Probe) -> Finding:
    """Was it trained at all?"""
    clean, chance = float((probe.predictions == probe.labels).mean()), probe.chance
    measured = {"accuracy": clean, "chance": chance, "pictures": float(len(probe.labels))}
    if len(probe.labels) < _FEW:
        return Finding("accuracy", "ok", f"too few pictures ({len(probe.labels)}) to say", measured)
    if clean < chance + 0.1 * (1 - chance):
        return Finding(
            "accuracy",
            "warn",
            f"{clean:.1%} on {len(probe.labels)} clean pictures, where always naming one class gives {chance:.1%}: "
            "never trained, or trained on other data or units; give the trained weights, or the data set they were for",
            measured,
        )
    return Finding("accuracy", "ok", f"{clean:.1%} on {len(probe.labels)} clean pictures", measured)


def under_noise(probe: Probe) -> Finding:
    """Was it trained with noise?"""
    clean = float((probe.predictions == probe.labels).mean())
    noisy, chance = float((probe.under_noise == probe.labels).mean()), probe.chance
    measured = {"noisy": noisy, "clean": clean, "chance": chance}
    if len(probe.labels) < _FEW:
        return Finding("noise", "ok", f"too few pictures ({len(probe.labels)}) to say", measured)
    if clean >= chance + 0.2 * (1 - chance) and noisy < chance + 0.25 * (clean - chance):
        return Finding(
            "noise",
            "warn",
            f"{noisy:.1%} under one draw of noise at sigma {probe.noise.sigma:g}, {clean:.1%} without: never trained "
            "with such noise, hardly anything would be certified; train it with noiseproof train --sigma, or put a "
            "denoiser before it (--denoiser)",
            measured,
        )
    return Finding("noise", "ok", f"{noisy:.1%} under one draw of noise at sigma {probe.noise.sigma:g}", measured)


def noise_level(probe: Probe) -> Finding:
    """Is sigma in the units of [0, 1] pixels, and near what it was trained with?"""
    sigma, trained = probe.noise.sigma, probe.trained_sigma
    measured = {"sigma": sigma} | ({} if trained is None else {"trained": trained})
    if sigma >= 4:
        says = f"sigma {sigma:g} is {sigma:g} times the range of a pixel; if it is in 0..255, give {sigma / 255:.3g}"
    elif sigma * 255 < 1:
        says = f"sigma {sigma:g} is less than a step of the 8-bit grid; give it in [0, 1] pixels"
    elif trained is not None and not trained / 8 < sigma < 8 * trained:
        says = f"sigma is {sigma:g}, the model was trained at {trained:g}; give one near that"
    else:
        fine = f"{sigma:g}" + ("" if trained is None else f", trained at {trained:g}")
        return Finding("sigma", "ok", fine, measured)
    return Finding("sigma", "warn", says, measured)


def _renaming(said: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """The permutation of classes under which labels agree with the model most often; label -> class of the model."""
    together = np.zeros((classes, classes))
    heard = said >= 0
    np.add.at(together, (label[heard], said[heard]), 1)
    together += np.eye(classes) / 2  # a tie is no reason to rename
    return np.asarray(linear_sum_assignment(together, maximize=True)[1])

"""Single inputs on the page: the picture, noisy copies, votes, what was concluded, what the falsifier found."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.data import DATA_SETS, FORMS, load
from noiseproof.data.dataset import pictures_only
from noiseproof.data.python_file import is_python
from noiseproof.data.request import REQUEST, kept
from noiseproof.errors import DataError, NoiseproofError
from noiseproof.noises.keys import input_key
from noiseproof.reports.noise_images import noisy_picture
from noiseproof.reports.units import down
from noiseproof.store.attacks import broken_place
from noiseproof.types import ABSTAIN, Certificate, Decision, Prediction

if TYPE_CHECKING:
    from noiseproof.asked import Elsewhere
    from noiseproof.data import DataSet
    from noiseproof.reports.page.looked import Looked
    from noiseproof.store.attacks import Attacked, AttackRun
    from noiseproof.store.run import Run
    from noiseproof.types import Pixels, Record

PER_GROUP = 6
LEAST_ROBUST = "Least robust of those certified"
_COPIES = 2
_SMALL = 64
"""Pixels a side up to which a picture is stored without loss."""


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        source: a data URI.
        alt: what it shows, in words.
        under: what stands below it.
        small: whether it is shown enlarged, pixel for pixel.
    """

    source: str
    alt: str
    under: str
    small: bool


@dataclass(frozen=True)
class InputCard:
    """One input.

    Attributes:
        name: its index and its true class.
        pictures: of it, clean and noisy; none where the data are not here.
        outcome: what was concluded, in a phrase.
        votes: (class, share of the draws): the most first.
        why: what the votes say, in a sentence.
        found: what attacks on it found; empty where there were none.
        broken: whether an attack contradicts its certificate.
    """

    name: str
    pictures: tuple[Picture, ...]
    outcome: str
    votes: tuple[tuple[str, float], ...]
    why: str
    found: str = ""
    broken: bool = False


@dataclass(frozen=True)
class Group:
    """Inputs that have something in common.

    Attributes:
        title: what.
        note: how many there are, and how they were chosen.
        cards: the inputs.
    """

    title: str
    note: str
    cards: tuple[InputCard, ...]


@dataclass(frozen=True)
class RunPictures:
    """The pictures of a run's data, as far as they are here.

    Attributes:
        data: the data set; None where it is not here.
        why: why not, and what to do.
    """

    data: DataSet | None
    why: str = ""

    def class_name(self, number: int) -> str:
        """A class in words, or its number."""
        known = self.data is not None and 0 <= number < len(self.data.classes)
        return self.data.classes[number] if self.data is not None and known else f"class {number}"

    def pixels(self, run: Run, record: Record) -> Pixels | None:
        """The picture, if it is the one that the run is about."""
        if self.data is None or record.skipped is not None or not 0 <= record.index < len(self.data):
            return None
        try:
            pixels = pictures_only(self.data).pixels(record.index)
            key = input_key(run.noise.encode(pixels))
        except (NoiseproofError, ValueError):
            return None
        return pixels if key.rpartition("-")[0] == record.key.rpartition("-")[0] else None


def pictures_of(run: Run, elsewhere: Elsewhere | None) -> RunPictures:
    """The data set that a run names. A Python file is run only where the caller names it, never because a run does."""
    said = run.manifest.meaning.get("data", {}).get("name")
    spec = elsewhere.data if elsewhere is not None and elsewhere.data else said
    if not isinstance(spec, str):
        return RunPictures(None, "The run does not say which pictures it is about; give them with --data.")
    name = spec.partition(":")[0]
    if spec == said == REQUEST:
        try:
            return RunPictures(kept(run.path, run.manifest.meaning["model"]["num_classes"]))
        except DataError as error:
            return RunPictures(None, f"The picture is not here: {error}")
    if spec == said and (is_python(spec) or not (name in DATA_SETS or any(form.takes(spec) for form in FORMS))):
        return RunPictures(
            None, f"The pictures of {spec} are not looked for on the run's word alone; give --data {spec}."
        )
    settings = run.state.sessions[-1].get("settings", {}) if run.state.sessions else {}
    root = elsewhere.root if elsewhere is not None and elsewhere.root else settings.get("root")
    try:
        return RunPictures(load(spec, root=None if root is None else Path(root)))
    except (NoiseproofError, ValueError, OSError) as error:
        return RunPictures(None, f"The pictures are not here: {error}")


def gallery(looked: Looked, pictures: RunPictures, attacks: Sequence[AttackRun]) -> tuple[Group, ...]:
    """The inputs of a run that are worth looking at, by what was concluded of them."""
    assert looked.run is not None
    found: dict[str, list[tuple[AttackRun, Attacked]]] = {}
    for attack in attacks:
        for point in attack.points:
            found.setdefault(point.key, []).append((attack, point))
    groups = []
    for title, how, records in _chosen(looked.records):
        if records:
            shown = records[:PER_GROUP]
            note = f"The {len(shown)} {how}, of {len(records):,}." if len(records) > len(shown) else ""
            cards = tuple(_card(looked.run, record, pictures, found.get(record.key, [])) for record in shown)
            groups.append(Group(title, note, cards))
    return tuple(groups)


def _chosen(records: Sequence[Record]) -> list[tuple[str, str, list[Record]]]:
    """Title, how the first were chosen, and all inputs of it, the most telling first."""
    outcome = next((record.outcome for record in records), None)
    right = [r for r in records if not r.outcome.abstained and r.outcome.prediction == r.label]
    wrong = [r for r in records if not r.outcome.abstained and r.label not in (None, r.outcome.prediction)]
    abstained = [r for r in records if r.outcome.abstained]
    if isinstance(outcome, Certificate):
        certified = right or [r for r in records if not r.outcome.abstained]
        least = sorted(certified, key=_radius)
        return [
            (LEAST_ROBUST, "with the smallest radii", least),
            ("Most robust", "with the largest radii", least[PER_GROUP:][::-1]),
            ("Certified, and wrong", "with the largest radii", sorted(wrong, key=_radius, reverse=True)),
            ("Abstained", "with the closest votes", sorted(abstained, key=_lead)),
        ]
    if isinstance(outcome, Decision):
        return [
            ("Certified, and it took the most draws", "with the most draws", sorted(right, key=lambda r: -r.draws)),
            ("Certified, and wrong", "with the most draws", sorted(wrong, key=lambda r: -r.draws)),
            ("Undecided", "with the closest votes", sorted((r for r in abstained if _undecided(r)), key=_lead)),
            ("Not certified", "with the closest votes", sorted((r for r in abstained if not _undecided(r)), key=_lead)),
        ]
    return [
        ("Answered, and wrong", "that were surest", sorted(wrong, key=_lead, reverse=True)),
        ("Abstained", "with the closest votes", sorted(abstained, key=_lead)),
        ("Answered rightly, the least sure", "with the closest votes", sorted(right, key=_lead)),
    ]


def _radius(record: Record) -> float:
    return record.outcome.radius if isinstance(record.outcome, Certificate) else 0.0


def _undecided(record: Record) -> bool:
    return isinstance(record.outcome, Decision) and record.outcome.answer == "undecided"


def _lead(record: Record) -> float:
    """By what share of the draws the first class leads the second."""
    votes, n = _votes(record)
    first, second = [*sorted(votes, reverse=True), 0, 0][:2]
    return (first - second) / n if n else 0.0


def _votes(record: Record) -> tuple[list[int], int]:
    """The votes that the outcome rests on: all but those that chose the class, where there are others."""
    answers = [answer for answer in record.answers if answer.stage != "select"] or list(record.answers)
    if not answers:
        return [], 0
    total = np.sum([answer.votes for answer in answers], axis=0).tolist()
    return total, sum(answer.n for answer in answers)


def _card(run: Run, record: Record, pictures: RunPictures, points: Sequence[tuple[AttackRun, Attacked]]) -> InputCard:
    votes, n = _votes(record)
    order = sorted(range(len(votes)), key=lambda k: (-votes[k], k))
    top = tuple((pictures.class_name(k), votes[k] / n) for k in order[:3] if votes[k])
    label = "label unknown" if record.label is None else pictures.class_name(record.label)
    name = f"#{record.index}: {label}"
    found, broken, place = _attacked(points, pictures)
    shown = _shown(run, record, pictures, label, place)
    return InputCard(name, shown, _outcome(run, record, pictures), top, _why(top, n, record), found, broken)


def _outcome(run: Run, record: Record, pictures: RunPictures) -> str:
    said = record.outcome
    if record.skipped is not None:
        return f"picture unreadable ({record.skipped}); counts as abstained"
    name = "abstained" if said.prediction == ABSTAIN else pictures.class_name(said.prediction)
    if isinstance(said, Certificate):
        if said.abstained:
            return f"abstained: p_A is not above 1/2 for sure (at least {down(said.p_lower, 3)})"
        unit = run.manifest.unit
        also = f"in units of {unit}" if unit else f"({255 * said.radius:.1f}/255)"
        return f"certified {name}, radius {said.radius:.3f} {also}, p_A at least {said.p_lower:.4f}"
    if isinstance(said, Decision):
        return f"{said.answer} at radius {said.radius:g}" + ("" if said.abstained else f": {name}")
    assert isinstance(said, Prediction)
    return f"{name}, p-value {said.p_value:.2g}"


def _why(top: Sequence[tuple[str, float]], n: int, record: Record) -> str:
    if not top:
        return ""
    (first, share), *rest = top
    void = f" {record.void:,} draws were void." if record.void else ""
    if not rest:
        return f"All {n:,} noisy copies are taken for {first}.{void}"
    return f"Why: of {n:,} noisy copies {rest[0][1]:.1%} are taken for {rest[0][0]}, {share:.1%} for {first}.{void}"


def _attacked(
    points: Sequence[tuple[AttackRun, Attacked]], pictures: RunPictures
) -> tuple[str, bool, tuple[Path, str] | None]:
    """What attacks found of one input: in a sentence, whether it contradicts, and where the nearest break lies."""
    if not points:
        return "", False, None
    attacks = ", ".join(dict.fromkeys(point.attack for _, point in points))
    broke = sorted((pair for pair in points if pair[1].broken), key=lambda pair: pair[1].distance)
    if not broke:
        farthest = max(point.distance for _, point in points)
        return f"Attacked ({attacks}): not broken up to a distance of {farthest:.3f}.", False, None
    attack, nearest = broke[0]
    taken = pictures.class_name(nearest.prediction)
    at = f"at a distance of {nearest.distance:.3f}" + (
        f" ({nearest.distance / nearest.radius:.2f} of its radius)" if nearest.radius else ""
    )
    place = attack.path / broken_place(nearest, attack.manifest.kind)
    under = f"attacked: {taken}"
    if nearest.contradicts:
        return f"BROKEN WITHIN ITS RADIUS {at} by {nearest.attack}: taken for {taken}.", True, (place, under)
    return (
        f"Not broken within its radius; beyond it by {nearest.attack} {at}: taken for {taken}.",
        False,
        (place, under),
    )


def _shown(
    run: Run, record: Record, pictures: RunPictures, label: str, broken: tuple[Path, str] | None
) -> tuple[Picture, ...]:
    pixels = pictures.pixels(run, record)
    if pixels is None:
        return ()
    what = f"input {record.index}, {label}"
    shown = [_picture(pixels, what, "as it is")]
    with suppress(NotImplementedError, NoiseproofError, ValueError):  # a noise that does not keep the shape
        shown += [
            _picture(noisy_picture(pixels, run.noise, 1, seed), f"{what}, under noise", "with noise")
            for seed in range(_COPIES)
        ]
    if broken is not None and (moved := _moved(broken[0], pixels)) is not None:
        shown.append(_picture(moved, f"{what}, as an attack changed it", broken[1]))
    return tuple(shown)


def _moved(path: Path, pixels: Pixels) -> Pixels | None:
    """The adversarial point that a folder kept, in 8 bits for display."""
    try:
        moved = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    if moved.shape != pixels.shape or not np.isfinite(moved).all():
        return None
    shown: Pixels = np.rint(255 * moved).clip(0, 255).astype(np.uint8)
    return shown


def _picture(pixels: Pixels, alt: str, under: str) -> Picture:
    from PIL import Image

    small = max(pixels.shape[1:]) <= _SMALL
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels[:3].transpose(1, 2, 0)))
    file = io.BytesIO()
    if small:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=80)
    kind = "png" if small else "jpeg"
    return Picture(f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", alt, under, small)

"""The page of one or more runs: read and verified, laid out, written as one file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import NoiseproofError
from noiseproof.reports.attack import attack_table, contradiction_text
from noiseproof.reports.baselines import one_line
from noiseproof.reports.card import card_of
from noiseproof.reports.falsify import attack_rows
from noiseproof.reports.page import answers, certified
from noiseproof.reports.page.gallery import LEAST_ROBUST, RunPictures, gallery, pictures_of
from noiseproof.reports.page.looked import Looked, look
from noiseproof.reports.page.parts import Grid, Inputs, Marked, Piece, Say, Section, Text, Tile, Tiles
from noiseproof.reports.page.render import Served, render
from noiseproof.reports.page.trained import trained
from noiseproof.reports.show import show
from noiseproof.reports.summaries import radii_of, run_table
from noiseproof.reports.tables import Table
from noiseproof.reports.units import down
from noiseproof.store.given import Runs, folders_of, listed
from noiseproof.store.manifest import KIND_IMPORT, write_text
from noiseproof.store.run import MALFORMED
from noiseproof.types import ABSTAIN, Certificate, Decision

if TYPE_CHECKING:
    from noiseproof.analysis import Summary
    from noiseproof.asked import Elsewhere
    from noiseproof.store.attacks import AttackRun
    from noiseproof.store.baselines import Baseline

_WRONG_ROWS = 20


@dataclass(frozen=True)
class Page:
    """A page, laid out.

    Attributes:
        html: the whole file.
        wrong: what is wrong with a folder, each with its name; empty where all hold.
        summaries: of the runs of certify and import that hold, in the order given.
        text: the tables of all runs that hold, for a terminal.
    """

    html: str
    wrong: tuple[str, ...]
    summaries: tuple[Summary, ...]
    text: str


def write_page(
    runs: Runs,
    html: str | Path,
    *,
    radii: str | Sequence[float] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Page:
    """Write the page of runs as one file; arguments as those of ``page_of``.

    Raises:
        RunError: the file cannot be written.
        ValueError: radii cannot be read, or a folder is named twice.
    """
    page = page_of(runs, radii=radii, elsewhere=elsewhere)
    write_text(Path(html), page.html)
    return page


def page_of(
    runs: Runs,
    *,
    radii: str | Sequence[float] | None = None,
    elsewhere: Elsewhere | None = None,
    served: Served | None = None,
    packed: bool = False,
) -> Page:
    """Runs as an HTML page that needs no network: each is verified; one that does not hold is shown as such.

    Args:
        runs: of any verb, by name if you like; what attack and falsify found stands beside the run that they attacked.
        radii: "start:stop:step" with both ends in, "a,b,c", or numbers; input units (L2); by default as ``report``
            has them.
        elsewhere: where the data lie now, for the pictures; without them the page is whole but for these.
        served: what the page has beside itself where a server hands it out.
        packed: for a bundle: the run lies beside the page as ``run``, and no picture is shown.

    Raises:
        ValueError: radii cannot be read, no run is given, or a folder is named twice.
    """
    given = listed(runs)
    if not given:
        raise ValueError("runs must not be empty: name at least one")
    if radii is not None:
        radii_of((), radii)  # before the work
    looked = [look(path, name) for name, path in folders_of(given).items()]
    grid = radii_of([each.run for each in looked if each.run is not None], radii)
    return _laid_out(looked, grid, elsewhere, served, packed=packed)


def _laid_out(
    looked: Sequence[Looked],
    grid: Sequence[float],
    elsewhere: Elsewhere | None,
    served: Served | None,
    *,
    packed: bool,
) -> Page:
    sections = [_folders(looked)]
    summaries: list[Summary] = []
    texts: list[str] = []
    attacks = [each.attack for each in looked if each.attack is not None]
    tiles: list[Tile] = []
    for runs in _side_by_side(looked):
        try:
            found = certified.summaries_of(runs, grid)
            more, head = list(certified.sections(runs, found)), certified.tiles(runs, found)
        except (
            NoiseproofError,
            *MALFORMED,
        ) as error:  # no label; an import written by hand
            sections.append(Section("curves", "Certified accuracy", (Say(f"Not drawn: {error}", "warn"),)))
            continue
        tiles += () if tiles else head
        summaries += found
        sections += more
        texts.append(certified.table_of(runs, found).text())
    for each in looked:
        if each.run is not None and each.records and each.kind in ("decide", "predict"):
            parts: list[Piece] = [Grid("", certified.cost_table(each.records))]
            try:
                parts.insert(0, Grid("", table := run_table(each.run)))
                texts.append(table.text())
            except (NoiseproofError, ValueError) as error:  # a label that is not known
                parts.insert(0, Say(f"Right and wrong are not told apart: {error}.", "warn"))
            title = f"{each.kind.capitalize()}: {each.name}"
            sections.append(Section(f"{each.kind}-{len(sections)}", title, tuple(parts)))
            tiles += answers.tiles(each) if len(looked) == 1 else ()
        if each.kind == "train" and not each.wrong:
            sections.append(Section(f"train-{len(sections)}", f"Training: {each.name}", tuple(trained(each.path))))
        if each.baseline is not None:
            title = f"Another certificate: {each.name}"
            sections.append(Section(f"baseline-{len(sections)}", title, (_other_certificate(each.baseline),)))
    sections += _attacks(looked)
    shown = list(_inputs(_worth_a_look(looked, summaries, grid), attacks, elsewhere, packed=packed))
    sections += shown
    if tiles:
        tiles += _least_robust(shown)
    sections += _promises(looked, packed=packed)
    wrong = tuple(f"{each.name}: {each.wrong}" for each in looked if each.wrong)
    html = render(
        "page.html",
        connects=bool(served and served.live),
        served=served,
        title=", ".join(each.name for each in looked),
        looked=looked,
        head=Tiles(tuple(tiles)) if tiles else None,
        sections=[section for section in sections if section.parts],
    )
    return Page(html, wrong, tuple(summaries), "\n\n".join(texts))


def _side_by_side(looked: Sequence[Looked]) -> Iterator[list[Looked]]:
    """Runs with radii of one norm and finished inputs, by norm."""
    norms: dict[str, list[Looked]] = {}
    for each in looked:
        if each.run is not None and each.kind in ("certify", KIND_IMPORT) and each.records:
            has_norm = isinstance(each.records[0].outcome, Certificate)
            norms.setdefault(f"{each.run.norm} {each.run.manifest.unit}" if has_norm else "", []).append(each)
    yield from norms.values()


def _folders(looked: Sequence[Looked]) -> Section:
    """What was given: one row a folder."""
    rows = []
    for each in looked:
        if each.manifest is None:
            continue
        meaning = each.manifest.meaning
        model, data = _table(meaning.get("model")), _table(meaning.get("data"))
        noise, procedure = _table(meaning.get("noise")), _table(meaning.get("procedure"))
        about = [f"{name} = {procedure[name]}" for name in ("n", "n_max", "radius", "alpha") if name in procedure]
        rows.append(
            (
                each.name,
                each.kind,
                str(model.get("architecture", "")),
                str(data.get("name", "")),
                f"{noise.get('family', '')} {noise.get('sigma', '')}".strip(),
                ", ".join([str(procedure.get("name", "")), *about]).strip(", "),
                f"{len(each.records):,}" if each.run is not None else "",
                each.manifest.version,
            )
        )
    table = Table(
        header=("run", "verb", "model", "data", "noise", "procedure", "inputs", "version"), rows=tuple(rows), caption=()
    )
    return Section("runs", "What was run", (Grid("", table),) if rows else ())


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _other_certificate(baseline: Baseline) -> Say:
    if not baseline.inputs:
        return Say("No input is finished yet.", "warn")
    try:
        return Say(one_line(baseline))
    except MALFORMED as error:
        return Say(f"Its meaning is none this version knows ({error!r:.200}).", "warn")


def _attacks(looked: Sequence[Looked]) -> Iterator[Section]:
    for each in looked:
        if each.attack is None or not each.attack.points:
            continue
        judge = _table(each.attack.manifest.meaning.get("judge"))
        n, alpha = judge.get("n"), judge.get("alpha")
        points = each.attack.points
        of = each.attack.manifest.meaning.get("run")
        runs = [other.run.manifest for other in looked if other.run is not None]
        data = next((run.meaning["data"]["name"] for run in runs if run.meaning_hash == of), "")
        parts: list[Piece] = []
        if isinstance(n, int) and isinstance(alpha, float):
            text = contradiction_text(points, certificate_alpha=alpha, judge_alpha=alpha)
            parts.append(Say(text or "No certificate was contradicted.", "bad" if text else "good"))
            parts.append(Grid("", attack_table(points, n=n, alpha=alpha, data=data)))
        parts.append(Grid("", attack_rows(points)))
        yield Section(f"attack-{each.name}", f"Attacked: {each.name}", tuple(parts))


def _inputs(
    looked: Sequence[Looked], attacks: Sequence[AttackRun], elsewhere: Elsewhere | None, *, packed: bool
) -> Iterator[Section]:
    for number, each in enumerate(looked):
        if each.run is None or not each.records:
            continue
        pictures = RunPictures(None, "A bundle has no pictures.") if packed else pictures_of(each.run, elsewhere)
        ours = [attack for attack in attacks if attack.manifest.meaning.get("run") == each.run.manifest.meaning_hash]
        groups = gallery(each, pictures, ours)
        parts: list[Piece] = [Say(pictures.why, "warn")] if pictures.why else []
        if pictures.data is not None:
            parts.append(
                Say("Noisy copies are clipped to [0, 1] for display only: the classifier sees them as they are.")
            )
        parts.append(Inputs(groups))
        if (wrong := _wrong(each, pictures)) is not None:
            parts.append(Grid("Certified and wrong", wrong, folded=True))
        yield Section(f"inputs-{number}", f"Inputs of {each.name}", tuple(parts))


def _least_robust(sections: Sequence[Section]) -> Sequence[Tile]:
    """The input that the page begins with, and why it is what it is."""
    groups = [
        group for section in sections for part in section.parts if isinstance(part, Inputs) for group in part.groups
    ]
    first = next((group for group in groups if group.title == LEAST_ROBUST), None)
    if first is None:
        return ()
    card = first.cards[0]
    return (Tile("least robust of those certified", card.name, card.why.removeprefix("Why: "), card.pictures[:1]),)


def _worth_a_look(looked: Sequence[Looked], summaries: Sequence[Summary], grid: Sequence[float]) -> list[Looked]:
    """The runs whose inputs are shown: of several of certify the one that the head of the page speaks of."""
    radii = [each for runs in _side_by_side(looked) for each in runs]
    if len(summaries) < 2 or len(summaries) != len(radii):
        return list(looked)
    best = radii[certified.best_at(summaries, list(grid).index(certified.headline_radius(grid)))]
    return [each for each in looked if each is best or each not in radii]


def _wrong(looked: Looked, pictures: RunPictures) -> Table | None:
    """Inputs that are certified in a class that is not theirs, the largest radii first."""
    certified_as = [
        (record, record.outcome)
        for record in looked.records
        if isinstance(record.outcome, Certificate)
        and record.outcome.prediction not in (ABSTAIN, record.label)
        and record.label is not None
    ]
    if not certified_as:
        return None
    certified_as.sort(key=lambda pair: -pair[1].radius)
    shown = certified_as[:_WRONG_ROWS]
    return Table(
        header=("input", "class", "certified as", "radius", "p_lower"),
        rows=tuple(
            (
                f"#{record.index}",
                pictures.class_name(record.label or 0),
                pictures.class_name(outcome.prediction),
                down(outcome.radius, 4),
                down(outcome.p_lower, 4),
            )
            for record, outcome in shown
        ),
        caption=(
            f"{len(certified_as):,} of {len(looked.records):,} inputs"
            + (f", the {len(shown)} with the largest radii" if len(certified_as) > len(shown) else "")
            + ". A certificate says that the class does not change, not that it is right.",
        ),
    )


def _promises(looked: Sequence[Looked], *, packed: bool) -> Iterator[Section]:
    """The card, the settings, the fingerprints and the line that verifies, of each folder."""
    parts: list[Piece] = []
    for each in looked:
        if each.manifest is None or each.wrong:
            continue
        promises = all(isinstance(record.outcome, Certificate | Decision) for record in each.records)
        if each.run is not None and each.held is not None and each.records and promises:
            try:
                parts.append(Marked(f"{each.name}: what is promised, and what is not", _from_markdown(each)))
            except (NoiseproofError, ValueError, KeyError) as error:
                parts.append(Say(f"{each.name}: no card ({error})", "warn"))
        place = "run" if packed else each.path
        try:
            text = show(each.path).removeprefix(str(each.path))
            parts.append(Text(f"{each.name}: settings, fingerprints, sessions", f"{place}{text}"))
        except (NoiseproofError, ValueError) as error:
            parts.append(Say(f"{each.name}: {error}", "warn"))
        if each.last_hash:
            verify = f" Verify it: noiseproof verify {place}" if each.run is not None else ""
            parts.append(Say(f"{each.name}: the journal ends in the hash {each.last_hash}.{verify}"))
    yield Section("promise", "The promise in full", tuple(parts))


def _from_markdown(looked: Looked) -> str:
    """The card as HTML, its headings below those of the page."""
    from markdown_it import MarkdownIt

    assert looked.run is not None
    assert looked.held is not None
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(card_of(looked.run, looked.held).partition("\n")[2])
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    made: str = parser.renderer.render(tokens, parser.options, {})
    return re.sub(r"<thead>\s*<tr>\s*(<th[^>]*></th>\s*)+</tr>\s*</thead>", "", made)

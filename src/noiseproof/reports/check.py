"""What a check of certified accuracy found: in a sentence, as JUnit XML, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from noiseproof.stats.share import ShareVerdict


@dataclass(frozen=True)
class AccuracyCheck:
    """What a check found.

    Attributes:
        verdict: "at least", "below" or "undecided".
        at_least: the share asked about.
        radius: in input units in the norm of the noise.
        norm: of the noise.
        certified: inputs that are certified at the radius with their true label.
        inputs: inputs looked at.
        population: inputs there are.
        error: of the verdict.
        draws: of all inputs.
        seconds: that the draws took.
        run: the run folder.
        unit: what the radius is measured in, where inputs are no pixels.
    """

    verdict: ShareVerdict
    at_least: float
    radius: float
    norm: str
    certified: int
    inputs: int
    population: int
    error: float
    draws: int
    seconds: float
    run: Path
    unit: str = ""

    @property
    def text(self) -> str:
        """The verdict in a sentence."""
        said = {
            "at least": f"at least {self.at_least:.1%}",
            "below": f"below {self.at_least:.1%}",
            "undecided": f"not told from {self.at_least:.1%} by these inputs",
        }[self.verdict]
        return (
            f"certified accuracy at {self._radius} is {said} (wrong with probability at most "
            f"{self.error:g}): {self.certified:,} of {self.inputs:,} inputs certified, "
            f"of {self.population:,} in random order, {self.draws:,} draws"
        )

    def junit(self) -> str:
        """One test case: passed, failed (below), or in error (undecided)."""
        suite = ElementTree.Element(
            "testsuite",
            name="noiseproof",
            tests="1",
            failures=str(int(self.verdict == "below")),
            errors=str(int(self.verdict == "undecided")),
            time=f"{self.seconds:.3f}",
        )
        case = ElementTree.SubElement(suite, "testcase", classname="noiseproof.check", name=self._asked)
        case.set("time", f"{self.seconds:.3f}")
        if self.verdict != "at least":
            ElementTree.SubElement(case, "failure" if self.verdict == "below" else "error", message=self.text)
        ElementTree.SubElement(case, "system-out").text = self.text
        return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"

    def markdown(self) -> str:
        """A heading with the verdict, and a table."""
        heading = {"at least": "holds", "below": "does not hold", "undecided": "undecided"}[self.verdict]
        rows = {
            "asked": self._asked,
            "certified": f"{self.certified:,} of {self.inputs:,} inputs, of {self.population:,} in random order",
            "wrong verdict": f"with probability at most {self.error:g}",
            "draws": f"{self.draws:,}",
            "run folder": f"`{self.run}`",
        }
        table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
        return f"### Certified accuracy: {heading}\n\n| | |\n|---|---|\n{table}\n"

    @property
    def _asked(self) -> str:
        return f"certified accuracy of at least {self.at_least:.1%} at {self._radius}"

    @property
    def _radius(self) -> str:
        return f"{self.norm} radius {self.radius:g}" + (f" in units of {self.unit}" if self.unit else "")

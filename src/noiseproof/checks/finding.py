"""What a check found, and all findings together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal

from noiseproof.screen import as_html

Verdict = Literal["ok", "warn", "refuse", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: of the check.
        verdict: "ok"; "warn": the certificate holds but says little, or about something else than is meant;
            "refuse": it would not be about what it says; "skipped": another finding leaves nothing to check.
        says: one sentence, with the number measured and, where something is wrong, the remedy.
        measured: the numbers.
    """

    name: str
    verdict: Verdict
    says: str
    measured: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """What all checks found of a base classifier on a data set.

    Attributes:
        model: where the base classifier came from.
        data: the data set's name.
        sigma: of the noise it was checked under.
        findings: one a check, in the order of the checks.
        seconds: what it took.

    >>> Diagnosis("m", "d", 0.5, (Finding("finite", "ok", "all are"), Finding("labels", "warn", "b")), 0.1).verdict
    'warn'
    """

    model: str
    data: str
    sigma: float
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst one."""
        said = {finding.verdict for finding in self.findings}
        return "refuse" if "refuse" in said else "warn" if "warn" in said else "ok"

    def finding(self, name: str) -> Finding:
        """The finding of this check.

        Raises:
            KeyError: there is no such check.
        """
        return {finding.name: finding for finding in self.findings}[name]

    def text(self) -> str:
        """One line a check and a final sentence, for a terminal."""
        width = max(len(finding.name) for finding in self.findings)
        lines = [f"{f.verdict:8}{f.name:{width}}  {f.says}" for f in self.findings if f.verdict != "skipped"]
        skipped = [f for f in self.findings if f.verdict == "skipped"]
        if skipped:
            lines.append(f"skipped {len(skipped)} other checks: {skipped[0].says}")
        return "\n".join([*lines, "", self._conclusion()])

    def __repr__(self) -> str:
        """In a line."""
        return f"<Diagnosis {self.verdict}: {self._conclusion()}>"

    def _repr_html_(self) -> str:
        """For notebooks: the text."""
        return as_html(self.text())

    def table(self) -> dict[str, Any]:
        """Everything as a plain nested table, for JSON; what was infinite is None there."""
        findings = [
            asdict(f) | {"measured": {name: value if isfinite(value) else None for name, value in f.measured.items()}}
            for f in self.findings
        ]
        return {"verdict": self.verdict, **asdict(self), "findings": findings}

    def _conclusion(self) -> str:
        where = f"{self.model} on {self.data} at sigma {self.sigma:g}"
        bad = [f.name for f in self.findings if f.verdict == "refuse"]
        doubts = [f.name for f in self.findings if f.verdict == "warn"]
        if bad:
            return f"refused: {where}: a certificate would not be about what it says ({', '.join(bad)})"
        if doubts:
            return f"{where} may be certified, but see the warnings ({', '.join(doubts)})"
        return f"{where}: nothing found by {len(self.findings)} checks"

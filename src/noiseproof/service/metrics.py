"""What the service counts of itself, in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_NAMES = {
    "requests_total": ("counter", "Requests by question and status; 499: the client left."),
    "draws_total": ("counter", "Noisy copies that were voted on."),
    "seconds_total": ("counter", "Seconds that answered requests took, by question."),
    "under_way": ("gauge", "Requests that are drawn for now."),
    "waiting": ("gauge", "Requests that wait for their turn."),
}


@dataclass
class Metrics:
    """Counts since the start.

    Attributes:
        requests: (question, status) -> how many.
        seconds: question -> seconds of its answered requests.
        draws: of all of them.
    """

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    draws: int = 0

    def ended(self, question: str, status: int, seconds: float) -> None:
        """A request came to its end."""
        self.requests[question, status] += 1
        if status == 200:
            self.seconds[question] = self.seconds.get(question, 0.0) + seconds

    def text(self, *, under_way: int, waiting: int) -> str:
        """All of it."""
        values: dict[str, list[tuple[str, float]]] = {
            "requests_total": [
                (f'{{question="{question}",status="{status}"}}', n)
                for (question, status), n in sorted(self.requests.items())
            ],
            "draws_total": [("", self.draws)],
            "seconds_total": [(f'{{question="{question}"}}', round(n, 6)) for question, n in self.seconds.items()],
            "under_way": [("", under_way)],
            "waiting": [("", waiting)],
        }
        lines = []
        for name, (kind, about) in _NAMES.items():
            lines += [f"# HELP noiseproof_{name} {about}", f"# TYPE noiseproof_{name} {kind}"]
            lines += [f"noiseproof_{name}{labels} {value}" for labels, value in values[name]]
        return "\n".join(lines) + "\n"

"""All of a run: the procedure, the noise, the subject, where it is computed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noiseproof.arguments import flag, integer
from noiseproof.asked.compute import Compute
from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.options import asked_of, line
from noiseproof.asked.subject import Subject
from noiseproof.errors import unknown
from noiseproof.noises import NOISES, Noise
from noiseproof.noises.words import GENERATORS, Generator
from noiseproof.procedures import Procedure

if TYPE_CHECKING:
    from noiseproof.store import Run


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a run is asked for.

    Attributes:
        procedure: what is asked of every input.
        noise: what is added to it.
        subject: about which model and inputs.
        compute: where.
        seed: Of the noise; left out with chacha20.
        rng: Generator of the noise: philox; or chacha20, keyed by the operating system, the key kept with the run.
        budget: Draws for all inputs together, given to those nearest to a decision.
        common_noise: The same noise for every model and setting of a seed, to compare them; else each has its own.

    Raises:
        ValueError: the generator is unknown, a number is none, or shards could not be merged.
    """

    procedure: Procedure
    noise: Noise
    subject: Subject
    compute: Compute = Compute()  # noqa: RUF009  # frozen
    seed: int = 0
    rng: Generator = "philox"
    budget: int | None = None
    common_noise: bool = False

    def __post_init__(self) -> None:
        check_kinds({name: getattr(self, name) for name in ("procedure", "noise", "subject", "compute")})
        object.__setattr__(self, "seed", integer("seed", self.seed))  # 5.0 would be another stream than 5
        object.__setattr__(self, "common_noise", flag("common_noise", self.common_noise))
        if self.budget is not None:
            object.__setattr__(self, "budget", integer("budget", self.budget))
        if self.rng not in GENERATORS:
            raise ValueError(unknown("rng", self.rng, GENERATORS))
        if self.rng != "philox" and self.seed != 0:
            raise ValueError(
                f"seed must be left out with rng {self.rng}, whose key comes from the operating system, got {self.seed}"
            )

        if self.subject.is_part and self.budget is not None:
            raise ValueError("budget must be left out with shard: inputs that share draws are no shards")
        if self.subject.is_part and self.rng != "philox":
            raise ValueError(f"rng must be philox with shard, got {self.rng}: each shard would have its own key")

    def table(self) -> dict[str, Any]:
        """What differs from the defaults, under the names of the flags: a settings file."""
        said: dict[str, Any] = asked_of(self.subject) | self.subject.settings()
        if self.noise.family != next(iter(NOISES)):
            said["noise"] = self.noise.family
        said |= asked_of(self.noise)
        if self.procedure.name != self.procedure.verb:
            said["procedure"] = self.procedure.name
        said |= asked_of(self.procedure)
        defaults = {each.name: each.default for each in fields(self)}
        own = ("budget", "seed", "rng", "common_noise")
        said |= {name: getattr(self, name) for name in own if getattr(self, name) != defaults[name]}
        return said | asked_of(self.compute)

    def line(self, out: str | Path | None = None) -> str:
        """The command line that asks for it."""
        return line(self.procedure.verb, self.table() | ({} if out is None else {"out": str(out)}))

    @classmethod
    def of(cls, run: Run) -> Asked:
        """What a run folder was asked for, as its last session has it; which inputs, it does not bind.

        Args:
            run: a run of certify, predict or decide.
        """
        meaning = run.manifest.meaning
        stored: dict[str, Any] = run.state.sessions[-1]["settings"] if run.state.sessions else {}
        known = {each.name for each in fields(Subject)} - {"model", "data", "num_classes"}
        rng = meaning.get("rng", "philox")
        return cls(
            procedure=run.procedure,
            noise=run.noise,
            subject=Subject(
                model=stored.get("model", ""),
                data=meaning["data"]["name"],
                num_classes=meaning["model"]["num_classes"],
                **{name: value for name, value in stored.items() if name in known},
            ),
            compute=Compute(precision=meaning["precision"], backend=meaning["backend"]),
            seed=int(meaning["seed"]) if rng == "philox" else 0,
            rng=rng,
            budget=meaning["budget"]["draws"] if "budget" in meaning else None,
            common_noise="words" not in meaning,
        )

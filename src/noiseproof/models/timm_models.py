"""Models of timm (extra ``timm``), with their normalisation inside."""

from __future__ import annotations

from typing import Any

from noiseproof.arguments import expanded
from noiseproof.models.base import BaseModel, agree, fingerprint, frozen
from noiseproof.models.normalize import Normalize, Normalized
from noiseproof.models.packages import need
from noiseproof.models.state import fill, made

PREFIX = "timm:"


def load_timm(name: str, num_classes: int | None, shape: tuple[int, ...] | None) -> BaseModel:
    """The base classifier of a name of timm.

    ``NAME`` takes timm's own weights, from its cache where they are there; ``local-dir:PATH`` and ``hf-hub:NAME`` are
    names too. ``NAME@FILE`` takes those of a file. The normalisation is that of timm's configuration of the name.

    Args:
        name: as above.
        num_classes: checked against the weights; with a file, how many it was trained on, by default timm's.
        shape: of one input; with timm's own weights that of its configuration.

    Raises:
        ModelError: the package is missing, the name unknown, the weights cannot be had, or hold another model.
    """
    spec = f"{PREFIX}{name}"
    timm = need(spec, "timm", "timm")
    bare, at, file = name.partition("@")

    def make() -> Any:  # noqa: ANN401 (untyped package)
        options = {} if num_classes is None or not at else {"num_classes": num_classes}
        return timm.create_model(bare, pretrained=not at, **options)

    network = made(spec, make)
    if at:
        fill(network, expanded(file), f"timm's {bare}")
    config = timm.data.resolve_data_config({}, model=network)
    stored = None if at else tuple(int(side) for side in config["input_size"])
    found = None if stored is None and shape is None else tuple(agree(spec, "shape", shape, stored))
    classes = int(agree(spec, "num_classes", num_classes, int(network.num_classes)))  # type: ignore[arg-type]
    module = frozen(Normalized(Normalize(config["mean"], config["std"]), network))
    kind = f"timm:{bare}" if not bare.startswith("local-dir:") else f"timm:{type(network).__name__}"
    return BaseModel(
        module, kind, classes, found, fingerprint(module, kind), spec, assumed=f"timm's {bare}" if at else ""
    )

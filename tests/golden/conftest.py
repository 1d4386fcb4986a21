"""What the golden runs are made of: models and pictures whose every number is written down here.

Weights, pictures and noise are integers, so votes are the same on every machine and under every version of torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent

MODEL = '''
"""Four classes, the brightest quarter of a picture; a, b and c look at it with other weights."""

import torch


class Quarters(torch.nn.Module):
    def __init__(self, side, classes, least):
        super().__init__()
        rows, columns = torch.arange(side).view(-1, 1), torch.arange(side).view(1, -1)
        quarter = 2 * (rows >= side // 2) + (columns >= side // 2)
        pattern = least + (3 * rows + 5 * columns) % 3
        weights = torch.stack([torch.where(quarter == k % 4, 4 * pattern, k // 4) for k in range(classes)])
        self.register_buffer("weights", weights.reshape(classes, side * side).float())
        self.register_buffer("apart", torch.arange(classes).float())  # no two scores are equal

    def forward(self, x):
        return (255 * x).flatten(1) @ self.weights.T + self.apart


def a():
    return Quarters(8, 4, 1)


def b():
    return Quarters(8, 4, 2)


def c():
    return Quarters(8, 4, 3)


def wide():
    return Quarters(28, 10, 1)


def function(batch):
    return batch.reshape(len(batch), 4, 16).sum(axis=2)
'''

IMPORTS = "import model\n\n\ndef net():\n    return model.Quarters(8, 4, 2)\n"
"""A model out of a file that imports the one beside it, which then is part of its fingerprint."""

PRINTED = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t3\t3\t0.378\t1\t15.4\n20\t7\t-1\t0.0\t0\t15.6\n"
COUNTED = "990 6 4 0\n500 490 10 1\n4 990 6 1\n"


@dataclass(frozen=True)
class Case:
    """A line that makes a run folder.

    Attributes:
        name: of the case.
        words: of its command line, which end with the folder.
        after: cases that must have been made.
        needs: packages it cannot do without.
        chance: names in the meaning that the operating system draws.
    """

    name: str
    words: list[str]
    after: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    chance: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """Its run folder."""
        return Path(self.words[-1])


def cases(table: str) -> dict[str, Case]:
    """The cases of a table in ``cases.toml``."""
    read = tomllib.loads((HERE / "cases.toml").read_text(encoding="utf-8"))
    found = {}
    for name, row in read[table].items():
        line = row["line"].replace("{on}", read["on"]).replace("{out}", f"runs/{name}")
        needs = row.get("needs", "").split()
        found[name] = Case(name, line.split(), row.get("after", []), needs, row.get("chance", []))
    return found


def write_parts(folder: Path) -> None:
    """Models, pictures and files to import, as the lines of the cases name them."""
    import torch

    from noiseproof.models import build, save_weights
    from noiseproof.models.denoised import build_denoiser

    (folder / "model.py").write_text(MODEL)
    (folder / "imports.py").write_text(IMPORTS)
    (folder / "sigma_0.25.tsv").write_text(PRINTED)
    (folder / "counts.txt").write_text(COUNTED)
    for name, each, first in (("pictures", 3, 0), ("damaged", 1, 0), ("more", 1, 3)):
        for label in range(4):
            (folder / name / f"class{label}").mkdir(parents=True)
            for number in range(first, first + each):
                _picture(label, number).save(folder / name / f"class{label}" / f"{number}.png")
    (folder / "damaged" / "class0" / "1.png").write_bytes(b"no picture")
    (folder / "denoiser").mkdir()
    network = build("small-cnn", num_classes=4, shape=(1, 8, 8))
    denoiser = build_denoiser("dncnn-3x4", shape=(1, 8, 8))
    with torch.no_grad():
        for tensor in (*network.parameters(), *denoiser.parameters()):
            steps = (7919 * torch.arange(tensor.numel()) + 3) % 13 - 4
            tensor.copy_((steps / 64).view(tensor.shape))
        denoiser.dncnn[-1].weight.zero_()  # it takes nothing away, so that scores stay integers
    said = {"architecture": "small-cnn", "num_classes": "4", "shape": "[1, 8, 8]", "sigma": "0.25"}
    save_weights(network.eval(), folder / "network.safetensors", said)
    of_denoiser = {"task": "denoiser", "architecture": "dncnn-3x4"}
    save_weights(denoiser.eval(), folder / "denoiser" / "weights.safetensors", of_denoiser)


def _picture(label: int, number: int) -> Image.Image:
    """A quarter brighter than the others, by less the larger the number is."""
    row, column = np.mgrid[:8, :8]
    bright = (row // 4 * 2 + column // 4 == label) * (120 - 40 * number)
    return Image.fromarray((60 + bright + (5 * row + 3 * column + number) % 7).astype(np.uint8))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the parts, and in it we are: the paths that a run keeps are relative ones."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("golden")
    write_parts(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="session", name="cases")
def _cases() -> dict[str, Case]:
    """Every line of which a manifest is stored."""
    return cases("cases")


@pytest.fixture(scope="session")
def folder_cases() -> dict[str, Case]:
    """The lines that made the stored folders."""
    return cases("folders")

"""Certify a classifier of a table, in units of each column's spread:  python examples/tabular.py [OUT].

Needs scikit-learn, whose breast cancer table it takes (30 columns, 569 rows).
"""

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import noiseproof
from noiseproof import Certify, Gaussian, Subject

SIGMA, ROWS = 0.1, 400  # of the spread of a column; of the training table


def write(path: Path, columns: list[str], rows: np.ndarray, labels: np.ndarray) -> None:
    """A table as it lies about: a column a measurement, the last one the class."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*columns, "label"])
        table.writerows([*row, label] for row, label in zip(rows.tolist(), labels.tolist(), strict=True))


def main(out: Path) -> None:
    """Fit a linear classifier under noise, and certify every fourth row of the test table."""
    cancer = load_breast_cancer()
    columns = [name.replace(" ", "_") for name in cancer.feature_names]
    train, labels = cancer.data[:ROWS], cancer.target[:ROWS]
    out.mkdir(parents=True, exist_ok=True)
    write(out / "train.csv", columns, train, labels)
    write(out / "test.csv", columns, cancer.data[ROWS:], cancer.target[ROWS:])

    spread = train.max(axis=0) - train.min(axis=0)
    noise = SIGMA * spread * np.random.default_rng(0).normal(size=(20, *train.shape))  # the noise of smoothing
    noisy = (train + noise).reshape(-1, train.shape[1])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(noisy, np.tile(labels, 20))

    data = f"{out}/test.csv:spread={out}/train.csv"
    subject = Subject(model=model, data=data, every=4)
    run = noiseproof.run(Certify(n=2000), Gaussian(sigma=SIGMA, grid=4096), subject, out=out / "run")
    for radius in (0.0, 0.1, 0.2):
        print(f"{run.certified_accuracy(radius):.1%} right and certified at {run.norm} radius {radius}")
    print(f"in units of {run.manifest.unit}; of {len(run.records)} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "tabular"))

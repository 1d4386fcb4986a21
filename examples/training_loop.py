"""A training loop of your own that shows certified accuracy:  python examples/training_loop.py [EPOCHS]."""

import sys

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from noiseproof import Gaussian
from noiseproof.data import load
from noiseproof.metrics import CertifiedAccuracy
from noiseproof.models import build

SIGMA, RADIUS = 0.25, 0.25


def tensors(spec: str, every: int) -> TensorDataset:
    """Every so many pictures, as floats k / 255, with their classes."""
    data = load(spec, split="test")
    x = torch.from_numpy(data.images()[::every]).float() / 255
    return TensorDataset(x, torch.from_numpy(data.labels[::every]))


def main(epochs: int) -> None:
    """Train a LeNet under noise; after each epoch ask how many of 40 pictures are certified."""
    torch.manual_seed(0)
    train = DataLoader(tensors("fashion-mnist-small:train", every=2), batch_size=64, shuffle=True)
    test = DataLoader(tensors("fashion-mnist-small:test", every=25), batch_size=40)
    model = build("lenet", num_classes=10, shape=(1, 28, 28))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    metric = CertifiedAccuracy(Gaussian(sigma=SIGMA), RADIUS, num_classes=10, n_max=1000)
    for epoch in range(epochs):
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            F.cross_entropy(model(x + SIGMA * torch.randn_like(x)), y).backward()
            optimizer.step()
        metric.reset()
        for x, y in test:
            metric.update(model, x, y)
        print(
            f"epoch {epoch}: {metric.compute():.1%} certified at L2 radius {RADIUS} "
            f"({metric.draws / metric.inputs:.0f} draws an input)"
        )
    metric.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

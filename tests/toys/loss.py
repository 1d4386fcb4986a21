"""Cross-entropy under noise against smoothed labels."""

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

from noiseproof.training.losses import Loss, LossOut
from noiseproof.training.randomness import normal


@dataclass(frozen=True)
class Smoothed(Loss):
    """Labels that keep 1 - share of their weight, the rest spread over all classes; 0 is the Gaussian loss."""

    share: float = 0.1

    name = "label-smoothing"

    def __call__(self, model, x, y, *, sigma, generator, phase, targets=None):
        scores = model(x + sigma * normal(x, m=1, generator=generator))
        accuracy = (scores.detach().argmax(dim=1) == y).float().mean()
        return LossOut(cross_entropy(scores, y, label_smoothing=self.share), accuracy)

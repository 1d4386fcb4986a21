"""Cross-entropy under noise against smoothed labels."""

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

from noiseproof.training.losses import Loss, LossOut


@dataclass(frozen=True)
class Smoothed(Loss):
    """Labels that keep 1 - share of their weight, the rest spread over all classes; 0 is the Gaussian loss."""

    share: float = 0.1

    name = "label-smoothing"

    def compute(self, model, batch):
        scores = model(batch.x + batch.noise(1))
        accuracy = (scores.detach().argmax(dim=1) == batch.y).float().mean()
        return LossOut(cross_entropy(scores, batch.y, label_smoothing=self.share), accuracy)

"""Training losses, one a file. A new one is one line in ``LOSSES`` and one in the list of the laws."""

from noiseproof.errors import unknown
from noiseproof.training.losses.base import Loss, LossOut, Progress
from noiseproof.training.losses.gaussian import GaussianLoss

LOSSES: dict[str, type[Loss]] = {
    GaussianLoss.name: GaussianLoss,
}

__all__ = ["LOSSES", "GaussianLoss", "Loss", "LossOut", "Progress", "find_loss"]


def find_loss(loss: str | Loss) -> Loss:
    """The loss of a name, with its defaults; a loss is itself.

    Raises:
        ValueError: the name is unknown.
    """
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(unknown("loss", loss, LOSSES))
    return LOSSES[loss]()

"""Certified accuracy beside the Hugging Face Trainer's own metrics:  python examples/trainer.py [EPOCHS].

Needs transformers and accelerate. Any model that returns its loss and its logits will do.
"""

import sys
import tempfile

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import Trainer, TrainingArguments

from noiseproof import Gaussian
from noiseproof.data import load
from noiseproof.metrics import CertifiedAccuracy, trainer_callback
from noiseproof.models import build

SIGMA, RADIUS = 0.25, 0.25


class Classifier(nn.Module):
    """A LeNet that learns under the noise it will be certified with."""

    def __init__(self) -> None:
        super().__init__()
        self.net = build("lenet", num_classes=10, shape=(1, 28, 28))

    def forward(self, x, labels=None):
        """Loss and logits, which the Trainer takes out."""
        logits = self.net(x + SIGMA * torch.randn_like(x) if self.training else x)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def rows(spec: str, every: int) -> list[dict[str, torch.Tensor]]:
    """Every so many pictures as the Trainer takes them."""
    data = load(spec)
    return [{"x": torch.from_numpy(data[i][0]), "labels": torch.tensor(data[i][1])} for i in range(0, len(data), every)]


def main(epochs: int) -> None:
    """Train, and ask after each epoch how many of 40 pictures are certified."""
    test = rows("fashion-mnist-small:test", every=25)
    batches = DataLoader(TensorDataset(*(torch.stack([row[name] for row in test]) for name in ("x", "labels"))), 40)
    metric = CertifiedAccuracy(Gaussian(sigma=SIGMA), RADIUS, num_classes=10, n_max=1000)
    with tempfile.TemporaryDirectory() as folder:
        asked = TrainingArguments(
            folder, num_train_epochs=epochs, learning_rate=1e-3, per_device_train_batch_size=64, eval_strategy="epoch",
            save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=not torch.cuda.is_available(), seed=0,
            remove_unused_columns=False,
        )  # fmt: skip
        # what is certified is the network alone: x to logits
        callback = trainer_callback(metric, batches, scores=lambda model: model.net)
        train = rows("fashion-mnist-small:train", every=2)
        trainer = Trainer(Classifier(), asked, train_dataset=train, eval_dataset=test, callbacks=[callback])
        trainer.train()
    for entry in trainer.state.log_history:
        if "eval_certified_accuracy" in entry:
            share = entry["eval_certified_accuracy"]
            print(f"epoch {entry['epoch']:g}: {share:.1%} certified at L2 radius {RADIUS}")
    metric.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

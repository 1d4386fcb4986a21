"""Certified accuracy in a training loop: on dark and bright pictures whose certificates are plain."""

import re

import pytest

pytest.importorskip("torch")

import torch

from noiseproof import Gaussian, SmoothedClassifier
from noiseproof.metrics import CertifiedAccuracy, lightning_callback, trainer_callback

NOISE = Gaussian(sigma=0.25)


class Brightness(torch.nn.Module):
    """Right on dark (0) and bright (1) pictures; what it is told of others does not matter."""

    def __init__(self):
        super().__init__()
        self.shift = torch.nn.Parameter(torch.tensor(-0.5))

    def forward(self, x):
        bright = x.flatten(1).mean(dim=1) + self.shift
        return torch.stack((-bright, bright), dim=1)


def lights(n=6):
    """Pictures, half of them bright, and their classes, of which the last is wrong."""
    y = torch.arange(n) % 2
    x = y.float().view(n, 1, 1, 1).expand(n, 1, 4, 4).clone()
    y[-1] = 1 - y[-1]
    return x, y


@pytest.fixture
def metric():
    made = CertifiedAccuracy(NOISE, radius=0.5, num_classes=2, n_max=500)
    yield made
    made.close()


def test_it_is_the_share_that_is_right_and_certified(metric):
    x, y = lights()
    metric.update(Brightness(), x[:4], y[:4])
    assert metric.compute() == 1
    metric.update(Brightness(), x[4:], y[4:])
    assert metric.compute() == torch.tensor(5 / 6)
    assert (metric.certified, metric.inputs) == (5, 6)
    with SmoothedClassifier(Brightness().eval(), 2, NOISE) as g:
        assert metric.draws == int(g.decide(x, radius=0.5, n_max=500).draws.sum())
    metric.reset()
    assert metric.compute().isnan()


def test_it_sees_weights_that_are_trained_and_leaves_each_mode_as_it_was(metric):
    base, (x, y) = Brightness().train(), lights(4)
    base.still = torch.nn.Dropout().eval()
    metric.update(base, x, y)
    assert metric.compute() == 0.75
    metric.reset()
    with torch.no_grad():
        base.shift.add_(9)
    metric.update(base, x, y)
    assert metric.compute() == 0.25  # all are bright to it now, and one of them is said to be
    assert (base.training, base.still.training) == (True, False)


@pytest.mark.parametrize(
    "y", [torch.zeros(6, 2), torch.zeros(6), torch.zeros(5, dtype=torch.long)], ids=["scores", "floats", "too few"]
)
def test_what_are_no_classes_is_refused(metric, y):
    with pytest.raises(ValueError, match=re.escape("y must be the true classes, integers [6], got ")):
        metric.update(Brightness(), lights()[0], y)
    assert metric.inputs == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((torch.zeros(6, 2), torch.zeros(6, dtype=torch.long)), "got Tensor first and no classes: what is counted"),
        (
            (lambda x: x, *lights()),
            "got function first: what is counted is drawn under noise, so scores are not enough",
        ),
    ],
    ids=["logits and classes", "a function"],
)
def test_predictions_instead_of_a_classifier_are_refused(metric, given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        metric.update(*given)
    assert metric.inputs == 0


def test_processes_add_up(metric, tmp_path):
    """A group of this process alone; what another would bring is put in."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.FileStore(str(tmp_path / "s"), 1), rank=0, world_size=1
    )
    try:
        reduced = []
        real = torch.distributed.all_reduce
        torch.distributed.all_reduce = lambda counts: (reduced.append(1), counts.add_(torch.tensor([1.0, 4.0])))
        metric.update(Brightness(), *lights())
        assert metric.compute() == torch.tensor(6 / 10)
        assert reduced == [1]
    finally:
        torch.distributed.all_reduce = real
        torch.distributed.destroy_process_group()


@pytest.mark.extra("accelerate", "transformers")
def test_the_trainer_of_hugging_face_logs_it(metric, tmp_path):
    from transformers import Trainer, TrainingArguments

    class WithLoss(Brightness):
        def forward(self, x, labels=None):
            scores = super().forward(x)
            return {"loss": torch.nn.functional.cross_entropy(scores, labels), "logits": scores}

    class Scores(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            return Brightness.forward(self.model, x)

    x, y = lights()
    rows = [{"x": one, "labels": label} for one, label in zip(x, y, strict=True)]
    asked = TrainingArguments(str(tmp_path), use_cpu=True, report_to=[], disable_tqdm=True, remove_unused_columns=False)
    trainer = Trainer(
        WithLoss(), asked, eval_dataset=rows, callbacks=[trainer_callback(metric, [(x, y)], scores=Scores)]
    )
    assert trainer.evaluate()["eval_certified_accuracy"] == pytest.approx(5 / 6)
    assert any("eval_certified_accuracy" in entry for entry in trainer.state.log_history)


@pytest.mark.extra("lightning")
@pytest.mark.filterwarnings("ignore")  # its own, about the torch it runs on
def test_lightning_logs_it(metric):
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.base = Brightness()

        def forward(self, x):
            return self.base(x)

        def validation_step(self, batch, index):
            return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

    trainer = lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[lightning_callback(metric)],
    )
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*lights()), batch_size=4)
    (found,) = trainer.validate(Module(), loader, verbose=False)
    assert found["certified_accuracy"] == pytest.approx(5 / 6)

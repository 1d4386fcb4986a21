import json
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import noiseproof.training.folder as folder
import noiseproof.training.loop as loop
import noiseproof.training.progress as progress
from noiseproof.data import DataSet
from noiseproof.errors import DataError, ModelError, RunError
from noiseproof.models import ARCHITECTURES, build, load, load_weights
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import Manifest, write_manifest
from noiseproof.training.losses import GaussianLoss, LossOut
from noiseproof.training.randomness import global_generator
from tests.asking import train

SMALL = {"sigma": 0.25, "epochs": 3, "batch_size": 16, "lr": 0.05, "step_size": 2, "threads": 1}


def small(data, out, **changes):
    return train(**({"data": data, "arch": "lenet", "out": out} | SMALL | changes))


def weights(out):
    return load_weights(Path(out) / "weights.safetensors")[0]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def metrics(out):
    return [json.loads(line) for line in (Path(out) / "metrics.jsonl").read_text().splitlines()]


def stop_in_epoch(number):
    """A progress callable that interrupts before the epoch is saved."""

    def stop(moment):
        if moment.done == number + 1:
            raise KeyboardInterrupt

    return stop


def test_it_learns(stripes, tmp_path):
    result = small(stripes, tmp_path / "m", epochs=12, step_size=10)
    assert result.accuracy > 0.9
    assert result.loss < 0.5
    assert metrics(tmp_path / "m")[0]["loss"] > result.loss


def test_what_is_in_the_folder(stripes, tmp_path):
    result = small(stripes, tmp_path / "m")
    names = {"checkpoint.pt", "lock", "manifest.json", "metrics.jsonl", "settings.toml", "weights.safetensors"}
    assert {file.name for file in (tmp_path / "m").iterdir()} == names
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    assert manifest["kind"] == "train"
    assert manifest["meaning"]["arch"] == "lenet"
    assert manifest["meaning"]["loss"] == {"name": "gaussian", "m": 1}
    rows = metrics(tmp_path / "m")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["lr"] for row in rows] == pytest.approx([0.05, 0.05, 0.005])
    assert rows[-1].keys() == {"epoch", "loss", "accuracy", "lr", "seconds"}
    assert (result.loss, result.accuracy) == (rows[-1]["loss"], rows[-1]["accuracy"])
    assert result.seconds == pytest.approx(sum(row["seconds"] for row in rows))


def test_the_run_folder_is_a_model(stripes, tmp_path):
    result = small(stripes, tmp_path / "m")
    model = load(tmp_path / "m")
    assert (model.architecture, model.num_classes, model.shape) == ("lenet", 3, (1, 16, 16))
    assert model.fingerprint == result.fingerprint
    said = {name: model.metadata[name] for name in ("sigma", "data", "epochs", "loss", "seed")}
    assert said == {
        "sigma": "0.25",
        "data": "stripes:train",
        "epochs": "3",
        "loss": '{"name": "gaussian", "m": 1}',
        "seed": "0",
    }


def test_the_constants_of_the_normalisation_are_in_the_metadata(stripes, tmp_path):
    small(stripes, tmp_path / "m", arch="resnet20", epochs=1)
    metadata = load(tmp_path / "m").metadata
    assert (metadata["mean"], metadata["std"]) == ("[0.5]", "[0.25]")


def test_a_spec_means_its_train_split(stripes, tmp_path, monkeypatch):
    asked = []

    def fake(spec, *, split, root):
        asked.append((spec, split, root))
        return stripes

    monkeypatch.setattr(loop, "given_data", fake)
    small("stripes", tmp_path / "m", root=str(tmp_path))
    assert asked == [("stripes", "train", tmp_path)]


def test_the_same_seed_gives_the_same_weights_and_another_others(stripes, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        small(stripes, tmp_path / name, seed=seed)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_the_global_state_of_torch_is_left_as_it_was(stripes, tmp_path):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    small(stripes, tmp_path / "m", threads=2)
    with pytest.raises(KeyboardInterrupt):
        small(stripes, tmp_path / "n", threads=2, progress=stop_in_epoch(1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_global_generator_is_not_looked_at(stripes, tmp_path):
    for name, seed in (("a", 5), ("b", 6)):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            small(stripes, tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_the_order_and_the_noise_change_with_the_epoch(stripes, tmp_path):
    seen = []

    class Spy(GaussianLoss):
        def __call__(self, model, x, y, **options):
            seen.append((x.clone(), y.clone(), torch.randn(3, generator=options["generator"])))
            return super().__call__(model, x, y, **options)

    small(stripes, tmp_path / "m", epochs=2, batch_size=40, loss=Spy())
    (x, y, noise), (x2, y2, noise2) = seen
    assert not torch.equal(x, x2)
    assert not torch.equal(noise, noise2)
    assert torch.equal(x.sum(dim=(1, 2, 3)).sort()[0], x2.sum(dim=(1, 2, 3)).sort()[0])
    assert torch.equal(y.sort()[0], torch.from_numpy(stripes.labels).sort()[0])
    assert torch.equal(y2.sort()[0], y.sort()[0])


def test_a_loss_sees_pictures_in_0_1_sigma_and_the_phase(stripes, tmp_path):
    seen = []

    class Spy(GaussianLoss):
        def __call__(self, model, x, y, *, sigma, generator, phase, targets):
            assert targets is None
            seen.append((x.min().item(), x.max().item(), x.shape[0], sigma, phase.epoch, phase.rate_drops))
            assert model.training
            return super().__call__(model, x, y, sigma=sigma, generator=generator, phase=phase)

    small(stripes, tmp_path / "m", loss=Spy(), step_size=1)
    assert all(low >= 0 and 0.9 < high <= 1 for low, high, *_ in seen)
    assert [size for _, _, size, *_ in seen] == [16, 16, 8] * 3
    assert {sigma for _, _, _, sigma, *_ in seen} == {0.25}
    assert [epoch for *_, epoch, _ in seen] == pytest.approx([k / 3 for k in range(9)])
    assert [drops for *_, drops in seen] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_without_noise_it_is_plain_training(stripes, tmp_path):
    small(stripes, tmp_path / "m", sigma=0, epochs=2, batch_size=40, weight_decay=0.0, momentum=0.0)
    with global_generator(torch.device("cpu"), 0, "weights", 0):
        module = build("lenet", num_classes=3, shape=(1, 16, 16))
    x, y = torch.from_numpy(stripes.images()) / 255, torch.from_numpy(stripes.labels)
    for _ in range(2):
        module.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter -= 0.05 * parameter.grad
    trained = weights(tmp_path / "m")
    assert all(torch.allclose(trained[key], value, atol=1e-6) for key, value in module.state_dict().items())


@pytest.mark.parametrize("arch", ["lenet", "resnet20"])
@pytest.mark.parametrize("stopped_in", [0, 1, 2])
def test_an_interrupted_run_ends_with_the_same_weights(stripes, tmp_path, arch, stopped_in):
    small(stripes, tmp_path / "whole", arch=arch)
    with pytest.raises(KeyboardInterrupt):
        small(stripes, tmp_path / "parts", arch=arch, progress=stop_in_epoch(stopped_in))
    with pytest.raises(ModelError, match=r"the training is not finished"):
        load(tmp_path / "parts")
    assert len(metrics(tmp_path / "parts")) == stopped_in
    result = small(stripes, tmp_path / "parts", arch=arch)
    assert same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert result.fingerprint == load(tmp_path / "whole").fingerprint
    parts, whole = metrics(tmp_path / "parts"), metrics(tmp_path / "whole")
    assert [(row["epoch"], row["loss"]) for row in parts] == [(row["epoch"], row["loss"]) for row in whole]


@pytest.fixture
def dropout_net(monkeypatch):
    def make(num_classes, shape):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(256, num_classes))

    monkeypatch.setitem(ARCHITECTURES, "dropout", make)


@pytest.mark.usefixtures("dropout_net")
def test_a_model_that_draws_itself_resumes_exactly_too(stripes, tmp_path):
    small(stripes, tmp_path / "whole", arch="dropout")
    with pytest.raises(KeyboardInterrupt):
        small(stripes, tmp_path / "parts", arch="dropout", progress=stop_in_epoch(1))
    small(stripes, tmp_path / "parts", arch="dropout")
    assert same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


CHILD = """
import os, runpy, signal, sys
from noiseproof import Training, train

make_stripes = runpy.run_path({conftest!r})["make_stripes"]

def die(moment):
    if moment.done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

train(Training(data=make_stripes(), arch="lenet", **{settings!r}), out={out!r}, progress=die)
"""


def test_a_killed_run_ends_with_the_same_weights(stripes, tmp_path):
    small(stripes, tmp_path / "whole")
    conftest = Path(__file__).with_name("conftest.py")
    out = tmp_path / "parts"
    text = textwrap.dedent(CHILD).format(conftest=str(conftest), out=str(out), settings=SMALL)
    child = subprocess.run([sys.executable, "-c", text], check=False)
    assert child.returncode == -signal.SIGKILL
    assert len(metrics(out)) == 1
    small(stripes, out)
    assert same(weights(out), weights(tmp_path / "whole"))
    assert [row["epoch"] for row in metrics(out)] == [1, 2, 3]


@pytest.mark.parametrize("left", ['{"epoch": 2, "loss": 9.0, "seconds": 1.0}\n', '{"epoch": 2, "lo'])
def test_a_crash_between_metrics_and_checkpoint_leaves_no_epoch_twice(stripes, tmp_path, left):
    with pytest.raises(KeyboardInterrupt):
        small(stripes, tmp_path, progress=stop_in_epoch(1))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(left)
    small(stripes, tmp_path)
    rows = metrics(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[1]["loss"] != 9.0


def test_a_resumed_run_does_not_repeat_the_epochs_it_has(stripes, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        small(stripes, tmp_path, progress=stop_in_epoch(2))
    moments = []
    small(stripes, tmp_path, progress=moments.append)
    assert [moment.done for moment in moments][-1] == 3
    assert all(moment.done > 2 for moment in moments)


def test_the_loss_of_an_epoch_is_the_mean_over_pictures(stripes, tmp_path):
    seen = []

    class Spy(GaussianLoss):
        def __call__(self, model, x, y, **options):
            out = super().__call__(model, x, y, **options)
            seen.append((len(y), out.loss.item(), out.accuracy.item()))
            return out

    result = small(stripes, tmp_path, epochs=1, loss=Spy())  # batches of 16, 16 and 8
    assert result.loss == pytest.approx(sum(n * loss for n, loss, _ in seen) / 40, rel=1e-5)
    assert result.accuracy == pytest.approx(sum(n * right for n, _, right in seen) / 40, rel=1e-5)


def test_a_crash_before_the_weights_file(stripes, tmp_path):
    small(stripes, tmp_path)
    before = weights(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    small(stripes, tmp_path)
    assert same(weights(tmp_path), before)


def test_a_finished_run_returns_at_once(stripes, tmp_path):
    first = small(stripes, tmp_path)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in ("weights.safetensors", "checkpoint.pt")}
    moments = []
    assert small(stripes, tmp_path, progress=moments.append) == first
    assert moments == []
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before


def test_a_finished_run_can_be_extended(stripes, tmp_path):
    small(stripes, tmp_path / "whole", epochs=4)
    small(stripes, tmp_path / "parts", epochs=2)
    result = small(stripes, tmp_path / "parts", epochs=4)
    assert result.epochs == 4
    assert same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert load(tmp_path / "parts").metadata["epochs"] == "4"


def test_an_extension_that_crashed_before_its_weights_file(stripes, tmp_path):
    small(stripes, tmp_path / "whole", epochs=2)
    small(stripes, tmp_path / "parts", epochs=1)
    old = (tmp_path / "parts" / "weights.safetensors").read_bytes()
    small(stripes, tmp_path / "parts", epochs=2)
    (tmp_path / "parts" / "weights.safetensors").write_bytes(old)
    small(stripes, tmp_path / "parts", epochs=2)
    assert same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


def test_fewer_epochs_than_done(stripes, tmp_path):
    small(stripes, tmp_path)
    with pytest.raises(RunError) as caught:
        small(stripes, tmp_path, epochs=2)
    assert str(caught.value) == f"epochs must be >= 3, which {tmp_path} has done, got 2; choose another --out"


def test_cosine_cannot_be_extended(stripes, tmp_path):
    small(stripes, tmp_path, schedule="cosine", epochs=2)
    assert [row["lr"] for row in metrics(tmp_path)] == pytest.approx([0.05, 0.025])
    with pytest.raises(RunError, match=r"epochs is 2, not 3; choose another --out or give the old value$"):
        small(stripes, tmp_path, schedule="cosine", epochs=3)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("sigma", 0.5, "sigma is 0.25, not 0.5"),
        ("batch_size", 8, "batch_size is 16, not 8"),
        ("seed", 1, "seed is 0, not 1"),
        ("arch", "resnet20", "arch is 'lenet', not 'resnet20'"),
        ("loss", GaussianLoss(m=2), "loss.m is 1, not 2"),
        ("precision", "bf16", "precision is 'fp32', not 'bf16'"),
        ("gamma", 0.5, "gamma is 0.1, not 0.5"),
        ("weight_decay", 0.0, "weight_decay is 0.0001, not 0.0"),
    ],
)
def test_another_meaning(stripes, tmp_path, name, value, text):
    small(stripes, tmp_path, epochs=1)
    with pytest.raises(RunError) as caught:
        small(stripes, tmp_path, **{name: value})
    assert str(caught.value) == (
        f"{tmp_path} belongs to another training: {text}; choose another --out or give the old value"
    )


def test_one_other_pixel_or_label_is_another_meaning(stripes, tmp_path):
    small(stripes, tmp_path, epochs=1)
    pixels, labels = stripes.images(), stripes.labels.copy()
    pixels[0, 0, 0, 0] ^= 1
    labels[0] = (labels[0] + 1) % 3
    for changed in (
        DataSet(stripes.name, stripes.classes, stripes.shape, stripes.labels, pixels),
        DataSet(stripes.name, stripes.classes, stripes.shape, labels, stripes.images()),
    ):
        with pytest.raises(RunError, match=r"belongs to another training: data_sha256 is"):
            small(changed, tmp_path, epochs=1)


def test_a_folder_of_something_else(stripes, tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(RunError, match=r"^.* is not empty and holds no training run; choose another --out$"):
        small(stripes, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_run_of_another_verb(stripes, tmp_path):
    write_manifest(tmp_path, Manifest("certify", {}, "0.1.0"))
    with pytest.raises(RunError, match=r"^.* holds a run of 'certify', no training; choose another --out$"):
        small(stripes, tmp_path)


def test_a_folder_that_cannot_be_written(stripes, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "m"):
        with pytest.raises(RunError, match=r"^cannot write in .*/file.*: (File exists|Not a directory); choose"):
            small(stripes, out)


def test_a_full_disk(stripes, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write_atomically", full)
        with pytest.raises(RunError) as caught:
            small(stripes, tmp_path / "m")
    assert str(caught.value) == (
        f"cannot write in {tmp_path / 'm'}: No space left on device; the same call goes on from the last epoch"
    )
    small(stripes, tmp_path / "m")


def test_a_folder_in_use(stripes, tmp_path):
    with FolderLock(tmp_path), pytest.raises(RunError, match=r"is in use by another process"):
        small(stripes, tmp_path)
    small(stripes, tmp_path, epochs=1)


def test_a_damaged_checkpoint(stripes, tmp_path):
    small(stripes, tmp_path, epochs=1)
    path = tmp_path / "checkpoint.pt"
    whole = path.read_bytes()
    for damaged in (b"", b"nonsense", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(RunError) as caught:
            small(stripes, tmp_path, epochs=2)
        assert str(caught.value) == f"{path} is damaged; delete it to train from the start"


def test_lost_metrics(stripes, tmp_path):
    small(stripes, tmp_path, epochs=1)
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(RunError, match=r"metrics.jsonl does not hold each epoch up to 1, .*; delete checkpoint.pt to"):
        small(stripes, tmp_path, epochs=1)


def test_a_training_that_diverges_is_not_saved(stripes, tmp_path):
    class Diverging(GaussianLoss):
        def __call__(self, *arguments, phase, **options):
            out = super().__call__(*arguments, phase=phase, **options)
            return LossOut(out.loss * float("nan" if phase.epoch >= 1 else 1), out.accuracy)

    with pytest.raises(RunError, match=r"^the training diverged: loss is nan in epoch 2; give a lower lr$"):
        small(stripes, tmp_path, loss=Diverging())
    assert len(metrics(tmp_path)) == 1
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["epoch"] == 1


def test_progress(stripes, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_REPORTS", 0.0)
    moments = []
    result = small(stripes, tmp_path, progress=moments.append)
    assert [m.done for m in moments] == [batches / 3 for batches in range(1, 10)]
    assert {(m.total, m.unit) for m in moments} == {(3, "epochs")}
    said = f"loss {result.loss:.3f}, accuracy under noise {result.accuracy:.1%}, "
    assert moments[-1].note.startswith(said)
    assert moments[-1].seconds_left == 0
    speeds = [float(re.search(r"([\d,]+) pictures/s", m.note)[1].replace(",", "")) for m in moments]
    assert all(speed > 0 for speed in speeds)
    assert moments[3].seconds_left == pytest.approx(64 / speeds[3], rel=1 / speeds[3])  # 56 of 120 pictures done


def test_reports_are_rare_but_the_end_of_an_epoch_is_one(stripes, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_REPORTS", 1e9)
    moments = []
    small(stripes, tmp_path, progress=moments.append)
    assert [m.done for m in moments] == [1, 2, 3]


def test_bf16(stripes, tmp_path):
    kinds = set()

    class Spy(GaussianLoss):
        def __call__(self, model, x, y, **options):
            kinds.add(model(x).dtype)
            return super().__call__(model, x, y, **options)

    small(stripes, tmp_path / "b", precision="bf16", epochs=1, loss=Spy())
    assert kinds == {torch.bfloat16}
    assert all(tensor.dtype == torch.float32 for tensor in weights(tmp_path / "b").values())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sigma": -0.5}, "sigma must be >= 0, got -0.5"),
        ({"epochs": 0}, "epochs must be >= 1, got 0"),
        ({"threads": 0}, "threads must be >= 1, got 0"),
        ({"loss": "gausian"}, "unknown loss 'gausian'; did you mean 'gaussian'?"),
        ({"device": "cud"}, "unknown device 'cud'; did you mean 'cuda'?"),
        ({"device": "meta"}, "unknown device 'meta'; known: auto, cpu, cuda"),
        ({"device": "cuda:99"}, f"device cuda:99 is not here: torch sees {torch.cuda.device_count()} CUDA devices"),
    ],
)
def test_a_wrong_setting_makes_no_folder(stripes, tmp_path, changes, text):
    with pytest.raises(ValueError, match=r".") as caught:
        small(stripes, tmp_path / "m", **changes)
    assert str(caught.value) == text
    assert not (tmp_path / "m").exists()


def test_a_wrong_model_or_data_set_makes_no_folder(stripes, tmp_path):
    with pytest.raises(ModelError, match=r"^unknown architecture 'lanet'; did you mean 'lenet'"):
        small(stripes, tmp_path / "m", arch="lanet")
    with pytest.raises(ModelError, match=r"^resnet50 takes pictures of shape"):
        small(stripes, tmp_path / "m", arch="resnet50")
    with pytest.raises((ValueError, DataError), match=r"data set|folder"):
        small("no-such-set", tmp_path / "m")
    assert not (tmp_path / "m").exists()

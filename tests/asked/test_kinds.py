"""What people hand over for a record of ours, and the line that says what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import noiseproof
from noiseproof import Certify, Compute, Gaussian, Subject

pytest.importorskip("torch")

import torch

from noiseproof.metrics import CertifiedAccuracy

CERTIFY, NOISE, SUBJECT = Certify(n=100), Gaussian(sigma=0.25), Subject(model="m.py:net", data="folder:d")
A_PROCEDURE = "procedure must be a procedure such as Certify(n=10_000), got "
A_NOISE = "noise must be a noise such as Gaussian(sigma=0.25), got "
A_SUBJECT = 'subject must be a Subject(model="runs/m25", data="cifar10:test"), got '
A_COMPUTE = 'compute must be a Compute(device="cuda"), got '
AN_OUT = "out must be the path of a folder, got "


def asked(*given, out="o"):
    return lambda: noiseproof.run(*given, out=out)


CALLS = {
    "a number for noise": (asked(CERTIFY, 0.25, SUBJECT), f"{A_NOISE}0.25"),
    "swapped": (asked(NOISE, CERTIFY, SUBJECT), f"{A_PROCEDURE}Gaussian(sigma=0.25, "),
    "a class": (asked(Certify, NOISE, SUBJECT), f"{A_PROCEDURE}Certify"),
    "a name": (asked("certify", NOISE, SUBJECT), f"{A_PROCEDURE}'certify'"),
    "a table": (asked(CERTIFY, NOISE, {"model": "m"}), f"{A_SUBJECT}{{'model': 'm'}}"),
    "a device": (asked(CERTIFY, NOISE, SUBJECT, "cpu"), f"{A_COMPUTE}'cpu'"),
    "no folder": (asked(CERTIFY, NOISE, SUBJECT, out=None), f"{AN_OUT}None"),
    "doctor": (lambda: noiseproof.doctor("m.py:net", "folder:d"), f"{A_SUBJECT}'m.py:net'"),
    "doctor, sigma": (
        lambda: noiseproof.doctor(SUBJECT, 0.5),
        "noise must be a noise such as Gaussian(sigma=0.5), got ",
    ),
    "doctor, device": (lambda: noiseproof.doctor(SUBJECT, NOISE, "cpu"), f"{A_COMPUTE}'cpu'"),
    "plan": (lambda: noiseproof.plan(NOISE, "m.py:net"), f"{A_SUBJECT}'m.py:net'"),
    "plan, radius": (
        lambda: noiseproof.plan(NOISE, SUBJECT, target=0.5),
        "target must be a Target such as Target.of(0.5), got 0.5",
    ),
    "check": (
        lambda: noiseproof.check(SUBJECT, NOISE, radius=1, at_least=0.5, out="o"),
        f"{A_NOISE}Subject(model='m.py",
    ),
    "check, out": (lambda: noiseproof.check(NOISE, SUBJECT, radius=1, at_least=0.5, out=None), f"{AN_OUT}None"),
    "bench": (lambda: noiseproof.bench(NOISE, SUBJECT), f"{A_SUBJECT}Gaussian(sigma=0.25, "),
    "train": (
        lambda: noiseproof.train({"data": "folder:d"}, out="o"),
        """training must be a Training(data="cifar10", sigma=0.25), got {'data': 'folder:d'}""",
    ),
    "train, out": (lambda: noiseproof.train(noiseproof.Training(data="d", sigma=1), out=3), f"{AN_OUT}3"),
    "attack": (
        lambda: noiseproof.attack("r", "pgd", out="o"),
        "method must be made of attacks such as noiseproof.attacks.PGD(steps=20), got 'pgd'",
    ),
    "attack, judge": (lambda: noiseproof.attack("r", None, 1000, out="o"), "judge must be a Predict(n=1000), got 1000"),
    "falsify": (
        lambda: noiseproof.falsify("r", attacks="pgd"),
        "attacks must be made of attacks such as noiseproof.att",
    ),
    "falsify, model": (
        lambda: noiseproof.falsify("r", None, "m.py:net"),
        "elsewhere must be an Elsewhere(model=..., data=...), got 'm.py:net'",
    ),
    "verify": (
        lambda: noiseproof.verify("r", 1, "m.py:net"),
        "elsewhere must be an Elsewhere(model=..., data=...), got 'm.py:net'",
    ),
    "data": (
        asked(CERTIFY, NOISE, Subject(model="m", data=3)),
        "data must be a spec, a DataSet or a data set of torch with a length, got int; give one",
    ),
    "data, a path": (
        asked(CERTIFY, NOISE, Subject(model="m", data=Path("d"))),
        "data set 'd', which is a folder; give",
    ),
    "a device of a number": (lambda: Compute(device=0), "device must be text, got 0"),
    "an executor": (lambda: Compute(executor=3), "executor must be text, got 3"),
    "a tracker": (lambda: Compute(track=print), "track must be text, got <built-in function print>"),
    "a shard": (lambda: Subject(model="m", data="d", shard=3), "shard must be text, got 3"),
    "a root": (lambda: Subject(model="m", data="d", root=3), "root must be a path, got 3"),
    "a denoiser": (
        lambda: Subject(model="m", data="d", denoiser=torch.nn.Sequential(torch.nn.Flatten())),
        "denoiser must be a path, got Sequential(",
    ),
    "a module behind one": (
        lambda: Subject(model=torch.nn.Flatten(), data="d", denoiser="ffdnet"),
        "model behind a denoiser must be a path, got Flatten(start_dim=1, end_dim=-1)",
    ),
    "progress": (
        lambda: noiseproof.run(CERTIFY, NOISE, SUBJECT, out="o", progress=True),
        "progress must be a function that is told how far it is, got True",
    ),
    "a metric": (lambda: CertifiedAccuracy(0.25, 0.1, num_classes=2), f"{A_NOISE}0.25"),
    "a metric's radius": (lambda: CertifiedAccuracy(NOISE, -1, num_classes=2), "radius must be >= 0, got -1"),
    "a metric's classes": (lambda: CertifiedAccuracy(NOISE, 1, num_classes=1), "num_classes must be >= 2, got 1"),
    "a smoothed classifier's device": (
        lambda: noiseproof.SmoothedClassifier(torch.nn.Flatten().eval(), 2, NOISE, device="gpu"),
        "device must be auto, cpu, or one that torch can use, got 'gpu' (torch knows none of that name)",
    ),
    "a noise that is a class": (asked(CERTIFY, Gaussian, SUBJECT), f"{A_NOISE}Gaussian"),
}


@pytest.mark.parametrize("call", CALLS)
def test_it_is_said_what_to_write(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    made, says = CALLS[call]
    with pytest.raises(ValueError, match=re.escape(says)):
        made()
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


@pytest.mark.parametrize(
    "call",
    [lambda: noiseproof.report(3, out="o"), lambda: noiseproof.verify(["r"]), lambda: noiseproof.bundle(3, out="o")],
)
def test_what_is_no_run(call):
    with pytest.raises(TypeError, match=r"^a run must be a run folder or what read_run returns, got (int|list)$"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda out, look: noiseproof.report("r", out=out, look=look),
        lambda out, look: noiseproof.compare(["r", "s"], out=out, look=look),
        lambda out, look: noiseproof.experiment("bounds", out=out, look=look),
        lambda out, look: noiseproof.attack("r", out=out, look=look),
        lambda out, look: noiseproof.falsify("r", out=out, look=look),
    ],
)
def test_a_style_where_a_look_belongs(call, tmp_path):
    with pytest.raises(ValueError, match=r"^look must be a Look\(style=\"icml\"\), got 'icml'$"):
        call(tmp_path / "o", "icml")


def test_a_class_and_a_module_where_a_model_is_to_be_loaded():
    from noiseproof.errors import ModelError
    from noiseproof.models import from_object, load

    with pytest.raises(ModelError, match=r"^a model must be an object, got a class; give Flatten\(...\).eval\(\)$"):
        from_object(torch.nn.Flatten, num_classes=2)
    for given in (torch.nn.Flatten(), 3):
        with pytest.raises(
            ModelError, match=rf"^spec must be a text or a path, or several, got {type(given).__name__}; what is"
        ):
            load(given)


def test_a_verb_of_before_is_answered_with_the_call():
    for name, procedure in (("certify", "Certify"), ("decide", "Decide"), ("predict", "Predict")):
        with pytest.raises(AttributeError) as caught:
            getattr(noiseproof, name)
        assert str(caught.value).endswith(f"; call noiseproof.run({procedure}(...), Gaussian(...), Subject(...))")
    with pytest.raises(AttributeError) as caught:
        _ = noiseproof.SmoothedClasifier
    assert (caught.value.name, caught.value.obj) == ("SmoothedClasifier", noiseproof)  # Python suggests the nearest


def test_what_is_right_passes():
    from noiseproof.asked.kinds import check_kinds

    assert Compute(device=torch.device("cpu")) == Compute(device="cpu")
    assert noiseproof.Curve(radii=0.5).radii == (0.5,)
    check_kinds(
        {
            "progress": print,
            "procedure": CERTIFY,
            "noise": NOISE,
            "subject": SUBJECT,
            "compute": Compute(),
            "out": Path("o"),
        }
    )

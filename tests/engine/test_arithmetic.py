"""fp32 is IEEE fp32 on a GPU too, in every thread, and afterwards torch's flags are the caller's."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("torch")

import torch

from noiseproof.engine import arithmetic as module
from noiseproof.engine.arithmetic import arithmetic, cuda_environment

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")


def flags() -> list[object]:
    return module._flags()


@pytest.fixture
def _tf32_by_default():
    before = flags()
    module._set(["tf32"] * len(module._places()) + [False, True])
    yield
    module._set(before)


@pytest.mark.usefixtures("_tf32_by_default")
@pytest.mark.parametrize(("precision", "wanted"), [("fp32", "ieee"), ("bf16", "ieee"), ("tf32", "tf32")])
def test_inside_it_is_what_the_record_says(precision, wanted):
    before = flags()
    with arithmetic(precision, CUDA):
        assert set(flags()[:-2]) == ({wanted} if isinstance(before[0], str) else {wanted == "tf32"})
        assert flags()[-2:] == [True, False]
    assert flags() == before
    with pytest.raises(RuntimeError, match="inside"), arithmetic(precision, CUDA):
        raise RuntimeError("inside")
    assert flags() == before
    with arithmetic(precision, CPU):
        assert flags() == before


@pytest.mark.usefixtures("_tf32_by_default")
def test_the_first_to_leave_takes_nothing_from_the_others():
    before = flags()
    inside, left = threading.Event(), threading.Event()

    def first():
        with arithmetic("fp32", CUDA):
            inside.set()
            left.wait(5)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(5)
    with arithmetic("bf16", CUDA):
        left.set()
        thread.join()
        assert flags() != before
        assert flags()[-2:] == [True, False]
    assert flags() == before


@pytest.mark.usefixtures("_tf32_by_default")
def test_another_arithmetic_waits_for_its_turn():
    order = []

    def second():
        with arithmetic("tf32", CUDA):
            order.append("tf32")

    with arithmetic("fp32", CUDA):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("fp32")
    thread.join(5)
    assert order == ["fp32", "tf32"]


def test_the_record():
    assert cuda_environment(CPU, "fp32") == {}
    said = cuda_environment(CUDA, "tf32")
    assert said == {"cudnn": torch.backends.cudnn.version(), "tf32": True, "deterministic": True}
    assert cuda_environment(CUDA, "bf16")["tf32"] is False

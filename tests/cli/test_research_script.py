"""Lines in the words of the research script are answered with the line that does it."""

from __future__ import annotations

import pytest

from noiseproof.cli.main import run


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("certify cifar10 m.pth.tar 0.25 out.tsv", "certify --data cifar10 --model m.pth.tar --sigma 0.25 --out out"),
        (
            "certify cifar10 m 0.25 a/o --skip 20 --max 1000 --N0 100 --N=1000 --alpha 0.01 --batch 400 --split train",
            "certify --data cifar10:train --model m --sigma 0.25 --out a/o --every 20 --limit 50 --n0 100 --n 1000 "
            "--alpha 0.01 --batch-size 400",
        ),
        (
            "predict imagenet m 0.5 o.tsv --skip 500",
            "predict --data imagenet --model m --sigma 0.5 --out o --every 500",
        ),
        (
            "train cifar10 resnet110 d --noise 0.25 --lr_step_size 30 --wd 0",
            "train --data cifar10 --arch resnet110 --out d --sigma 0.25 --step-size 30 --weight-decay 0",
        ),
        ("certify --model m --data d --noise .5 --out o", "certify --model m --data d --sigma .5 --out o"),
        ("train --data d --noise_sd 0.5 --out o", "train --data d --sigma 0.5 --out o"),
        ("certify --model a b --max 7", "certify --model a b --limit 7"),
        ("certify --skip 20 --max 110", "certify --every 20 --limit 6"),
        ("certify --split train", "certify --data DATA:train"),
        ("certify --max", "certify --limit"),
        ("decide --model m --data d --skip 9", "decide --model m --data d --every 9"),
    ],
)
def test_the_line_that_does_it(asked, answer, capsys):
    verb = asked.split()[0]
    assert run(asked.split()) == 2
    assert capsys.readouterr().err == (
        f"noiseproof: in the words of noiseproof this is: noiseproof {answer}; see noiseproof {verb} --help\n"
    )


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("certify --model m --data d --sigma 1 --noise gausian --out o", "unknown noise 'gausian'; did you mean"),
        ("certify --model a b c d e", "--data, --sigma and --out must be given"),
        ("verify --skip 3 R", "unknown flag '--skip'; known: "),
        ("show a b c d", "show takes no more arguments"),
    ],
)
def test_what_is_none_of_its_words_is_answered_as_ever(asked, says, capsys):
    assert run(asked.split()) == 2
    assert capsys.readouterr().err.startswith(f"noiseproof: {says}")

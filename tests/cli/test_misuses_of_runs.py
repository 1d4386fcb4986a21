"""Sixty more things that people get wrong, of finished runs too: each one line that says what to do."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.procedures import Decide, Predict
from tests.cli.test_misuses import MODEL

ASKED = "--model m.py:net --data folder:d --sigma 0.25"
CERTIFY = f"certify {ASKED} --n 100 --limit 1 --workers 1 --out o"
DECIDE = f"decide {ASKED} --radius 0.1 --out o"
CHECK = f"check {ASKED} --radius 0.1 --at-least 0.6 --out o"
TRAIN = "train --data folder:d --sigma 0.25 --arch small-cnn --out o"
NO_RUN = "d is not a run folder: it has no manifest.json; give what a line had as its --out"
IMPORT = "--sigma 0.25 --n 100 --alpha 0.001 --out o"
NO_PATH = "no such path: nope; expected a run folder of `noiseproof train`"

MISUSES = [
    # what goes on top of runs
    ("view nowhere", "nowhere is not a folder; give one with run folders in it"),
    ("view . --port 99999999", "port must be in [0, 65536), got 99999999"),
    ("view . --port 80.5", "port must be a whole number, got '80.5'"),
    ("view bundle .", "--out must be given"),
    ("view bundle . --out m.py", "m.py is a file; choose a folder as --out"),
    ("view bundle d --out o", "d has no run folders below it; give one that has"),
    ("bundle d --out x.zip", NO_RUN),
    ("bundle c dd --out x.zip", "bundle takes no more arguments, got 'dd'"),
    ("bundle c --out d", "cannot write d: Is a directory; choose another --out"),
    ("card d", NO_RUN),
    ("card pp", "pp is a run of predict, which promises no radius; give a run of certify or decide"),
    ("card c dd", "card takes no more arguments, got 'dd'"),
    ("export c", "--out must be given"),
    ("export c --out x.xls", "out must end in .tsv, .csv or .parquet, got 'x.xls'; or say its format (--format)"),
    ("export c --out x.csv --format tsv", "format must be that of the file, got 'tsv' for 'x.csv'; leave one of the"),
    ("export c --out x.parquet --format parq", "unknown format 'parq'; did you mean 'parquet'?"),
    ("export dd --out x.tsv", "tsv is a format of certificates, but input 0 has a prediction; export csv or parquet"),
    ("export c --out nowhere/x.csv", "cannot write nowhere/x.csv: No such file or directory; choose another --out"),
    ("merge c --out o", "merge takes two runs or more, got 1"),
    ("merge c c --out o", "runs must be different folders, got c twice"),
    ("merge c dd --out o", "c and dd are not parts of one run: "),
    ("merge c c50 --out c", "out must be a folder of its own, got c, which is merged; choose another --out"),
    ("merge c d --out o", NO_RUN),
    ("report c dd --out o", "runs of one report must be of one verb, got certify in c, decide in dd; report each by"),
    ("report a=c a=c50 --out o", "runs must have different names, got 'a' twice"),
    ("report c --out o --radii -1,2", "--radii needs a value; one that begins with - is written --radii=-1,2"),
    ("report c --out o --radii=-1,2", "radii must be >= 0 and finite, got '-1' in '-1,2'"),
    ("report c --html nowhere/x.html", "cannot write nowhere/x.html: nowhere is no folder; choose another --html"),
    ("report c --plot d/cat", "must end in .png, .pdf, .svg, got 'cat'"),
    ("report c --plot nowhere/x.pdf", "cannot write nowhere/x.pdf: nowhere is no folder; choose another --plot"),
    (
        "noise-images --data imagenet:sample --out x.png",
        "unpack its pictures and their labels.csv into a folder and",
    ),
    ("report c --out o --ylim 1,0", "ylim must be two shares, 0 <= LOW < HIGH <= 1, got '1,0'"),
    ("compare c --out o", "compare takes two runs or more, got 1; noiseproof report shows one"),
    ("compare c dd --out o", "dd is a run of decide, which has no radii; give runs of certify"),
    ("experiment training-noise c c50 --out o", "runs must be certified at the same sigma, so that only the training"),
    ("experiment bounds c --out o", "experiment bounds takes no run, got 1"),
    ("attack c --out o", "unknown data set 'grey'; known: "),
    ("attack d --out o", NO_RUN),
    ("attack pp --out o", "pp is a run of predict, which has no radii; give a run of certify"),
    ("attack c --out o --at abc", "at must be numbers such as 1,1.5,2, got 'abc'"),
    ("attack c --out o --sigma 0.5", "unknown flag '--sigma'; known: --alpha, "),
    ("attack c --out o --track jsonl:x", "unknown flag '--track'; known: --alpha, "),
    ("falsify c --at -1", "at must be multiples of the radius, > 0 and finite, got [-1.0]"),
    ("verify c --trust m.py", "c does not end with a seal that is signed; its line again, with --sign KEY, signs it"),
    ("verify c --commitment c/manifest.json", "c/manifest.json is no commitment, as certify --commit writes it"),
    ("verify c dd", "verify takes no more arguments, got 'dd'"),
    # what comes from elsewhere
    (f"import m.py {IMPORT}", "m.py has no columns; wanted, tab separated: idx, label, predict, radius, correct, time"),
    (f"import nowhere.tsv {IMPORT}", "cannot read nowhere.tsv: No such file or directory"),
    ("audit --table m.py", "files must be named by sigma, such as sigma_0.25.tsv, got 'm.py'; rename it"),
    (
        "audit --table m.py --sigma 0.25",
        "--table reads each sigma in its file's name, such as sigma_0.25.tsv; leave",
    ),
    ("plan --compare m.py c", "m.py is no plan; noiseproof plan --out writes one"),
    # before the work, not after it
    (f"{CHECK} --junit nowhere/j.xml", "cannot write nowhere/j.xml: nowhere is no folder; choose another --junit"),
    (f"{CHECK} --markdown d", "cannot write d: is a folder; choose another --markdown"),
    (CHECK.replace("0.6", "60"), "at_least must be in (0, 1], got 60.0; .6 is 60 percent"),
    (CHECK.replace("0.6", "60%"), "at_least must be a number, got '60%'"),
    (f"plan {ASKED} --out nowhere/p.json", "cannot write nowhere/p.json: nowhere is no folder; choose another --out"),
    (f"plan {ASKED} --seconds -1", "seconds must be > 0, got -1.0"),
    ("plan --sigma 1 --radius 0.5 --radii 0,1", "radius, radii and acr are three targets; give one of them"),
    (f"plan {ASKED} --radius 0.1 --within abc", "within must be a time such as 90s, 30m, 2h or 1.5d, got 'abc'"),
    (f"doctor {ASKED} --json d", "cannot write d: is a folder; choose another --json"),
    ("bench --model m.py:net --out nowhere/b.json", "cannot write nowhere/b.json: nowhere is no folder; choose anothe"),
    # where it is computed
    (f"{CERTIFY} --address localhost:1", "address goes with executor ray or slurm, got executor in-process"),
    (f"{CERTIFY} --at-most 3", "at_most goes with executor ray or slurm, got executor in-process"),
    (f"{CERTIFY} --executor rays", "unknown executor 'rays'; did you mean 'ray'?"),
    (f"{CERTIFY} --executor slurm", "at_most must be 2 or more with executor slurm, the jobs of its array"),
    (f"{CERTIFY} --track foo", "unknown tracker 'foo'; known: jsonl, mlflow, tensorboard, wandb"),
    (f"{CERTIFY} --track jsonl:", "the tracker jsonl needs a file: --track jsonl:FILE"),
    (f"{CERTIFY} --track jsonl:nowhere/x", "the tracker jsonl cannot write nowhere/x: No such file or directory; give"),
    (f"{CERTIFY} --track tensorboard:m.py", "the tracker tensorboard cannot write m.py: File exists; give another pat"),
    (CERTIFY.replace("--limit 1", "--shard 3/2"), "shard must be from 1/2 to 2/2, got 3/2"),
    (
        CERTIFY.replace("--limit 1", "--shard 20/20"),
        "in [0, 9) for folder:d, got 19; of --shard I/N, N is 9 at most",
    ),
    (CERTIFY.replace("--limit 1", "--shard auto/3"), "shard auto/3 needs a job of a scheduler's array, which sets one"),
    (f"{CERTIFY} --device gpu", "device must be auto, cpu, or one that torch can use, got 'gpu'"),
    # flags of other verbs, and values that are none
    (f"{CERTIFY} --radius 0.5", "--radius goes with noiseproof decide, not with certify"),
    (f"{DECIDE} --n 100", "unknown flag '--n'; did you mean '--n-max'?"),
    (f"{DECIDE} --n0 100", "--n0 goes with noiseproof certify, not with decide"),
    (f"{DECIDE} --look-every 5", "--look-every goes with --procedure anytime"),
    (f"{DECIDE} --n-max 3", "radius must be smaller to be certified with n_max=3 draws at alpha=0.001, got 0.1; raise"),
    (f"{CERTIFY} --alpha nan", "alpha must be in (0, 1), got nan"),
    (f"{CERTIFY} --model-id ''", "model_id must name the model, got nothing; leave it out to have its fingerprint"),
    (f"{CERTIFY} --num-classes 5", "m.py:net has 5 classes, but folder:d has 3; give the data set it was trained on"),
    (f"{CERTIFY} --sign m.py", "sign must be a private key of OpenSSH, as ssh-keygen -t ed25519 makes it"),
    (CERTIFY.replace("m.py:net", "http://x/y.pt"), "http://x/y.pt is an address; download it, and give the file"),
    (CERTIFY.replace("m.py:net", "m.py:Sized"), "m.py:Sized is a class that needs width; write `net = Sized(...)` in"),
    (CERTIFY.replace("m.py:net", "c"), "c is a run folder of counts, not of a model; give the run folder of"),
    (CERTIFY.replace("m.py:net", "lfs.safetensors"), "lfs.safetensors is a pointer of Git LFS, not the file; fetch it"),
    # trainings
    (TRAIN.replace("small-cnn", "m.py:Net"), "m.py:Net has no weights that can be trained; give a network that has"),
    (TRAIN.replace("small-cnn", "resnet50"), "resnet50 takes pictures of shape (3, H, W) with H and W >= 32"),
    (f"{TRAIN} --loss cat-rs", "the loss cat-rs needs targets; give the run folder of `noiseproof predict --n 100` of"),
    (f"{TRAIN} --extra-labels t", "extra_labels goes with extra, whose pictures that model labels"),
    (f"{TRAIN} --loss macer --loss-setting foo=3", "unknown setting of the loss macer 'foo'; known: after_drops, "),
    (f"{TRAIN} --init nope", NO_PATH),
    (f"{TRAIN} --recipe nope", "unknown recipe 'nope'; known: cohen2019/cifar10-resnet110-0.12, "),
]


@pytest.fixture
def place(tmp_path, monkeypatch, make_run):
    """A model, nine pictures of three classes, and a run of each verb."""
    monkeypatch.chdir(tmp_path)
    sized = "\n\nclass Sized(Net):\n    def __init__(self, width):\n        super().__init__()\n"
    (tmp_path / "m.py").write_text(MODEL + sized)
    (tmp_path / "lfs.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    for name in ("cat", "dog", "emu"):
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(tmp_path / "d" / name / f"{i}.png")
    make_run("c", [0.99, 0.9], sigma=0.25)
    make_run("c50", [0.99, 0.9])
    make_run("dd", [0.99, 0.9], procedure=Decide(radius=0.1, n_max=1000))
    make_run("pp", [0.99, 0.9], procedure=Predict(n=100))
    return tmp_path


@pytest.mark.parametrize(("line", "says"), MISUSES, ids=[line.replace(f" {ASKED}", "")[:90] for line, _ in MISUSES])
def test_it_is_one_line_that_says_what_to_do(line, says, place, capsys, caplog):
    before = {path: path.stat().st_mtime_ns for path in sorted(place.rglob("*"))}
    assert run(shlex.split(line)) in (1, 2)
    said = capsys.readouterr()
    (last,) = [each for each in said.err.splitlines() if each.startswith("noiseproof: ")][-1:]
    assert says in last
    assert len(last) < 600
    assert "Traceback" not in said.err + caplog.text
    made = {path.name for path in {*place.rglob("*")} - {*before} if "__pycache__" not in str(path)}
    assert made <= {"o", "lock"}  # a folder in which nothing is
    assert all(path.stat().st_mtime_ns == then for path, then in before.items() if path.is_file())


def test_they_are_sixty():
    assert len({line for line, _ in MISUSES}) == len(MISUSES) >= 60


def test_a_path_that_nobody_looked_at_is_still_one_line(monkeypatch, capsys):
    def failing(_):
        raise NotADirectoryError(20, "Not a directory", "a/b")

    monkeypatch.setattr("noiseproof.cli.main.app_for", failing)
    assert run(["show", "c"]) == 1
    assert capsys.readouterr().err == "noiseproof: cannot use a/b: Not a directory; give another path\n"


def test_a_page_may_lie_in_the_folder_of_the_report(place):
    assert run(["report", "c", "--out", "o", "--html", "o/page.html"]) == 0
    assert (place / "o" / "page.html").stat().st_size > 10_000

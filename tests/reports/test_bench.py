import json
from dataclasses import replace

from noiseproof.analysis.speed import Bench, Speed
from noiseproof.reports.bench import bench_table, bench_values

SAID = {
    "model": "lenet",
    "device": "cpu",
    "processor": "Chip",
    "backend": "torch 2.6",
    "precision": "fp32",
    "workers": 2,
    "cores": 4,
    "threads": 4,
    "torch": "2.6",
    "sigma": 0.5,
}
FOUND = Bench(
    SAID,
    mflop=5.0,
    peak=100.0,
    foreign=0.02,
    forward=Speed("forward only", 128, (9000.0, 10_000.0, 12_000.0)),
    certify=Speed("certify", 128, (8000.0, 8000.0, 9000.0)),
    published=Speed("textbook loop, as published", 1000, (1000.0, 1000.0, 1000.0)),
    best=Speed("textbook loop, best batch", 64, (2000.0, 2000.0, 2000.0)),
)


def test_a_row_a_measurement_with_its_share_of_the_peak_and_its_ratio():
    table = bench_table(FOUND)
    assert table.rows[0] == ("forward only", "128", "10,000", "9,000 to 12,000", "50%", "5.00")
    assert [row[-1] for row in table.rows] == ["5.00", "4.00", "0.50", "1.00"]
    said = " ".join(table.caption)
    assert said.startswith("lenet (5.0 MFLOP a draw) on cpu (Chip), torch 2.6, fp32, 2 one-thread workers on 4 cores;")
    assert said.endswith("Other processes took 2% of these cores meanwhile.")


def test_a_busy_machine_is_said_and_an_unknown_peak_is_no_share():
    table = bench_table(replace(FOUND, foreign=0.2, peak=0.0))
    assert table.caption[-1].endswith("took 20% of these cores meanwhile; measure again when it is idle.")
    assert {row[-2] for row in table.rows} == {""}


def test_plain_values_are_json():
    said = json.loads(json.dumps(bench_values(FOUND)))
    assert said["speeds"][1] == {
        "name": "certify",
        "batch": 128,
        "draws_per_second": [8000.0, 8000.0, 9000.0],
        "median": 8000.0,
    }
    assert (said["model"], said["mflop_per_draw"], said["certify_over_textbook_best"]) == ("lenet", 5.0, 4.0)
    assert said["certify_over_forward"] == 0.8  # of the ratios within a round, not of the medians (8000 / 10,000)

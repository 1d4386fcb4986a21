from __future__ import annotations

from noiseproof.checks import Diagnosis
from noiseproof.checks.finding import Finding


def test_a_diagnosis_is_one_line_in_a_shell_and_its_text_in_a_notebook():
    said = Diagnosis("m", "d<1>", 0.5, (Finding("finite", "ok", "all are"), Finding("labels", "warn", "b")), 0.1)
    assert repr(said) == "<Diagnosis warn: m on d<1> at sigma 0.5 may be certified, but see the warnings (labels)>"
    assert said._repr_html_().startswith("<pre>ok      finite  all are\nwarn    labels  b\n")
    assert "d&lt;1&gt;" in said._repr_html_()

"""How many draws each class of a run took: a table and bars, as ``noiseproof experiment draws RUN``."""

from collections import Counter

from matplotlib.figure import Figure

from noiseproof.reports.experiments import Experiment
from noiseproof.reports.findings import Findings
from noiseproof.reports.tables import Table


def findings(runs, radii, units, look):
    spent = Counter()
    for record in runs[0].records:
        spent[record.label] += record.draws
    rows = tuple((str(label), f"{draws:,}") for label, draws in sorted(spent.items()))
    figure = Figure()
    figure.subplots().bar(list(spent), list(spent.values()))
    return Findings((Table(("label", "draws"), rows, (f"Draws of {runs[0].name} by label.",)),), figure)


DRAWS = Experiment("draws", "what each class cost", "one run", range(1, 2), findings, over_radii=False)

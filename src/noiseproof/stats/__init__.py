"""Exact binomial statistics: what the votes of a sample allow one to say, and with what confidence."""

from noiseproof.stats.bounds import (
    Bounds,
    clopper_pearson_lower,
    clopper_pearson_tail,
    clopper_pearson_upper,
    gaussian_radius,
    one_sided,
    smallest_n,
    two_sided,
)
from noiseproof.stats.multiple import (
    bernstein_lower,
    bonferroni,
    dkw_band,
    dkw_band_at_any_m,
    false_certificates,
    false_certificates_at_any_m,
    fixed_set_lower,
    holm,
    holm_adjusted,
    population_lower,
    population_lower_at_any_m,
)
from noiseproof.stats.other_bounds import lecuyer_radius, li_radius
from noiseproof.stats.paired import mcnemar
from noiseproof.stats.top_two import fewest_draws, top_two_p_value

__all__ = [
    "Bounds",
    "bernstein_lower",
    "bonferroni",
    "clopper_pearson_lower",
    "clopper_pearson_tail",
    "clopper_pearson_upper",
    "dkw_band",
    "dkw_band_at_any_m",
    "false_certificates",
    "false_certificates_at_any_m",
    "fewest_draws",
    "fixed_set_lower",
    "gaussian_radius",
    "holm",
    "holm_adjusted",
    "lecuyer_radius",
    "li_radius",
    "mcnemar",
    "one_sided",
    "population_lower",
    "population_lower_at_any_m",
    "smallest_n",
    "top_two_p_value",
    "two_sided",
]

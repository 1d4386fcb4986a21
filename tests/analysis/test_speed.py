from noiseproof.analysis.speed import Speed


def test_a_ratio_is_the_median_of_the_ratios_within_a_round():
    one, other = Speed("a", 1, (10.0, 30.0, 90.0)), Speed("b", 1, (10.0, 10.0, 45.0))
    assert (one.median, one.times(other)) == (30.0, 2.0)

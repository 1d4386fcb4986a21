"""Certified accuracy as a test of your own:  NOISEPROOF_MODEL=quickstart/model pytest examples/test_certified.py."""

import os

from noiseproof import Gaussian, Subject


def test_enough_pictures_are_certified(assert_certified):
    """Fails a good model with probability at most .005, passes a bad one with probability at most .01."""
    subject = Subject(model=os.environ["NOISEPROOF_MODEL"], data="fashion-mnist-small:test")
    assert_certified(Gaussian(sigma=0.25), subject, radius=0.25, at_least=0.5, n_max=1000)

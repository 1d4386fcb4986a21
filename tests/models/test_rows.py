import pytest
import torch

from noiseproof.models.rows import in_batches


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize(("least", "most"), [(1, 100), (3, 3), (2, 4), (5, 5)])
def test_every_row_is_answered_in_batches_that_fit(rows, least, most):
    asked = []

    def call(x):
        asked.append(len(x))
        return x * 2

    x = torch.arange(1.0, rows + 1)[:, None]
    assert torch.equal(in_batches(x, call, least=least, most=most), x * 2)
    assert all(least <= size <= most for size in asked)

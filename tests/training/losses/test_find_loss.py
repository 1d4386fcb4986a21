import pytest

from noiseproof.training.losses import ConsistencyLoss, GaussianLoss, find_loss


def test_a_name_gets_the_settings_published_for_sigma_and_data():
    assert find_loss("consistency", sigma=0.25, data="cifar10") == ConsistencyLoss(lambda_=20.0)
    assert find_loss("consistency", sigma=0.5, data="fashion-mnist:train") == ConsistencyLoss(lambda_=5.0)
    assert find_loss("gaussian", sigma=0.5, data="cifar10") == GaussianLoss()


def test_settings_win_over_the_published_ones():
    found = find_loss("consistency", sigma=0.25, data="cifar10", settings={"lambda": 3, "m": 4})
    assert found == ConsistencyLoss(lambda_=3.0, m=4)


def test_a_loss_is_itself():
    assert find_loss(GaussianLoss(m=3), sigma=0.5, data="cifar10") == GaussianLoss(m=3)


@pytest.mark.parametrize(
    ("loss", "settings", "text"),
    [
        ("consistancy", {}, "unknown loss 'consistancy'; did you mean 'consistency'?"),
        ("consistency", {"lamda": 1}, "unknown setting of the loss consistency 'lamda'; did you mean 'lambda'?"),
        ("gaussian", {"m": 0}, "m must be >= 1, got 0"),
        (
            GaussianLoss(m=2),
            {"m": 3},
            "loss_setting goes with the name of a loss, got it with GaussianLoss(m=2)",
        ),
    ],
)
def test_what_is_refused(loss, settings, text):
    with pytest.raises(ValueError, match=r"unknown|must|goes") as caught:
        find_loss(loss, sigma=0.5, data="cifar10", settings=settings)
    assert str(caught.value) == text

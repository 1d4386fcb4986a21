import numpy as np
import pytest
import torch

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from noiseproof.errors import ModelError
from noiseproof.models import from_object, load


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    labels = np.arange(80) % 4
    return (random.random((80, 192)) + labels[:, None] / 20).astype(np.float32), labels


def layer(fitted):
    made = torch.nn.Linear(192, 4)
    made.weight.data = torch.tensor(fitted.coef_, dtype=torch.float32)
    made.bias.data = torch.tensor(fitted.intercept_, dtype=torch.float32)
    return torch.nn.Sequential(torch.nn.Flatten(), made).eval()


def test_probabilities_vote_as_the_layer_does(pictures, votes):
    fitted = LogisticRegression(C=0.01).fit(*pictures)
    model = from_object(fitted, num_classes=None, shape=(3, 8, 8))
    assert (model.num_classes, model.shape) == (4, (3, 8, 8))
    assert votes(model.module) == votes(layer(fitted))


def test_decisions_vote_as_the_layer_does(pictures, votes):
    fitted = RidgeClassifier(alpha=100).fit(*pictures)
    assert not hasattr(fitted, "predict_proba")
    assert votes(from_object(fitted, num_classes=4).module) == votes(layer(fitted))


def test_a_decision_between_two(pictures, votes):
    x, labels = pictures
    fitted = RidgeClassifier(alpha=100).fit(x, labels % 2)
    base = from_object(fitted, num_classes=2).module
    rows = torch.rand(50, 3, 8, 8)
    assert base(rows).argmax(dim=1).tolist() == fitted.predict(rows.flatten(1).numpy()).tolist()


def test_a_pipeline_and_a_tree_say_what_they_predict(pictures):
    rows = torch.rand(50, 3, 8, 8)
    for estimator in (
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        DecisionTreeClassifier(random_state=0),
    ):
        fitted = estimator.fit(*pictures)
        found = from_object(fitted, num_classes=4).module(rows)
        assert found.argmax(dim=1).tolist() == fitted.predict(rows.flatten(1).numpy()).tolist()


def test_a_class_it_never_saw_never_wins(pictures):
    x, labels = pictures
    fitted = LogisticRegression(C=0.1).fit(x[labels != 1], labels[labels != 1])
    scores = from_object(fitted, num_classes=6).module(torch.rand(50, 3, 8, 8))
    assert scores.shape == (50, 6)
    assert set(scores.argmax(dim=1).tolist()) <= {0, 2, 3}


def test_the_fingerprint_is_what_it_was_fitted_to(pictures):
    x, labels = pictures
    one = from_object(LogisticRegression(C=0.1).fit(x, labels), num_classes=4)
    again = from_object(LogisticRegression(C=0.1).fit(x, labels), num_classes=4)
    other = from_object(LogisticRegression(C=0.05).fit(x, labels), num_classes=4)
    assert one.fingerprint == again.fingerprint != other.fingerprint


def error(estimator, num_classes=4):
    with pytest.raises(ModelError) as caught:
        from_object(estimator, num_classes=num_classes)
    return str(caught.value)


def test_what_is_no_fitted_classifier(pictures):
    x, labels = pictures
    assert error(LogisticRegression()) == (
        "LogisticRegression has no classes_; give a fitted classifier of scikit-learn"
    )
    assert error(LinearRegression().fit(x, labels)).startswith("LinearRegression has no classes_")
    assert error(DummyRegressor().fit(x, labels)).startswith("DummyRegressor has no classes_")


def test_classes_that_do_not_fit(pictures):
    x, labels = pictures
    names = np.array(["ant", "bee", "cat", "dog"])[labels]
    assert error(LogisticRegression(C=0.1).fit(x, names)) == (
        "LogisticRegression must be fitted on one label an input, numbered 0, 1, ... as the data set does, "
        "got classes_ \"['ant' 'bee' 'cat' 'dog']\"; fit it on such labels"
    )
    assert error(LogisticRegression(C=0.1).fit(x, labels), num_classes=3) == (
        "LogisticRegression was fitted on the class 3, but num_classes is 3; give the data set it was fitted on"
    )


def test_out_of_a_python_file(tmp_path, pictures, votes):
    np.savez(tmp_path / "data.npz", x=pictures[0], labels=pictures[1])
    path = tmp_path / "net.py"
    path.write_text(
        "import numpy, pathlib\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "data = numpy.load(pathlib.Path(__file__).parent / 'data.npz')\n"
        "fitted = LogisticRegression(C=0.01).fit(data['x'], data['labels'])\n"
        "def make():\n    return fitted\n"
    )
    wanted = votes(layer(LogisticRegression(C=0.01).fit(*pictures)))
    model = load(f"{path}:fitted", num_classes=4)
    assert votes(model.module) == wanted
    assert votes(load(f"{path}:make", num_classes=4).module) == wanted
    np.savez(tmp_path / "data.npz", x=pictures[0][::-1], labels=pictures[1])
    assert load(f"{path}:fitted", num_classes=4).fingerprint != model.fingerprint

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from metalyra.stack.population import Shapes, describe_shapes
from metalyra.stack.regressors import FORMS, KINDS, complete_regressor, fit_regressor
from metalyra.stack.regressors.kernel_machines import fit_support_vectors, measure_relevance

# Keras 3 copies TensorFlow's arrays as NumPy 1 did.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

QUICK = {
    "random_trees": {"trees": 40},
    "boosted_trees": {"trees": 120},
    "perceptrons": {"networks": 2, "neurons": 16, "epochs": 25},
}


def draw_stars(number: int, seed: int):
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(number, 4)) * [0.1, 1, 5, 20] + [0.5, 0, 3, -7]
    feh = -1.4 + 3 * (inputs[:, 0] - 0.5) + 0.2 * np.tanh(inputs[:, 1]) + 0.01 * inputs[:, 2]
    return inputs, feh + random.normal(0, 0.02, number)


# A relation reads Fourier parameters, not any numbers: see below.
@pytest.fixture(scope="module", params=[kind for kind in KINDS if kind != "relation"])
def fitted(request):
    config = {"kind": request.param, **QUICK.get(request.param, {})}
    return config, fit_regressor(config, *draw_stars(400, 1), seed=1)


def test_every_kind_learns(fitted):
    _, regressor = fitted
    inputs, feh = draw_stars(200, 2)
    assert np.std(regressor.predict(inputs) - feh) < 0.5 * np.std(feh)


def test_the_same_seed_gives_the_same_regressor(fitted):
    config, regressor = fitted
    again = fit_regressor(config, *draw_stars(400, 1), seed=1)
    for name, array in regressor._asdict().items():
        assert array.tobytes() == getattr(again, name).tobytes(), name


def test_a_star_does_not_depend_on_the_others(fitted):
    _, regressor = fitted
    inputs, _ = draw_stars(600, 3)
    together = regressor.predict(inputs)
    for part in (slice(0, 1), slice(250, 270), slice(599, None, -1)):
        assert regressor.predict(inputs[part]).tobytes() == together[part].tobytes()


@pytest.mark.parametrize("anchors", [7, 1463, 3122])
def test_the_place_of_a_star_among_the_others_does_not_matter(anchors):
    """Matrix products of sizes that fill no tiles: their rest, which counts, is done otherwise."""
    random = np.random.default_rng(anchors)
    inputs = random.normal(size=(500, 51))
    machine = FORMS["KernelMachine"](
        np.zeros(51),
        np.ones(51),
        random.normal(size=(anchors, 51)),
        np.where(np.arange(anchors) < anchors - 7, 0.0, random.normal(size=anchors)),
        np.array(0.001),
        np.array(-1.4),
    )
    together = machine.predict(inputs)
    kernels = np.exp(-0.001 * cdist(inputs, machine.anchors, "sqeuclidean"))
    np.testing.assert_allclose(together, kernels @ machine.coefficients - 1.4, atol=1e-11)
    for start in range(24):
        assert machine.predict(inputs[start:]).tobytes() == together[start:].tobytes()


def test_regressors_are_plain_arrays(fitted):
    _, regressor = fitted
    assert FORMS[type(regressor).__name__] is type(regressor)
    for array in regressor._asdict().values():
        assert isinstance(array, np.ndarray)
        assert array.dtype.kind in "fi"


@pytest.mark.parametrize("kind", ["support_vectors", "random_trees", "boosted_trees", "ridge"])
def test_predictions_are_those_of_scikit_learn(kind, monkeypatch):
    """The library's own model, caught when it is fitted, predicts the same."""
    from sklearn import ensemble, linear_model, svm

    owner, name = {
        "support_vectors": (svm, "SVR"),
        "random_trees": (ensemble, "ExtraTreesRegressor"),
        "boosted_trees": (ensemble, "GradientBoostingRegressor"),
        "ridge": (linear_model, "Ridge"),
    }[kind]
    caught = []

    class Caught(getattr(owner, name)):
        def fit(self, *arguments):
            caught.append(self)
            return super().fit(*arguments)

    monkeypatch.setattr(owner, name, Caught)
    inputs, feh = draw_stars(300, 4)
    regressor = fit_regressor({"kind": kind, **QUICK.get(kind, {})}, inputs, feh, seed=2)
    new, _ = draw_stars(100, 5)
    scaled = (new - inputs.mean(axis=0)) / inputs.std(axis=0)
    expected = caught[0].predict(new if kind.endswith("trees") else scaled)
    np.testing.assert_allclose(regressor.predict(new), expected, atol=1e-10)


def test_the_gaussian_process_is_that_of_scikit_learn():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    inputs, feh = draw_stars(200, 6)
    settings = {"amplitude": 0.4, "length_scale": 2.5, "noise": 0.05}
    regressor = fit_regressor({"kind": "gaussian_process", **settings}, inputs, feh)
    model = GaussianProcessRegressor(
        ConstantKernel(0.4**2) * RBF(2.5), alpha=0.05**2, optimizer=None
    )
    model.fit((inputs - inputs.mean(axis=0)) / inputs.std(axis=0), feh - feh.mean())
    new, _ = draw_stars(50, 7)
    expected = model.predict((new - inputs.mean(axis=0)) / inputs.std(axis=0)) + feh.mean()
    np.testing.assert_allclose(regressor.predict(new), expected, atol=1e-8)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "perceptrons"])
def test_stars_of_little_weight_hardly_count(kind):
    inputs, feh = draw_stars(300, 8)
    spoilt = np.arange(300) % 3 == 0
    wrong = np.where(spoilt, feh + 1, feh)
    weights = np.where(spoilt, 1e-6, 1.0)
    config = {"kind": kind, **QUICK.get(kind, {})}
    new, _ = draw_stars(100, 9)
    weighted = fit_regressor(config, inputs, wrong, weights).predict(new)
    plain = fit_regressor(config, inputs, wrong).predict(new)
    clean = fit_regressor(config, inputs[~spoilt], feh[~spoilt]).predict(new)
    assert np.abs(weighted - clean).mean() < 0.3 * np.abs(plain - clean).mean()


def test_a_constant_input_does_no_harm():
    inputs, feh = draw_stars(100, 10)
    inputs[:, 2] = 4.0
    regressor = fit_support_vectors(inputs, feh, np.ones(100), 0)
    assert np.isfinite(regressor.predict(inputs)).all()


def test_inputs_that_say_nothing_of_the_metallicity_do_no_harm():
    inputs, feh = draw_stars(400, 11)
    idle = np.random.default_rng(12).normal(size=(600, 20))
    idle[:, 3] = 7.0
    new, truth = draw_stars(200, 13)
    errors = {}
    for relevance in (False, True):
        config = {"kind": "support_vectors", "relevance": relevance}
        regressor = fit_regressor(config, np.hstack([inputs, idle[:400]]), feh, seed=1)
        predicted = regressor.predict(np.hstack([new, idle[400:]]))
        errors[relevance] = np.sqrt(np.mean((predicted - truth) ** 2))
    assert errors[True] < 0.8 * errors[False]


def test_the_relevance_of_an_input_is_its_slope():
    random = np.random.default_rng(14)
    inputs = random.normal(size=(300, 4)) * [1, 10, 1, 1]
    feh = 0.4 * inputs[:, 0] - 0.01 * inputs[:, 1] + 0.2 * np.sin(inputs[:, 2])
    feh += random.normal(0, 0.02, 300)
    relevance = measure_relevance(inputs, feh, np.ones(300), 0)
    slope = np.array([0.4, 0.1, 0.2 * np.sqrt(np.mean(np.cos(inputs[:, 2]) ** 2))])
    np.testing.assert_allclose(relevance[:3] / relevance[0], slope / 0.4, rtol=0.1)
    assert relevance[3] < 0.1 * relevance[0]
    assert np.mean(relevance**2) == pytest.approx(1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "forest"}, "unknown kind of regressor 'forest'; known are boosted_trees"),
        ({"kind": "ridge", "beta": 1}, "a ridge regressor: beta; allowed are alpha"),
    ],
)
def test_unknown_kinds_and_settings_are_named(config, message):
    with pytest.raises(ValueError, match=message):
        complete_regressor(config)


def describe_curves(number: int, seed: int, harmonics: int = 5):
    """Return inputs as those of the population, and what they were made of."""
    random = np.random.default_rng(seed)
    coefficients = random.normal(0, 0.02, (number, 2 * harmonics))
    coefficients[:, :2] += [0.2, 0.05]
    # Third harmonics whose phase differences lie on both sides of pi.
    phase = np.arctan2(coefficients[:, 1], coefficients[:, 0])
    phi31 = random.normal(np.pi, 0.3, number)
    coefficients[:, 4] = 0.1 * np.cos(phi31 + 3 * phase)
    coefficients[:, 5] = 0.1 * np.sin(phi31 + 3 * phase)
    size = len(coefficients)
    shapes = Shapes(coefficients, np.zeros((size, 0, 0)), np.ones(size), np.ones(size))
    period = random.uniform(0.4, 0.8, number)
    a2 = np.hypot(coefficients[:, 2], coefficients[:, 3])
    return describe_shapes(shapes, period), period, a2, phi31


def test_a_relation_is_that_of_the_fourier_parameters():
    """Phase differences are taken around their centre, not cut at pi."""
    inputs, period, a2, phi31 = describe_curves(80, 1)
    feh = -1 - 5 * period + 4 * a2 + 1.2 * phi31
    terms = ["period", "a2", "phi31"]
    relation = fit_regressor({"kind": "relation", "terms": terms}, inputs, feh)
    np.testing.assert_allclose(relation.slopes, [-5, 4, 1.2], rtol=1e-9)
    np.testing.assert_allclose(relation.predict(inputs), feh, atol=1e-9)
    part = relation.predict(inputs[7:9])
    assert part.tobytes() == relation.predict(inputs)[7:9].tobytes()


def test_a_relation_weighs_its_stars():
    inputs, period, _, _ = describe_curves(80, 2)
    feh = -1 - 5 * period
    feh[0] += 10
    weights = np.ones(80)
    weights[0] = 0
    relation = fit_regressor({"kind": "relation", "terms": ["period"]}, inputs, feh, weights)
    np.testing.assert_allclose(relation.slopes, [-5], rtol=1e-9)

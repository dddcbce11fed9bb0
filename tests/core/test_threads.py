"""Linear algebra on one thread."""

import sys

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from metalyra.core import threads
from metalyra.core.threads import on_one_thread
from metalyra.fit import fitting, periods
from metalyra.fit.failures import LightCurveError
from metalyra.predict import stacks
from metalyra.stack import stacking


def count_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    np.linalg.inv(np.eye(2))
    with threadpool_limits(2, user_api="blas"):
        if count_threads() != {2}:
            pytest.skip("the linear algebra of this machine has one thread")
        yield
        assert count_threads() == {2}


@pytest.mark.usefixtures("two_threads")
def test_one_thread_is_used_inside_and_as_many_as_before_outside():
    assert on_one_thread(count_threads)() == {1}
    with pytest.raises(ZeroDivisionError):
        on_one_thread(lambda: 1 / 0)()
    assert count_threads() == {2}


def test_libraries_are_looked_for_again_only_after_imports(monkeypatch):
    looked = []

    def look():
        looked.append(None)
        return ThreadpoolController()

    monkeypatch.setattr(threads, "ThreadpoolController", look)
    monkeypatch.setitem(sys.modules, "one_more", sys)
    run = on_one_thread(lambda: 1)
    run()
    run()
    assert len(looked) == 1
    monkeypatch.setitem(sys.modules, "another", sys)
    run()
    assert len(looked) == 2


@pytest.fixture
def look(two_threads):
    """A stage that fails and notes the threads it could have used."""

    def fail(*_, **__):
        fail.seen.append(count_threads())
        raise LightCurveError("fit_failed")

    fail.seen = []
    return fail


STARS = pd.DataFrame({"star_id": ["a"], "period": 0.5, "pulsation_type": "RRab", "status": "ok"})
CURVES = pd.DataFrame({"star_id": ["a"], "band": "I", "time": 1.0, "mag": 15.0, "mag_err": 0.1})


def test_stars_are_fitted_on_one_thread(monkeypatch, look):
    monkeypatch.setattr(fitting, "fold_best_aperture", look)
    fits, _ = fitting.fit_stars(STARS, CURVES, {}, 1)
    assert fits["status"].item() == "fit_failed"
    assert look.seen == [{1}]


def test_periods_are_found_on_one_thread(monkeypatch, look):
    monkeypatch.setattr(periods, "_clean", look)
    assert periods.find_periods(STARS, CURVES, "find")["status"].item() == "fit_failed"
    assert look.seen == [{1}]


def test_a_stack_is_trained_and_predicts_on_one_thread(monkeypatch, look, tmp_path):
    monkeypatch.setattr(stacking, "complete_stack", look)
    monkeypatch.setattr(stacks, "read_card", look)
    nothing = pd.DataFrame()
    with pytest.raises(LightCurveError):
        stacking.train_stack_member(nothing, nothing, nothing, 0, {}, 1)
    with pytest.raises(LightCurveError):
        stacks.predict_with_stack(tmp_path, nothing, nothing)
    assert look.seen == [{1}, {1}]

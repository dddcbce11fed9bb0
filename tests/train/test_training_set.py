import numpy as np
import pandas as pd
import pytest

from metalyra.train.training_set import (
    assign_folds,
    fold_columns,
    hold_out,
    make_training_set,
    select_training_set,
)


@pytest.fixture
def fits():
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "star_id": [f"g{star}" for star in range(60)],
            "period": random.uniform(0.4, 0.8, 60),
            "snr": random.uniform(40, 200, 60),
            "amplitude": random.uniform(0.3, 1.2, 60),
            "status": "ok",
        }
    )


@pytest.fixture
def labels():
    random = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "star_id": [f"i{star}" for star in range(60)],
            "pulsation_type": "RRab",
            "relation": "dekany2021",
            "feh": random.normal(-1.4, 0.3, 60),
            "feh_err": random.uniform(0.05, 0.2, 60),
            "status": "ok",
        }
    )


@pytest.fixture
def matched():
    # star g<k> is star i<59 - k>
    return pd.DataFrame(
        {
            "star_id": [f"g{star}" for star in range(60)],
            "reference_id": [f"i{59 - star}" for star in range(60)],
            "status": "ok",
        }
    )


def test_labels_come_through_the_match(fits, labels, matched):
    development = make_training_set(fits, labels, matched=matched, folds=5)
    assert development["star_id"].tolist() == fits["star_id"].tolist()
    assert (development["status"] == "ok").all()
    assert development["feh"].tolist() == labels["feh"][::-1].tolist()
    assert development["fold"].value_counts().to_dict() == dict.fromkeys(range(5), 12)


def test_without_a_match_labels_are_the_samples_own(fits, labels):
    labels = labels.assign(star_id=fits["star_id"])
    development = make_training_set(fits, labels, folds=5)
    assert development["feh"].tolist() == labels["feh"].tolist()


def test_the_first_failure_is_the_status(fits, labels, matched):
    fits.loc[[0, 5], "status"] = "too_few_epochs"
    matched.loc[[1, 5], ["status", "reference_id"]] = "ambiguous_match", None
    labels.loc[59 - 2, "status"] = "fit_failed"
    labels.loc[59 - 2, "feh"] = np.nan
    fits.loc[3, ["snr", "amplitude"]] = 10, 2.0
    fits.loc[4, "amplitude"] = np.nan
    cuts = {"amplitude": [None, 1.4], "snr": [30, None]}
    development = make_training_set(fits, labels, matched=matched, cuts=cuts, folds=5)
    assert development["status"].tolist()[:7] == [
        "too_few_epochs",
        "ambiguous_match",
        "fit_failed",
        "cut:amplitude",
        "cut:amplitude",
        "too_few_epochs",
        "ok",
    ]
    unused = development["status"] != "ok"
    assert unused.sum() == 6
    assert (development.loc[unused, "fold"] == -1).all()
    assert (development.loc[~unused, "fold"] >= 0).all()


def test_stars_without_a_row_in_the_match_or_the_labels_have_no_match(fits, labels, matched):
    development = make_training_set(fits, labels[:-1], matched=matched[:-1], folds=5)
    assert development["status"].tolist() == ["no_match", *["ok"] * 58, "no_match"]


def test_bounds_are_inclusive(fits, labels, matched):
    labels["feh"] = np.linspace(-2.0, -1.0, 60)
    development = make_training_set(
        fits, labels, matched=matched, cuts={"feh": [-2.0, -1.0]}, folds=5
    )
    assert (development["status"] == "ok").all()


def test_an_unknown_cut_is_named(fits, labels, matched):
    with pytest.raises(ValueError, match=r"'colour'.*amplitude.*snr"):
        make_training_set(fits, labels, matched=matched, cuts={"colour": [0, 1]})


def test_no_weights_are_learnt_before_the_folds_are_held_out(fits, labels, matched):
    assert "weight" not in make_training_set(fits, labels, matched=matched, folds=5)


def test_a_label_is_cut_and_weighted_by_its_error_in_a_training(fits, labels, matched):
    labels["training_err"] = labels["feh_err"] / 2
    cuts = {"feh_err": [None, 0.05]}
    development = make_training_set(fits, labels, matched=matched, cuts=cuts, folds=5)
    expected = labels["training_err"].to_numpy()[::-1]
    np.testing.assert_array_equal(development["feh_err"], expected)
    assert ((development["status"] == "ok") == (expected <= 0.05)).all()


def test_cuts_may_use_columns_of_the_star_list(fits, labels, matched):
    stars = pd.DataFrame(
        {
            "star_id": fits["star_id"][::-1],
            "period": 0.0,
            "archive_parallax": np.arange(60.0),
            "archive_type": "RRab",
        }
    )
    stars.loc[0, "archive_parallax"] = np.nan
    options = {"stars": stars, "matched": matched, "folds": 5}
    cuts = {"archive_parallax": [20, None]}
    development = make_training_set(fits, labels, cuts=cuts, **options)
    inside = fits["star_id"].map(stars.set_index("star_id")["archive_parallax"]) >= 20
    assert ((development["status"] == "ok") == inside).all()
    assert set(development["status"]) == {"ok", "cut:archive_parallax"}
    assert development["period"].tolist() == fits["period"].tolist()
    with pytest.raises(ValueError, match=r"known are amplitude, archive_parallax, archive_type"):
        make_training_set(fits, labels, cuts={"archive_colour": [0, 1]}, **options)
    with pytest.raises(ValueError, match="'archive_type': the column does not hold numbers"):
        make_training_set(fits, labels, cuts={"archive_type": [0, 1]}, **options)


def test_the_training_set_is_that_of_the_folds(fits, labels, matched):
    cuts = {"snr": [60, None]}
    table = make_training_set(fits, labels, matched=matched, cuts=cuts, folds=5, repeats=2)
    trained = select_training_set(table.sample(frac=1, random_state=1))
    assert list(trained) == ["star_id", "fold", "fold_2"]
    assert trained["star_id"].tolist() == sorted(table.loc[table["status"] == "ok", "star_id"])
    assert (trained[["fold", "fold_2"]] >= 0).all(axis=None)


def test_the_order_of_the_rows_leaves_no_trace(fits, labels, matched):
    options = {"folds": 7, "seed": 3}
    expected = make_training_set(fits, labels, matched=matched, **options)
    shuffled = make_training_set(
        fits.sample(frac=1, random_state=1),
        labels.sample(frac=1, random_state=2),
        matched=matched.sample(frac=1, random_state=3),
        **options,
    )
    pd.testing.assert_frame_equal(
        shuffled.sort_values("star_id", ignore_index=True),
        expected.sort_values("star_id", ignore_index=True),
        check_exact=True,
    )


def test_published_folds_are_kept(fits, labels, matched):
    published = {f"g{star}": star % 3 for star in range(50)}
    development = make_training_set(fits, labels, matched=matched, folds=published)
    assert development["fold"].tolist() == [star % 3 for star in range(50)] + [-1] * 10


def test_each_repeat_splits_the_stars_anew(fits, labels, matched):
    once = make_training_set(fits, labels, matched=matched, folds=5, seed=1)
    cuts = {"snr": [60, None]}
    table = make_training_set(fits, labels, matched=matched, cuts=cuts, folds=5, repeats=3, seed=1)
    columns = fold_columns(table)
    assert columns == ["fold", "fold_2", "fold_3"]
    assert fold_columns(once) == ["fold"]
    used = (table["status"] == "ok").to_numpy()
    for repeat, column in enumerate(columns):
        assert set(table.loc[used, column]) == set(range(5 * repeat, 5 * repeat + 5))
        assert (table.loc[~used, column] == -1).all()
    folds = table.loc[used, columns].to_numpy() % 5
    assert (folds[:, 0] != folds[:, 1]).any()
    assert (folds[:, 1] != folds[:, 2]).any()
    held_out = np.array([hold_out(table, member) for member in range(15)])
    assert (held_out.sum(axis=0) == np.where(used, 3, 0)).all()
    assert (held_out[7] == (table["fold_2"] == 7)).all()


def test_the_first_repeat_is_the_cross_validation_without_repeats(fits, labels, matched):
    once, thrice = (
        make_training_set(fits, labels, matched=matched, folds=5, repeats=repeats, seed=1)
        for repeats in (1, 3)
    )
    pd.testing.assert_frame_equal(thrice[once.columns], once)


def test_published_folds_cannot_be_repeated(fits, labels, matched):
    with pytest.raises(ValueError, match="published folds cannot be repeated"):
        make_training_set(fits, labels, matched=matched, folds={"g1": 0}, repeats=2)


def test_folds_are_stratified_by_metallicity():
    random = np.random.default_rng(4)
    feh = random.normal(-1.4, 0.3, 203)
    star_ids = np.array([f"s{star}" for star in range(203)])
    folds = assign_folds(star_ids, feh, 10, seed=1)
    ranked = folds[np.argsort(feh)]
    for block in range(0, 200, 10):
        assert sorted(ranked[block : block + 10]) == list(range(10))
    assert (folds != assign_folds(star_ids, feh, 10, seed=2)).any()
    assert (folds != assign_folds(star_ids, feh, 10, seed=1, stage="search folds")).any()


def test_folds_need_stars(fits, labels, matched):
    with pytest.raises(ValueError, match="60 usable stars cannot be split into 31 folds"):
        make_training_set(fits, labels, matched=matched, folds=31)


def test_too_few_stars_are_left_unused(fits, labels):
    labels = labels.assign(star_id=fits["star_id"])
    development = make_training_set(fits, labels, folds=5, fewest_stars=61)
    assert (development["status"] == "ok").all()
    assert (development["fold"] == -1).all()
    assert select_training_set(development).empty
    enough = make_training_set(fits, labels, folds=5, fewest_stars=60)
    assert (enough["fold"] >= 0).all()


def test_labels_that_are_all_alike_teach_nothing(fits, labels):
    labels = labels.assign(star_id=fits["star_id"], feh=-1.5)
    with pytest.raises(ValueError, match=r"all 60 usable stars have the \[Fe/H\] -1.5: there is"):
        make_training_set(fits, labels, folds=5)


def test_stars_of_one_list_need_no_match(fits, labels):
    """Labels of the same stars by their names; a star that they do not have has none."""
    own = labels.assign(star_id=fits["star_id"]).iloc[5:].sample(frac=1, random_state=1)
    development = make_training_set(fits, own, folds=5)
    assert development["status"].tolist() == ["no_match"] * 5 + ["ok"] * 55
    assert development["feh"].tolist()[5:] == labels["feh"].tolist()[5:]
    with pytest.raises(ValueError, match="none of the 60 stars, such as g0, has a label: those"):
        make_training_set(fits, labels, folds=5)


def test_cuts_on_the_light_curves_behind_the_labels(fits, labels, matched):
    """A_I of the labels' light curves, beside the amplitude of the sample's own band."""
    label_fits = labels[["star_id"]].assign(amplitude_I=np.linspace(0.05, 1.23, 60))
    development = make_training_set(
        *(fits, labels),
        label_fits=label_fits.sample(frac=1, random_state=2),
        matched=matched,
        cuts={"amplitude_I": [None, 1.1]},
        folds=5,
    )
    # Star g<k> is i<59 - k>.
    cut = (label_fits["amplitude_I"] > 1.1).to_numpy()[::-1]
    assert cut.sum() == 7
    assert (development["status"] == "cut:amplitude_I").tolist() == cut.tolist()

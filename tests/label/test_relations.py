"""The relations give the published metallicities, and their errors propagate."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metalyra.label.relations import (
    AS_PUBLISHED,
    Relation,
    estimate_metallicity,
    read_relations,
    scatter_of,
    take_published,
)

RELATIONS_FILE = Path(__file__).parents[2] / "resources" / "relations.yaml"
RELATIONS = read_relations(RELATIONS_FILE)


def make_fits(**columns) -> pd.DataFrame:
    fits = pd.DataFrame(columns)
    for name in ("a1", "a2", "phi31"):
        if name not in fits:
            fits[name] = 0.0
        fits[f"{name}_err"] = fits.get(f"{name}_err", 0.0)
    for pair in ("a1_a2", "a1_phi31", "a2_phi31"):
        fits[f"cov_{pair}"] = fits.get(f"cov_{pair}", 0.0)
    return fits


def test_muraveva_relations_give_the_published_lmc_metallicities(mirror):
    table = pd.read_csv(mirror / "muraveva_2025" / "table_a2_lmc.csv.gz")
    for pulsation_type, relation in RELATIONS["muraveva2025"].items():
        rows = table[table["Type"] == pulsation_type]
        fits = make_fits(
            period=rows["Period"],
            a2=rows["A2"],
            phi31=(rows["Phi31"] + np.pi) % (2 * np.pi),
        )
        feh, _ = relation.estimate(fits)
        assert len(rows) > 800
        np.testing.assert_allclose(feh, rows["[Fe/H]"], atol=1e-9)


def read_lmc(mirror, pulsation_type: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows of the published LMC table, and fits with their parameters and errors."""
    table = pd.read_csv(mirror / "muraveva_2025" / "table_a2_lmc.csv.gz")
    rows = table[table["Type"] == pulsation_type].reset_index(drop=True)
    fits = make_fits(
        period=rows["Period"],
        a2=rows["A2"],
        a2_err=rows["A2_error"],
        phi31=(rows["Phi31"] + np.pi) % (2 * np.pi),
        phi31_err=rows["Phi31_error"],
    ).assign(star_id=rows["source_id"].astype(str), status="ok")
    return rows, fits


@pytest.mark.parametrize("pulsation_type", ["RRab", "RRc"])
def test_total_errors_are_those_of_the_published_lmc_table(mirror, pulsation_type):
    rows, fits = read_lmc(mirror, pulsation_type)
    stars = fits[["star_id"]].assign(pulsation_type=pulsation_type)
    labels = estimate_metallicity(fits, stars, "muraveva2025", RELATIONS["muraveva2025"])
    published = rows["[Fe/H]_error"]
    assert np.median(labels["feh_err"]) == pytest.approx(np.median(published), abs=0.005)
    # The published ones are standard deviations of some 1,400 draws: noise of 1.9 %.
    ratio = labels["feh_err"] / published
    assert np.median(ratio) == pytest.approx(1, abs=0.005)
    assert np.std(ratio) < 0.025


def test_published_cut_on_the_error_keeps_the_published_number_of_lmc_stars(mirror):
    rows, fits = read_lmc(mirror, "RRab")
    stars = fits[["star_id"]].assign(pulsation_type="RRab")
    labels = estimate_metallicity(
        fits, stars, "muraveva2025", RELATIONS["muraveva2025"], scatter=True
    )
    precise = rows["Phi31_error"] <= 0.1
    assert precise.sum() == 879
    assert (precise & (rows["[Fe/H]_error"] <= 0.4)).sum() == 508
    # As many to the noise of the published errors near the limit.
    assert (precise & (labels["training_err"] <= 0.4)).sum() == pytest.approx(508, abs=25)


def test_dekany_relation_recovers_the_spectroscopic_metallicities(mirror):
    path = mirror / "dekany_2021_ifeh" / "CHR_X_phot_single.dat"
    names = path.read_text().splitlines()[0].lstrip("#").split()
    table = pd.read_csv(path, sep=r"\s+", skiprows=1, names=names, quotechar='"')
    good = (table["keep"] == 1) & (table["snr"] > 95) & (table["phcov"] > 0.8)
    for pulsation_type, limit in (("RRab", 0.25), ("RRc", 0.25)):
        rows = table[good & table["type"].str.startswith(pulsation_type)]
        fits = make_fits(period=rows["period"], a1=rows["A1"], a2=rows["A2"], phi31=rows["phi31"])
        feh, _ = RELATIONS["dekany2021"][pulsation_type].estimate(fits)
        assert len(rows) > 50
        assert np.std(feh - rows["feh"]) < limit
        assert abs(np.mean(feh - rows["feh"])) < 0.05


def test_errors_follow_draws_of_correlated_parameters():
    relation = RELATIONS["dekany2021"]["RRab"]
    covariance = np.array([[4e-6, 3e-5], [3e-5, 9e-4]])
    rng = np.random.default_rng(3)
    draws = rng.multivariate_normal([0.1, 5.6], covariance, size=200_000)
    drawn, _ = relation.estimate(make_fits(period=0.55, a2=draws[:, 0], phi31=draws[:, 1]))
    fits = make_fits(
        period=[0.55],
        a2=[0.1],
        phi31=[5.6],
        a2_err=[2e-3],
        phi31_err=[3e-2],
        cov_a2_phi31=[3e-5],
    )
    _, error = relation.estimate(fits)
    assert error[0] == pytest.approx(np.std(drawn), rel=0.01)


def test_phi31_of_another_turn_gives_the_same_metallicity():
    relation = RELATIONS["muraveva2025"]["RRab"]
    fits = make_fits(period=[0.6, 0.6, 0.6], phi31=[5.2, 5.2 + 2 * np.pi, 5.2 - 2 * np.pi])
    feh, _ = relation.estimate(fits)
    np.testing.assert_allclose(feh, feh[0])


def test_each_star_gets_its_relation_or_a_status():
    fits = make_fits(period=[0.55, 0.3, 0.55, 0.4], phi31=[5.6, 6.8, 5.6, 5.0])
    fits["star_id"] = ["a", "b", "c", "d"]
    fits["status"] = ["ok", "ok", "too_few_epochs", "ok"]
    stars = pd.DataFrame(
        {"star_id": ["d", "c", "b", "a"], "pulsation_type": ["RRd", "RRab", "RRc", "RRab"]}
    )
    labels = estimate_metallicity(fits, stars, "smolec2005", RELATIONS["smolec2005"])
    assert labels["star_id"].tolist() == ["d", "c", "b", "a"]
    assert labels["status"].tolist() == ["no_relation", "too_few_epochs", "no_relation", "ok"]
    assert np.isfinite(labels["feh"]).tolist() == [False, False, False, True]


def two_stars(**archive) -> tuple[pd.DataFrame, pd.DataFrame]:
    fits = make_fits(
        period=[0.55, 0.55],
        phi31=[5.6, 5.6],
        a2=[0.1, 0.1],
        a2_err=[0.01, 0.01],
        phi31_err=[0.2, 0.2],
        cov_a2_phi31=[1e-3, 1e-3],
    ).assign(star_id=["a", "b"], status="ok")
    stars = pd.DataFrame({"star_id": ["b", "a"], "pulsation_type": "RRab", **archive})
    return fits, stars


def test_the_archives_phi31_labels_the_stars_that_have_one():
    fits, stars = two_stars(archive_phi31=[np.nan, 5.7])
    relation = RELATIONS["muraveva2025"]
    own = estimate_metallicity(fits, stars, "m", relation)
    archive = estimate_metallicity(fits, stars, "m", relation, phi31="archive")
    difference = (archive["feh"] - own["feh"]).tolist()
    assert difference == pytest.approx([0, 0.94 * 0.1])
    errors = [table["feh_err_light_curve"].tolist() for table in (archive, own)]
    assert errors[0] == pytest.approx(errors[1])


def test_the_archives_error_of_phi31_goes_with_it():
    fits, stars = two_stars(archive_phi31=[np.nan, 5.7], archive_phi31_err=[0.1, 0.1])
    labels = estimate_metallicity(fits, stars, "m", RELATIONS["muraveva2025"], phi31="archive")
    errors = labels["feh_err_light_curve"].tolist()
    assert errors == pytest.approx([0.94 * 0.2, 0.94 * 0.1])
    # Half the error with the same correlation is half the covariance.
    dekany = RELATIONS["dekany2021"]
    both = estimate_metallicity(fits, stars, "d", dekany, phi31="archive")["feh_err_light_curve"]
    for variance, error in zip(both**2, (0.2, 0.1), strict=True):
        covariance = 2 * 5.785 * 1.248 * 1e-3 * error / 0.2
        assert variance == pytest.approx((5.785 * 0.01) ** 2 + (1.248 * error) ** 2 + covariance)


def test_the_parts_of_an_error_add_up_to_the_total():
    fits, stars = two_stars()
    relation = RELATIONS["muraveva2025"]["RRab"]
    labels = estimate_metallicity(fits, stars, "m", RELATIONS["muraveva2025"])
    # phi31 of the relation is that of the cosine series, which differs by pi.
    of_coefficients = np.sqrt(
        relation.errors["intercept"] ** 2
        + (relation.errors["period"] * 0.55) ** 2
        + (relation.errors["phi31"] * (5.6 - np.pi)) ** 2
    )
    light_curve, of_relation = 0.94 * 0.2, np.hypot(of_coefficients, relation.scatter)
    np.testing.assert_allclose(labels["feh_err_light_curve"], light_curve)
    np.testing.assert_allclose(labels["feh_err_relation"], of_relation)
    np.testing.assert_allclose(labels["feh_err"], np.hypot(light_curve, of_relation))
    np.testing.assert_allclose(labels["training_err"], np.hypot(light_curve, of_coefficients))


def test_the_scatter_of_a_relation_adds_to_the_errors_of_a_training_on_demand():
    fits, stars = two_stars()
    without = estimate_metallicity(fits, stars, "m", RELATIONS["muraveva2025"])
    labels = estimate_metallicity(fits, stars, "m", RELATIONS["muraveva2025"], scatter=True)
    others = labels.columns.drop("training_err")
    pd.testing.assert_frame_equal(labels[others], without[others])
    np.testing.assert_allclose(labels["training_err"] ** 2, without["training_err"] ** 2 + 0.28**2)
    np.testing.assert_array_equal(labels["training_err"], labels["feh_err"])


def test_no_scatter_is_no_total_error():
    fits, stars = two_stars()
    relation = RELATIONS["jurcsik_kovacs1996"]
    labels = estimate_metallicity(fits, stars, "jurcsik_kovacs1996", relation)
    assert labels[["feh_err", "feh_err_relation"]].isna().all(axis=None)
    np.testing.assert_allclose(labels["training_err"], 1.345 * 0.2)
    with pytest.raises(ValueError, match="jurcsik_kovacs1996 for RRab has no known scatter"):
        estimate_metallicity(fits, stars, "jurcsik_kovacs1996", relation, scatter=True)


def test_correlated_coefficients_follow_their_draws():
    relation = RELATIONS["dekany2021"]["RRc"]
    rng = np.random.default_rng(4)
    mean = [relation.intercept, *relation.coefficients.values()]
    draws = rng.multivariate_normal(mean, relation.covariance, size=100_000)
    fits = make_fits(period=[0.25, 0.4], a1=[0.1, 0.2], a2=[0.01, 0.03], phi31=[6.0, 9.0])
    design = np.column_stack([np.ones(2), fits[["period", "a1", "a2", "phi31"]]])
    drawn = np.std(draws @ design.T, axis=0)
    np.testing.assert_allclose(relation.coefficient_error(fits), drawn, rtol=0.02)


def test_a_phi31_that_is_not_there_is_refused():
    fits, stars = two_stars()
    with pytest.raises(ValueError, match="star list has no phi31"):
        estimate_metallicity(fits, stars, "m", RELATIONS["muraveva2025"], phi31="archive")
    with pytest.raises(ValueError, match="phi31 is 'gaia'; allowed are own, archive"):
        estimate_metallicity(fits, stars, "m", RELATIONS["muraveva2025"], phi31="gaia")


def test_without_the_archives_phi31_a_star_has_a_status_and_no_value_of_ours():
    fits, stars = two_stars(archive_phi31=[np.nan, 5.7], archive_phi31_err=[np.nan, 0.1])
    relation = RELATIONS["muraveva2025"]
    either = estimate_metallicity(fits, stars, "m", relation, phi31="archive")
    labels = estimate_metallicity(fits, stars, "m", relation, phi31="archive_only")
    assert labels["status"].tolist() == ["no_archive_phi31", "ok"]
    assert fits["status"].tolist() == ["ok", "ok"]
    values = ["feh", "feh_err", "feh_err_light_curve", "training_err", "label_phi31_err"]
    assert labels.loc[0, values].isna().all()
    assert labels.loc[1, values].tolist() == either.loc[1, values].tolist()
    # A star that has failed before keeps its status, one of another type has no relation anyway.
    fits["status"], stars["pulsation_type"] = ["ok", "fit_failed"], ["RRab", "RRd"]
    stars["archive_phi31"] = np.nan
    labels = estimate_metallicity(fits, stars, "m", relation, phi31="archive_only")
    assert labels["status"].tolist() == ["fit_failed", "no_relation"]


def test_a_label_says_which_error_its_phi31_has():
    fits, stars = two_stars(archive_phi31=[np.nan, 5.7], archive_phi31_err=[0.05, 0.1])
    relation = RELATIONS["muraveva2025"]
    own = estimate_metallicity(fits, stars, "m", relation)
    archive = estimate_metallicity(fits, stars, "m", relation, phi31="archive")
    assert own["label_phi31_err"].tolist() == [0.2, 0.2]
    assert archive["label_phi31_err"].tolist() == [0.2, 0.1]


def test_the_archives_a2_labels_the_lmc_as_published(mirror):
    published = pd.read_csv(mirror / "muraveva_2025" / "table_a2_lmc.csv.gz")
    archive = pd.read_csv(mirror / "gaia_dr3" / "vari_rrlyrae_subset.csv.gz")
    both = published[published["Type"] == "RRc"].merge(archive, on="source_id")
    assert len(both) == 72
    stars = pd.DataFrame(
        {
            "star_id": both["source_id"].astype(str),
            "pulsation_type": "RRc",
            "archive_amplitude": both["peak_to_peak_g"],
            "archive_r21": both["r21_g"],
            "archive_r31": both["r31_g"],
            "archive_phi21": both["phi21_g"] - np.pi / 2,
            "archive_phi31": both["phi31_g"] + np.pi,
        }
    )
    fits = make_fits(period=both["p1_o"], a2=0.5, a2_err=0.001, phi31=1.0, phi31_err=0.1)
    fits = fits.assign(star_id=stars["star_id"], status="ok")
    relation = RELATIONS["muraveva2025"]
    labels = estimate_metallicity(
        fits, stars, "m", relation, phi31="archive_only", a2="archive", band="G"
    )
    difference = labels["feh"].to_numpy() - both["[Fe/H]"].to_numpy()
    assert abs(np.median(difference)) < 1e-4
    assert np.std(difference) < 0.01
    # A star that the archive has no series of keeps our own A_2.
    stars.loc[0, ["archive_r31", "archive_phi31"]] = np.nan
    again = estimate_metallicity(fits, stars, "m", relation, phi31="archive", a2="archive")
    own = estimate_metallicity(fits, stars, "m", relation)
    assert again.loc[0, "feh"] == own.loc[0, "feh"]
    assert again.loc[1:, "feh"].equals(labels.loc[1:, "feh"])


def test_an_a2_that_is_not_there_is_refused():
    fits, stars = two_stars(archive_r21=[0.4, 0.4])
    relation = RELATIONS["muraveva2025"]
    with pytest.raises(ValueError, match=r"star list has no amplitude, r31, .*label by the a2"):
        estimate_metallicity(fits, stars, "m", relation, a2="archive")
    with pytest.raises(ValueError, match="a2 is 'archive_only'; allowed are own, archive"):
        estimate_metallicity(fits, stars, "m", relation, a2="archive_only")


def test_a_catalogue_with_parameters_needs_no_light_curves():
    dekany = RELATIONS["dekany2021"]
    amplitude, r21, r31, phi21, phi31 = 0.6, 0.45, 0.3, 9.1, 5.6
    ratios = {"archive_r21": r21, "archive_r31": r31, "archive_phi21": phi21}
    stars = pd.DataFrame(
        {
            "star_id": ["a", "b", "c", "d"],
            "pulsation_type": "RRab",
            "period": [0.55, 0.55, np.nan, 0.55],
            "archive_amplitude": amplitude,
            **ratios,
            "archive_phi31": [phi31, np.nan, phi31, phi31],
        }
    )
    names = ("period", "amplitude", "a3", "phi21")
    fits = make_fits(star_id=["a", "b", "c", "d"], **dict.fromkeys(names, np.nan))
    fits["status"] = ["no_light_curve"] * 3 + ["invalid_period"]
    labels = estimate_metallicity(fits, stars, "d", dekany, parameters="archive")
    assert labels["status"].tolist() == ["ok", *["no_light_curve"] * 2, "invalid_period"]
    angle = 2 * np.pi * np.arange(10_000) / 10_000
    series = np.sin(angle) + r21 * np.sin(2 * angle + phi21) + r31 * np.sin(3 * angle + phi31)
    a2 = amplitude / np.ptp(series) * r21
    expected = -5.819 - 6.350 * 0.55 + 5.785 * a2 + 1.248 * phi31
    assert labels["feh"].iloc[0] == pytest.approx(expected, abs=1e-3)
    assert labels["feh"].iloc[1:].isna().all()
    # No catalogue has the errors of its parameters.
    assert labels[["feh_err", "feh_err_light_curve", "training_err"]].isna().all(axis=None)


def test_parameters_of_a_catalogue_that_are_not_there_are_refused():
    fits, stars = two_stars(period=0.5, archive_amplitude=0.6, archive_r21=0.4)
    with pytest.raises(ValueError, match=r"the star list has no r31, phi21, phi31"):
        estimate_metallicity(fits, stars, "d", RELATIONS["dekany2021"], parameters="archive")


def test_an_impossible_relation_is_refused():
    with pytest.raises(ValueError, match="period2"):
        Relation("I", "sine", 5.88, 0.0, {"period2": 1.0}, None)
    with pytest.raises(ValueError, match="tangent"):
        Relation("I", "tangent", 5.88, 0.0, {"period": 1.0}, None)
    with pytest.raises(ValueError, match=r"errors are of \['period'\]; .* \['intercept', 'period"):
        Relation("I", "sine", 5.88, 0.0, {"period": 1.0}, None, errors={"period": 0.1})
    with pytest.raises(ValueError, match=r"covariance is not \(2, 2\), that of \['intercept"):
        Relation("I", "sine", 5.88, 0.0, {"period": 1.0}, None, covariance=[[0.1]])
    errors = {"intercept": 0.1, "period": 0.1}
    with pytest.raises(ValueError, match="errors or a covariance of its coefficients, not both"):
        Relation(
            *("I", "sine", 5.88, 0.0, {"period": 1.0}, None),
            errors=errors,
            covariance=[[0.1, 0], [0, 0.1]],
        )


def test_the_scatter_of_a_relation_is_found_by_name_and_type():
    relations = read_relations(RELATIONS_FILE)
    assert scatter_of(relations, "dekany2021", "RRab") == relations["dekany2021"]["RRab"].scatter
    assert np.isnan(scatter_of(relations, "mullen2021", "RRc"))
    assert np.isnan(scatter_of(relations, AS_PUBLISHED, "RRab"))


def test_a_relation_for_another_band_is_refused_or_named():
    fits, stars = two_stars()
    label = partial(estimate_metallicity, fits, stars, "dekany2021", RELATIONS["dekany2021"])
    assert set(label(band="I")["reason"]) == {""}
    with pytest.raises(ValueError, match=r"dekany2021 for RRab is for band I, .* are in G; allow"):
        label(band="G")
    labels = label(band="G", other_band=True)
    named = labels["reason"].str.contains("is for band I, the light curves are in G")
    assert named.tolist() == (labels["status"] == "ok").tolist()


def test_published_metallicities_are_taken_where_there_are_any():
    fits = pd.DataFrame({"star_id": ["b", "a", "c"], "status": ["ok", "ok", "too_few_epochs"]})
    stars = pd.DataFrame(
        {
            "star_id": ["a", "b", "c"],
            "pulsation_type": "RRab",
            "archive_feh": [-1.5, np.nan, -1.0],
        }
    )
    labels = take_published(fits, stars)
    assert labels["status"].tolist() == ["ok", "no_relation", "too_few_epochs"]
    assert labels["feh"].tolist()[0] == -1.5
    assert labels["feh"].isna().tolist() == [False, True, True]
    assert labels["feh_err"].isna().all()
    assert (labels["relation"] == "as_published").all()


def test_published_errors_are_the_total_ones():
    fits, stars = two_stars(archive_feh=[-1.5, np.nan], archive_feh_err=[0.3, 0.2])
    labels = take_published(fits, stars)
    computed = estimate_metallicity(fits, stars, "m", RELATIONS["muraveva2025"])
    assert labels.columns.tolist() == computed.columns.tolist()
    for name in ("feh_err", "training_err"):
        np.testing.assert_array_equal(labels[name], [0.3, np.nan])
    assert labels[["feh_err_light_curve", "feh_err_relation"]].isna().all(axis=None)


def test_a_relation_may_use_any_parameter_of_the_fits():
    relation = Relation("G", "sine", 5.88, -1.0, {"a3": 2.0, "phi31": 1.0}, scatter=None)
    fits = pd.DataFrame({"a3": [0.1], "a3_err": [0.02], "phi31": [6.0], "phi31_err": [0.03]})
    feh, feh_err = relation.estimate(fits)
    assert feh[0] == pytest.approx(-1.0 + 0.2 + 6.0)
    # Their covariance is not measured.
    assert feh_err[0] == pytest.approx(np.hypot(0.04, 0.03))


def test_a_phase_that_is_not_converted_is_refused():
    with pytest.raises(ValueError, match="phi21 of the cosine series is not converted"):
        Relation("G", "cosine", 5.88, -1.0, {"phi21": 1.0}, scatter=None)


def test_a_missing_error_counts_as_the_median_of_the_others():
    ids = ["a", "b", "c", "d", "e"]
    fits = pd.DataFrame({"star_id": ids, "status": "ok"})
    stars = pd.DataFrame(
        {
            "star_id": ids,
            "pulsation_type": "RRab",
            "archive_feh": [-1.5, -1.0, -2.0, -99.0, np.nan],
            "archive_feh_err": [0.1, 0.0, 0.3, 0.1, 0.2],
        }
    )
    labels = take_published(fits, stars)
    np.testing.assert_array_equal(labels["feh_err"], [0.1, np.nan, 0.3, np.nan, np.nan])
    np.testing.assert_array_equal(labels["training_err"], [0.1, 0.2, 0.3, np.nan, np.nan])
    assert labels["status"].tolist() == ["ok"] * 3 + ["no_relation"] * 2
    assert labels["reason"][1] == (
        "its [Fe/H] has no error; in a training it counts as 0.2, the median of the others"
    )
    assert labels["reason"][3] == "its [Fe/H] of -99 is not within -5 to 1.5"
    assert set(labels["reason"][[0, 2, 4]]) == {""}


def test_a_list_without_metallicities_cannot_be_taken_as_published():
    with pytest.raises(ValueError, match=r"no .Fe/H., .* give it a column feh"):
        take_published(*two_stars())

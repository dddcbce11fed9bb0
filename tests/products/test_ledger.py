import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalyra.core.statuses import check_status
from metalyra.products import ledger
from metalyra.products.ledger import LedgerError, StageTable, count_statuses, make_ledger


def rows(**status_by_star: str) -> pd.DataFrame:
    return pd.DataFrame({"star_id": list(status_by_star), "status": list(status_by_star.values())})


def catalogue_of(sample: str, table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(star_id=ledger.restore_star_id(table)).assign(sample=sample)


STARS = pd.DataFrame(
    {
        "star_id": ["a", "b", "b#2", "c", "d"],
        "status": ["ok", "ok", "duplicate_id", "invalid_period", "ok"],
    }
)


def with_status(**changes: str) -> pd.DataFrame:
    table = STARS.copy()
    for star_id, status in changes.items():
        table.loc[table["star_id"] == star_id, "status"] = status
    return table


@pytest.mark.parametrize("status", [*ledger.STATUSES, "cut:snr", "cut:phase_coverage"])
def test_statuses_of_the_list_are_known_and_described(status):
    assert check_status(status) == status
    assert ledger.describe_status(status).endswith(".")


@pytest.mark.parametrize("status", ["", "OK", "cut:", "cut", "too_few_epoch", "snr"])
def test_other_statuses_are_refused_with_what_is_allowed(status):
    with pytest.raises(ValueError, match=r"unknown status .*too_few_epochs.*cut:<column>"):
        check_status(status)


@given(st.lists(st.sampled_from([*ledger.STATUSES, "cut:snr", "cut:amplitude"])))
def test_counts_add_up_whatever_the_statuses(statuses):
    table = pd.DataFrame({"star_id": map(str, range(len(statuses))), "status": statuses})
    counts = count_statuses("fit", "ogle_i", table)
    assert counts["stars"].sum() == len(statuses)
    assert (counts["given"] == len(statuses)).all()
    assert dict(zip(counts["status"], counts["stars"], strict=True)) == {
        "ok": 0,
        **pd.Series(statuses, dtype=object).value_counts().to_dict(),
    }


def test_the_ledger_follows_the_path_of_a_star():
    fit = with_status(d="too_few_epochs")
    develop = with_status(d="too_few_epochs", a="cut:snr")
    stages = [
        StageTable("develop", "i", develop, model="network"),
        StageTable("fit", "i", fit),
        StageTable("stars", "i", STARS),
    ]
    table = make_ledger(stages, catalogue_of("i", fit))
    assert list(table["stage"].unique()) == ["stars", "fit", "develop", "catalogue"]
    totals = table.groupby(["stage", "sample", "model"]).agg({"stars": "sum", "given": "max"})
    assert (totals["stars"] == totals["given"]).all()
    assert (totals["given"] == len(STARS)).all()
    cut = table[table["status"] == "cut:snr"].iloc[0]
    assert (cut["stage"], cut["model"], cut["stars"]) == ("develop", "network", 1)
    assert "snr" in cut["description"]


def test_two_models_of_one_sample_are_counted_apart():
    stages = [
        StageTable("stars", "i", STARS),
        StageTable("predict", "i", STARS, model="first"),
        StageTable("predict", "i", with_status(a="no_model"), model="second"),
    ]
    table = make_ledger(stages).query("stage == 'predict' and status == 'ok'")
    assert dict(zip(table["model"], table["stars"], strict=True)) == {"first": 3, "second": 2}


def test_the_ledger_survives_a_csv_file(tmp_path):
    table = make_ledger([StageTable("stars", "i", STARS)])
    table.to_csv(tmp_path / "ledger.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "ledger.csv"), table)


def test_an_empty_sample_has_a_row():
    table = make_ledger([StageTable("stars", "i", STARS.head(0))])
    assert list(table[["sample", "status", "stars", "given"]].loc[0]) == ["i", "ok", 0, 0]


def test_a_match_may_revive_a_star_without_a_period():
    matched = with_status(c="ok", a="no_match")
    stages = [
        StageTable("stars", "g", STARS),
        StageTable("match", "g", matched),
        StageTable("fit", "g", matched),
    ]
    table = make_ledger(stages, catalogue_of("g", matched))
    assert table.query("stage == 'fit' and status == 'ok'")["stars"].item() == 3


def test_a_label_may_revive_a_star_without_a_light_curve_and_no_other():
    fits = with_status(a="no_light_curve", b="too_few_epochs")
    stages = [StageTable("stars", "g", STARS), StageTable("fit", "g", fits)]
    labelled = StageTable("label", "g", with_status(b="too_few_epochs"))
    table = make_ledger([*stages, labelled], catalogue_of("g", fits))
    assert table.query("stage == 'label' and status == 'ok'")["stars"].item() == 2
    with pytest.raises(LedgerError, match=r"stage label.* b \(too_few_epochs -> ok\)$"):
        make_ledger([*stages, StageTable("label", "g", STARS)])


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (STARS.drop(index=0), "lost stars: a$"),
        (pd.concat([STARS, rows(e="ok")]), "invented stars: e$"),
        (pd.concat([STARS, rows(d="ok")]), "stars more than once: d$"),
        (with_status(a="to_few_epochs"), "unknown status 'to_few_epochs': a$"),
        (with_status(a=None), "unknown status .*: a$"),
        (with_status(c="ok"), r"changed the status given by stars of: c \(invalid_period -> ok\)"),
        (with_status(c="fit_failed"), r"c \(invalid_period -> fit_failed\)"),
    ],
)
def test_a_stage_that_loses_track_is_named_with_its_stars(table, problem):
    stages = [StageTable("stars", "ogle_i", STARS), StageTable("fit", "ogle_i", table)]
    with pytest.raises(LedgerError, match=f"stage fit, sample ogle_i .*{problem}"):
        make_ledger(stages)


def test_only_an_invalid_period_is_revived_by_a_match():
    stages = [
        StageTable("stars", "g", with_status(d="duplicate_id")),
        StageTable("match", "g", STARS),
    ]
    with pytest.raises(LedgerError, match=r"stage match.* d \(duplicate_id -> ok\)$"):
        make_ledger(stages)


def test_an_error_names_at_most_five_stars():
    stars = pd.DataFrame({"star_id": [f"s{k}" for k in range(9)], "status": "ok"})
    stages = [StageTable("stars", "i", stars), StageTable("fit", "i", stars.head(1))]
    with pytest.raises(LedgerError, match=r"lost stars: s1, s2, s3, s4, s5 and 3 more$"):
        make_ledger(stages)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (STARS.drop(index=2), "lost stars that share an identifier: b$"),
        (pd.concat([STARS, rows(b="ok")]), "stars more than once: b$"),
        (with_status(d="no_model").drop(index=3), "lost stars: c$"),
        (with_status(c="ok"), r"given by stars of: c \(invalid_period -> ok\)"),
    ],
)
def test_the_catalogue_holds_every_row_of_the_star_list(table, problem):
    with pytest.raises(LedgerError, match=f"stage catalogue, sample i .*{problem}"):
        make_ledger([StageTable("stars", "i", STARS)], catalogue_of("i", table))


def test_the_catalogue_may_not_forget_or_invent_a_sample():
    stages = [StageTable("stars", "i", STARS), StageTable("stars", "g", STARS)]
    with pytest.raises(LedgerError, match="stage catalogue, sample g lost stars: a, b"):
        make_ledger(stages, catalogue_of("i", STARS))
    both = pd.concat([catalogue_of("i", STARS), catalogue_of("x", STARS)])
    with pytest.raises(LedgerError, match="catalogue unknown samples: x"):
        make_ledger(stages[:1], both)


def test_stages_and_samples_must_be_known():
    with pytest.raises(LedgerError, match=r"stage fold.*unknown stage; allowed: stars, match"):
        make_ledger([StageTable("fold", "i", STARS)])
    with pytest.raises(LedgerError, match="sample g: the sample has no star list"):
        make_ledger([StageTable("stars", "i", STARS), StageTable("fit", "g", STARS)])


def test_only_duplicates_lose_their_number():
    table = pd.DataFrame(
        {"star_id": ["V#2", "b#2", "c#12"], "status": ["ok", "duplicate_id", "duplicate_id"]}
    )
    assert ledger.restore_star_id(table).tolist() == ["V#2", "b", "c"]


def test_rows_that_are_those_of_a_list_pass():
    ledger.check_rows(["a", "b", "a"], ["a", "b", "a"], "stars.csv")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (["a", "c"], "row 2 of stars.csv is 'b', of the output 'c'"),
        (["b", "a"], "row 1 of stars.csv is 'a', of the output 'b'"),
        (["a"], "row 2 of stars.csv is 'b', of the output none"),
        (["a", "b", "c"], "row 3 of stars.csv is no star, of the output 'c'"),
    ],
)
def test_rows_of_other_stars_than_a_list_has_are_refused(found, message):
    with pytest.raises(ledger.LedgerError, match=message):
        ledger.check_rows(found, ["a", "b"], "stars.csv")

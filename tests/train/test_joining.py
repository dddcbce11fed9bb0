import numpy as np
import pandas as pd

from metalyra.train import SampleTables, join_samples, list_usable_stars, select_unlabelled


def tables_of(stars: pd.DataFrame, **labels: float) -> SampleTables:
    stars = stars.assign(status="ok", pulsation_type="RRab")
    fits = stars[["star_id", "period"]].assign(status="ok", a1=0.3)
    labelled = pd.DataFrame({"star_id": list(labels), "feh": list(labels.values()), "status": "ok"})
    return SampleTables(stars, fits, labelled)


def place(star_ids, ra, period=0.5, **columns):
    return pd.DataFrame({"star_id": star_ids, "ra": ra, "dec": -30.0, "period": period, **columns})


FIRST = tables_of(
    place(["1", "2", "3"], [10.0, 11.0, 12.0], reference_id=["o1", None, "o3"]),
    **{"o1": -1.0, "o3": -2.0},
)


def test_labels_come_through_the_match():
    joined = join_samples(
        {"first": FIRST, "second": tables_of(place(["9"], [50.0]), **{"9": -1.5})}
    )
    labels = joined.labels.set_index("star_id")
    assert labels["status"].to_dict() == {"1": "ok", "2": "no_match", "3": "ok", "9": "ok"}
    assert labels.loc[["1", "3", "9"], "feh"].tolist() == [-1.0, -2.0, -1.5]
    assert joined.fits["sample"].tolist() == ["first"] * 3 + ["second"]
    assert "reference_id" not in joined.stars
    assert list_usable_stars(joined, "first") == {"1", "3"}
    assert list_usable_stars(joined, "second") == {"9"}


def test_a_star_of_two_samples_is_that_of_the_first():
    # Of one name; of another name at one place with one period; a neighbour of another period.
    second = place(["1", "7", "8"], [99.0, 12.0001, 12.0001], [0.7, 0.500001, 0.61])
    joined = join_samples({"first": FIRST, "second": tables_of(second, **{"1": 0.0, "7": 0.0})})
    assert joined.fits["star_id"].tolist() == ["1", "2", "3", "8"]
    assert joined.stars["star_id"].tolist() == ["1", "2", "3", "8"]
    assert joined.labels.set_index("star_id").loc["1", "feh"] == -1.0


def test_the_centre_of_a_cell_is_a_place():
    second = place(["7", "8"], [12.008, 12.008], [0.500001, np.nan], position_from_cell=True)
    joined = join_samples({"first": FIRST, "second": tables_of(second)})
    assert joined.fits["star_id"].tolist() == ["1", "2", "3", "8"]


def test_no_labelled_star_is_learnt_from_unlabelled_whatever_its_name():
    trained = place(["1", "2", "3"], [10.0, 11.0, 12.0], status="ok", pulsation_type="RRab")
    development = pd.DataFrame({"star_id": ["1", "2", "3"], "fold": [0, -1, 1]})
    # Itself; another name at the place and with the period; near without a period; no fold.
    stars = place(
        ["1", "13", "31", "2", "40", "41", "42"],
        [10.0, 12.0, 12.01, 11.0, 40.0, 41.0, 42.0],
        [0.5, 0.5, np.nan, 0.5, np.nan, 0.5, 0.5],
        status="ok",
        pulsation_type=["RRab"] * 6 + ["RRc"],
    )
    fits = stars[["star_id", "period"]].assign(status=["ok"] * 5 + ["too_few_epochs", "ok"])
    options = {"most": 10, "seed": 1}
    chosen = select_unlabelled(stars, fits, development, trained, "RRab", **options)
    assert chosen["star_id"].tolist() == ["2", "40"]
    options["most"] = 1
    drawn = select_unlabelled(stars, fits, development, trained, "RRab", **options)
    shuffled = select_unlabelled(stars, fits[::-1], development, trained, "RRab", **options)
    assert len(drawn) == 1
    assert drawn["star_id"].tolist() == shuffled["star_id"].tolist()


def test_labels_of_a_matched_sample_may_be_its_own():
    own = tables_of(
        place(["1", "2"], [10.0, 11.0], reference_id=["o1", "o2"]), **{"1": -1.0, "2": -2.0}
    )
    joined = join_samples({"first": own}, through_match=[])
    assert joined.labels["feh"].tolist() == [-1.0, -2.0]
    through = join_samples({"first": FIRST}, through_match=["first"])
    assert through.labels["status"].tolist() == ["ok", "no_match", "ok"]

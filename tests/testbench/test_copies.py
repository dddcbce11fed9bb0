import pytest

from metalyra.core.containers import list_members
from metalyra.surveys import check_stars, survey
from testbench.simulate.copies import ABSENT, BATCH, STAR_LIST, write_copies

STARS, DISTINCT = ABSENT + 20, 30


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    write_copies(folder, STARS, batches=2, distinct=DISTINCT)
    return folder / "gaia_dr3"


@pytest.fixture(scope="module")
def stars(mirror):
    return check_stars(survey("gaia_dr3").read_stars([mirror / STAR_LIST]))


@pytest.fixture(scope="module")
def curves(mirror, stars):
    paths = [mirror / BATCH.format(batch) for batch in range(2)]
    read = survey("gaia_dr3").read_light_curves(paths, stars, "G")
    return {curve.star_id: curve.table for curve in read}


def test_every_copy_is_a_star_of_its_own_but_for_those_that_the_archive_lacks(
    mirror, stars, curves
):
    assert len(stars) == stars["star_id"].nunique() == STARS
    assert (stars["status"] == "ok").all()
    assert not stars["position_from_cell"].any()
    assert stars["pulsation_type"].value_counts().to_dict().keys() == {"RRab", "RRc"}
    assert {*stars["star_id"]} - {*curves} == {stars["star_id"][ABSENT - 1]}
    assert [len(list_members(mirror / BATCH.format(batch))) for batch in range(2)] == [510, 509]


def test_a_copy_has_the_epochs_of_its_star_and_noise_of_its_own(stars, curves):
    first, copy = (curves[stars["star_id"][row]] for row in (0, DISTINCT))
    both = first.merge(copy, on="time", suffixes=("", "_copy"))
    assert len(both) > 0.8 * len(first)
    assert (both["mag"] != both["mag_copy"]).all()
    difference = (both["mag"] - both["mag_copy"]).abs() / both["mag_err"]
    assert 0.5 < difference.median() < 5
    period, of_copy = stars["period"][0], stars["period"][DISTINCT]
    assert period != of_copy
    assert period == pytest.approx(of_copy, abs=2e-5)


def test_the_same_seed_writes_the_same_bytes(mirror, tmp_path):
    write_copies(tmp_path, STARS, batches=2, distinct=DISTINCT)
    for name in (STAR_LIST, BATCH.format(1)):
        assert (tmp_path / "gaia_dr3" / name).read_bytes() == (mirror / name).read_bytes()

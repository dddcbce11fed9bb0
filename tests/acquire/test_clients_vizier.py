"""VizieR's client: astroquery asks the loopback archive."""

import gzip
import io
import re

import pytest
from astropy.io import votable

from metalyra.acquire.clients import QueryError, find_product, make_source
from metalyra.acquire.connection import RetryPolicy
from metalyra.acquire.services import find_services, read_archives
from testbench.loopback import Faults

ARCHIVES = read_archives()
CATALOGUES = ARCHIVES["archives"]["vizier"]["products"]


@pytest.fixture(scope="module")
def folder(mirror):
    return mirror


@pytest.fixture
def ask(rerouted, tmp_path):
    """Ask for a catalogue; returns the file."""

    def make(name, file="catalogue.vot"):
        query = {"archive": "vizier", "product": name}
        make_source(
            find_product(query, ARCHIVES["archives"]),
            query,
            None,
            tmp_path / file,
            tmp_path / "replies",
            find_services({}, ARCHIVES["services"]),
            RetryPolicy(attempts=3, pause=0.0, timeout=20.0),
        )
        return tmp_path / file

    return make


def test_a_catalogue_comes_whole_and_as_it_is_delivered(ask, archive, tmp_path):
    data = ask("dekany_grebel_2022").read_bytes()
    [reply] = (tmp_path / "replies").iterdir()
    assert reply.read_bytes() == data
    tables = [*votable.parse(io.BytesIO(data), verify="ignore").iter_tables()]
    assert sum(len(table.array) for table in tables) > 4000
    assert archive.log[0].agent.startswith("MetaLyra/")
    assert gzip.decompress(ask("dekany_grebel_2022", "again.vot.gz").read_bytes()) == data
    assert len(archive.log) == 1


@pytest.mark.parametrize("kind", ["html", "cut", "truncated", "server_error", "wrong_bytes"])
def test_a_damaged_answer_is_asked_for_again(ask, archive, kind):
    archive.reset(Faults(at={1: kind}))
    data = ask("dekany_grebel_2022").read_bytes()
    assert data.rstrip().endswith(b"</VOTABLE>")
    assert archive.faults_done == {kind: 1}


def test_a_catalogue_that_is_not_there_is_an_error(ask, tmp_path):
    with pytest.raises(QueryError, match="has no such table"):
        ask("mullen_2021")
    assert not (tmp_path / "catalogue.vot").exists()


@pytest.mark.parametrize("name", CATALOGUES)
def test_catalogues_are_named_as_the_cds_does(name):
    pattern = r"(J/[\w+]+/\d+/[A-Z]?\d+|[IVX]+/\d+)(/\w+)?"
    assert re.fullmatch(pattern, CATALOGUES[name]["catalogue"])

import pytest

from metalyra.acquire.clients import CLIENTS
from metalyra.acquire.clients.protocols import PROTOCOLS
from metalyra.acquire.services import ServiceError, find_services, read_archives
from metalyra.surveys import SURVEYS

PUBLISHED = {"ogle": "https://ogle.example/ogle/", "github": "https://github.com/"}
URL = "https://ogle.example/ogle/ogle4/ident.dat"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("METALYRA_ARCHIVES", raising=False)


def test_services_are_where_they_are_published():
    services = find_services({}, PUBLISHED)
    assert services.url("ogle", "ogle4/ident.dat") == URL
    assert services.locate(URL, "a.dat") == URL
    assert services.locate(None, "a.dat") is None


def test_a_service_can_be_configured():
    services = find_services({"ogle": "http://mirror.example/o"}, PUBLISHED)
    assert services.locate(URL, "a.dat") == "http://mirror.example/o/ogle4/ident.dat"
    assert services.locate("https://github.com/x", "a.dat") == "https://github.com/x"
    assert services.locate("https://other.example/x", "a.dat") == "https://other.example/x"


def test_an_unknown_service_is_named_with_those_there_are():
    with pytest.raises(ServiceError, match="'ogl' is unknown; allowed: ogle, github"):
        find_services({"ogl": "http://x"}, PUBLISHED)


@pytest.mark.parametrize("address", ["http://127.0.0.1:99", "http://127.0.0.1:99/"])
def test_one_server_can_stand_for_all_archives(monkeypatch, address):
    monkeypatch.setenv("METALYRA_ARCHIVES", address)
    services = find_services({"ogle": "http://mirror.example/"}, PUBLISHED)
    assert services.locate(URL, "a") == "http://127.0.0.1:99/ogle/ogle4/ident.dat"
    assert services.url("github", "x") == "http://127.0.0.1:99/github/x"
    # Files that no archive has are there, too.
    assert services.locate(None, "a/b.dat~") == "http://127.0.0.1:99/files/a/b.dat~"


def test_the_archives_ask_services_that_there_are_in_ways_that_there_are():
    entries = read_archives()
    for archive in entries["archives"].values():
        assert archive["citation"]
        assert archive["verified"]
        assert archive["survey"] in SURVEYS
        for product in archive["products"].values():
            assert product["client"] in CLIENTS
            assert product["service"] in entries["services"]
            assert product.get("protocol", "tap") in PROTOCOLS
    assert all(url.endswith("/") for url in entries["services"].values())

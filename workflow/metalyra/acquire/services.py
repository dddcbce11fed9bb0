"""The archives' services: where they are, and what they call what studies ask for.

Everything that a name of an archive may change with a data release is in
``resources/archives.yaml``; the clients know how to ask, not what it is called.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from metalyra.acquire.gaia_names import name_product
from metalyra.core.resources import RESOURCES
from metalyra.surveys.formats.gaia_releases import read_releases

ARCHIVES = RESOURCES / "archives.yaml"
"""The project's archives."""

ARCHIVES_VARIABLE = "METALYRA_ARCHIVES"
"""Address of a server that stands for every archive; below it, a folder for each service."""


class ServiceError(ValueError):
    """A service or archive that is unknown; the message says which there are."""


@dataclass(frozen=True)
class Services:
    """Base URLs, which end in a slash.

    Attributes
    ----------
    published
        By service, as the archives have them.
    urls
        By service, as they are used.
    files
        Where sources are that no archive has; None on the real network.
    """

    published: Mapping[str, str]
    urls: Mapping[str, str]
    files: str | None = None

    def url(self, service: str, path: str = "") -> str:
        """Return the address of a path of a service."""
        return self.urls[service] + path

    def locate(self, url: str | None, name: str) -> str | None:
        """Return where a file is taken from that an archive has at `url`, if one has it."""
        if url is None:
            return self.files and self.files + quote(name)
        for service, base in self.published.items():
            if url.startswith(base):
                return self.urls[service] + url[len(base) :]
        return url


def read_archives(path: Path = ARCHIVES) -> dict[str, Any]:
    """Read the services and archives, with the names that a release of Gaia has for a product."""
    described: dict[str, Any] = yaml.safe_load(path.read_text())
    releases = read_releases()
    for archive in described["archives"].values():
        for product in archive["products"].values():
            if "names_of" in product:
                release = releases[product["names_of"]]
                product |= {**name_product(release, product.get("schema")), **product}
    return described


def find_services(configured: Mapping[str, str], published: Mapping[str, str]) -> Services:
    """Return the services of a study.

    Parameters
    ----------
    configured
        Base URLs that replace the published ones; ``METALYRA_ARCHIVES`` goes before them.
    published
        Base URL by service.

    Raises
    ------
    ServiceError
        If there is no service of a name.
    """
    for service in configured:
        if service not in published:
            raise ServiceError(
                f"archives: the service {service!r} is unknown; allowed: {', '.join(published)}"
            )
    root = os.environ.get(ARCHIVES_VARIABLE, "").rstrip("/")
    if root:
        return Services(
            published,
            {service: f"{root}/{service}/" for service in published},
            f"{root}/files/",
        )
    urls = {**published, **configured}
    return Services(published, {name: url.rstrip("/") + "/" for name, url in urls.items()})

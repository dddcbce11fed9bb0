"""A private cluster for the tests of this folder."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.private import Cluster, find_missing
from tests.integration.conftest import Project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.study)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if missing := find_missing():
        pytest.skip(f"no cluster: {', '.join(missing)} not on this machine (slurm-wlm, munge)")
    # The path of a socket has little space.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder)) as running:
        yield running


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Make copies of the project."""
    return lambda: Project(tmp_path_factory.mktemp("project"))

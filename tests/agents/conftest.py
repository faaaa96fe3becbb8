import pytest

from .worlds import small_problem


@pytest.fixture(scope="session")
def problem():
    return small_problem()

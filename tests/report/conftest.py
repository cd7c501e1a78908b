import pytest

from whitesquare.types import Gallery, Measurement

from . import registry
from .sample import measurement, mnist_gallery


@pytest.fixture(scope="session")
def mnist_measurement() -> Measurement:
    return measurement()


@pytest.fixture(scope="session")
def gallery() -> Gallery:
    return mnist_gallery()


@pytest.fixture
def one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.install(monkeypatch)

import pytest

from whitesquare.records import Measurement
from whitesquare.report.measurement.page import render_html
from whitesquare.types import Gallery

from . import registry
from .sample import measurement, mnist_gallery


@pytest.fixture(scope="session")
def mnist_measurement() -> Measurement:
    return measurement()


@pytest.fixture(scope="session")
def gallery() -> Gallery:
    return mnist_gallery()


@pytest.fixture(scope="session")
def rendered(mnist_measurement: Measurement, gallery: Gallery) -> str:
    """The page of that measurement."""
    return render_html(mnist_measurement, gallery)


@pytest.fixture
def one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.install(monkeypatch)

"""Fixtures that more than one test file asks for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from veil import pytest_runtest_makereport  # noqa: F401 - a hook: values stay out of the output of failing tests

# The first example of a test compiles kernels and imports models; how long one takes says nothing.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data: $CORPUS_GOV_DATA, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("CORPUS_GOV_DATA") or CHECKOUT.parent / "shared" / "data")
    if folder.is_dir():
        return folder
    message = f"no real data in {str(folder)!r}; set CORPUS_GOV_DATA to the folder that has it"
    if os.environ.get("REQUIRE_DATA") == "1":
        pytest.fail(message)
    pytest.skip(message)

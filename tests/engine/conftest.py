"""What every engine test may ask for."""

import hypothesis
import pytest

from tests.engine import datasets


@pytest.fixture(scope="session")
def labelled_data() -> None:
    """Skip when the labelled files are not beside the checkout."""
    if not datasets.DATA.is_dir():
        pytest.skip(f"No labelled data in {datasets.DATA}; set REPRISE_EVAL_DATA to their folder.")


# A crowded machine is no bug: examples may take as long as they need.
hypothesis.settings.register_profile("engine", deadline=None)
hypothesis.settings.load_profile("engine")

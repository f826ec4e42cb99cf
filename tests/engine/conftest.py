"""What every engine test may ask for."""

import pytest

from tests.engine import datasets


@pytest.fixture(scope="session")
def labelled_data() -> None:
    """Skip when the labelled files are not beside the checkout."""
    if not datasets.DATA.is_dir():
        pytest.skip(f"No labelled data in {datasets.DATA}; set REPRISE_EVAL_DATA to their folder.")

"""What all tests of the application share."""

import pytest

from duplicates.services import impact


@pytest.fixture(autouse=True)
def every_change_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let following the library cost the same after one change as after many, where queries are counted."""
    monkeypatch.setattr(impact, "READ_AGAIN", 0)

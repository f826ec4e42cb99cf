"""The two forms of the tests: the small one of every change, and the full one with slow tests and more examples."""

import hypothesis
import pytest


def is_full_form(config: pytest.Config) -> bool:
    """Say whether slow tests are asked for, with `-m "slow or not slow"`."""
    return "slow" in str(config.option.markexpr).replace("not slow", "")


def examples(share: float) -> int:
    """Return how many examples a costly test tries: a share of those of the form that is run."""
    return max(1, round(share * hypothesis.settings.default.max_examples))

"""The comparison with Splink says what to do where Splink is not installed."""

import pytest

from tests.benchmarks import splink


def test_without_splink_the_comparison_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splink, "find_spec", lambda name: None)

    with pytest.raises(SystemExit, match=r"Splink is not installed.*--group bench"):
        splink.main()

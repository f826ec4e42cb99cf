"""Keeps a child process from what only the superuser may, so that closed folders are closed in tests run as root."""

import os
import shutil

import pytest

# Without these root is the owner of its files like anybody else, and can still run an interpreter in its home folder.
_CAPABILITIES = "-dac_override,-dac_read_search"


def as_a_common_user() -> list[str]:
    """Return what to put before a command; skip the test where the superuser cannot be held back."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("the superuser may open every folder, and setpriv is not there to hold it back")
    return ["setpriv", f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]

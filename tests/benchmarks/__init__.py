"""Measurements, run by hand: never timed asserts in the test suite."""

import duplicates  # noqa: F401  before polars: it sets up how polars may use threads

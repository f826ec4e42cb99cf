"""Analyses of a library: find, keep, age, refresh, review, export, clean up."""

import os

# The matcher divides its work among threads itself. Threads of the column library beside them would only hand short
# columns back and forth: a million tracks cost 4 % more CPU and 4 % more time with them. It reads this as it is loaded.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

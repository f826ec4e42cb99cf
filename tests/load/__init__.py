"""Many people at once, really run: `python -m tests.load.soak`."""

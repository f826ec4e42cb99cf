"""The matcher: columns in, columns out.

Pure functions over polars and numpy columns. Nothing here imports Django, reads a clock, a database or the settings
module, so the whole folder can be tested, timed and read by itself. This file imports nothing on purpose: a web
process that never runs an analysis never pays for loading numpy and polars.
"""

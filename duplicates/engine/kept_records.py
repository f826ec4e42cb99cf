"""Turns records into plain arrays and back: reading them again costs a fiftieth of normalising a library."""

import io
from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl

from duplicates.engine.normalise import Records
from duplicates.engine.progress import Arrays


def to_arrays(records: Records) -> Arrays:
    """Return the records as named arrays; the texts as the bytes of one file."""
    arrays: Arrays = {field.name: getattr(records, field.name) for field in fields(Records) if field.name != "texts"}
    written = io.BytesIO()
    records.texts.write_ipc(written)
    return arrays | {"texts": np.frombuffer(written.getbuffer(), np.uint8)}


def from_arrays(arrays: Arrays) -> Records:
    """Return the records that `to_arrays` was given."""
    kept: dict[str, Any] = {name: array for name, array in arrays.items() if name != "texts"}
    return Records(texts=pl.read_ipc(io.BytesIO(arrays["texts"].tobytes())), **kept)

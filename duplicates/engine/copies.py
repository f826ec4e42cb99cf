"""Records that say exactly the same: one stands for all of them.

A library imported twice, or a song exported a thousand times, would fill every posting list with itself. The first of
identical records takes part in the search; the others follow it into its cluster, so a million copies cost a million
steps and not a million squared.
"""

import numpy as np

from duplicates.engine.hashing import Hashes, Ints, mix
from duplicates.engine.normalise import Records

EVERYTHING = ("full", "title", "artist", "album", "version", "isrc", "recording_id")
NUMBERS = ("duration_ms", "year", "number", "disc", "explicit")


def originals(records: Records, named: Ints) -> Ints:
    """Return for each record the row of the first record that says exactly the same, often its own.

    `named` are rows that people declared different from something: those stand for themselves, whatever they say.
    """
    prints = fingerprints(records)
    prints[named] = 0
    return first_of_each(prints)


def first_of_each(prints: Hashes) -> Ints:
    """Return for each row the first with an equal fingerprint; 0 is equal to nothing."""
    order = np.argsort(prints)
    ordered = prints[order]
    starts = np.flatnonzero(np.append(True, (ordered[1:] != ordered[:-1]) | (ordered[1:] == 0))[: len(order)])
    original = np.arange(len(prints))
    if len(starts):
        original[order] = np.repeat(np.minimum.reduceat(order, starts), np.diff(np.append(starts, len(order))))
    return original


def fingerprints(records: Records) -> Hashes:
    """Return a hash of everything a record says, 0 where that is too little for another to be its copy."""
    prints = np.full(len(records), 1, np.uint64)
    hashed: list[Hashes] = [getattr(records, name) for name in EVERYTHING]
    hashed += [getattr(records, name).astype(np.int64).view(np.uint64) for name in NUMBERS]
    for place, values in enumerate(hashed):
        prints = mix(prints * np.uint64(31) + values + np.uint64(1), place + 1)
    prints[(records.title == 0) | (records.texts["unparsed"] != "").to_numpy()] = 0
    return prints


def with_their_copies(label: Ints, original: Ints, copy: Ints) -> Ints:
    """Return cluster labels in which each copy has its original's; originals outside any cluster get a new one.

    `label` is -1 for records without a cluster; `copy` are the rows to take along.
    """
    label = label.copy()
    lonely = np.unique(original[copy][label[original[copy]] < 0])
    label[lonely] = label.max(initial=-1) + 1 + np.arange(len(lonely))
    label[copy] = label[original[copy]]
    return label

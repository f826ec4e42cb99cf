"""Which matcher this is: a digest over everything that decides what it finds.

A version number has to be raised by hand, and one day somebody corrects a weight and forgets it. The digest covers the
text of every module of the engine (weights, vocabulary, levels, rules), so the smallest change makes another matcher.
A comment does, too; that costs a run that was under way its checkpoint, never a wrong result.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def digest_of(modules: Iterable[Path]) -> str:
    """Return 64 hex digits that name the texts of some modules, whatever their order and wherever they lie."""
    digest = hashlib.sha256()
    for module in sorted(modules, key=lambda path: path.name):
        text = module.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{module.name}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()


@cache
def engine_digest() -> str:
    """Return the digest of the matcher that is running."""
    return digest_of(Path(__file__).parent.glob("*.py"))

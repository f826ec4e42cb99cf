"""Who wants to know that an import has ended, whichever way: completed, kept in part, or failed.

Whoever keeps books, as `duplicates` keeps an audit trail, registers when the applications load; the library calls it
within the transaction that closes the import, and knows nothing more of it.
"""

from collections.abc import Callable

from library.models import LibraryImport

type Witness = Callable[[LibraryImport], None]

_witnesses: list[Witness] = []


def register_witness(witness: Witness) -> None:
    """Tell this witness, too, from now on; registering it again changes nothing."""
    if witness not in _witnesses:
        _witnesses.append(witness)


def tell(row: LibraryImport) -> None:
    """Tell every witness of an import that has just ended."""
    for witness in _witnesses:
        witness(row)

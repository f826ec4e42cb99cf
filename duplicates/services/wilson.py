"""Within which a share lies that was measured on a few: the 95 % interval after Wilson, honest for few and for none."""

import math

Z = 1.96  # 95 %


def interval(hits: int, many: int) -> tuple[float, float] | None:
    """Return the ends of the interval of hits / many; None where nothing was measured."""
    if not many:
        return None
    share = hits / many
    middle = share + Z * Z / (2 * many)
    spread = Z * math.sqrt(share * (1 - share) / many + Z * Z / (4 * many * many))
    whole = 1 + Z * Z / many
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def fewest_without_a_hit(limit: float) -> int:
    """Return how many without a single hit it takes until the interval ends below a limit."""
    many = max(1, math.floor(Z * Z * (1 - limit) / limit))
    while _upper_end(many) >= limit:
        many += 1
    return many


def _upper_end(many: int) -> float:
    found = interval(0, many)
    assert found is not None
    return found[1]

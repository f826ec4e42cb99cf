"""Every endpoint there is, read from the URL conf, so that a new one cannot be forgotten by tests that walk them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, reverse

from duplicates.api import urls
from tests.duplicates.api.world import World

PUBLIC = {"schema", "docs"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method at one address: `name` is that of the route, `view` the class behind it, `action` its method there."""

    method: str
    name: str
    takes_id: bool
    view: Any
    action: str

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    def url(self, world: World) -> str:
        """Return the address, of the row of this kind where it takes one."""
        kinds = (base for base in sorted(world, key=len, reverse=True) if self.name.startswith(base))
        return reverse(f"api:{self.name}", args=[world[next(kinds)]] if self.takes_id else [])


def endpoints() -> list[Endpoint]:
    """Return all that need somebody."""
    return sorted(_walk(urls.urlpatterns), key=str)


def _walk(patterns: list[Any]) -> Iterator[Endpoint]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name and pattern.name not in PUBLIC:
            callback: Any = pattern.callback
            for method, action in callback.actions.items():
                if method == "head":  # the framework adds it to a view that was asked once
                    continue
                takes_id = bool(pattern.pattern.converters)
                yield Endpoint(method.upper(), pattern.name, takes_id, callback.cls, action)

"""Long lists come a page at a time, by a cursor that neither skips nor repeats a row when others are added."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """`?cursor=` and `?page_size=` up to 200; the address of the next page stands in the answer."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering: str | tuple[str, ...] = ("-pk",)

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        """Return one page. A cursor that was made up leads nowhere: 404."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError, OverflowError) as error:
            raise NotFound(self.invalid_cursor_message) from error

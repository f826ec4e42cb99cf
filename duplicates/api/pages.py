"""Long lists come a page at a time, by a cursor that neither skips nor repeats a row when others are added."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class CursorPages(CursorPagination):
    """`?cursor=` and `?page_size=` up to 200; the address of the next page stands in the answer."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    # Rows that share what they are ordered by are counted off. One plan decides thousands of groups in one moment, and
    # most groups of a library are equally sure: with the usual thousand the page after it came again and again.
    offset_cutoff = 1_000_000
    ordering: str | tuple[str, ...] = ("-pk",)

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        """Return one page. A cursor that was made up leads nowhere: 404."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError, OverflowError) as error:
            raise NotFound(self.invalid_cursor_message) from error


class NamedOrder(OrderingFilter):
    """`?ordering=` one of the view's `ordering_fields`, and by id among equals; another name is refused."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...] | None:
        asked = super().get_ordering(request, queryset, view)
        return (*asked, "id") if asked else None

    def remove_invalid_fields(self, queryset: Any, fields: Any, view: Any, request: Request) -> list[str]:
        """Return the names as they are. Raises ValidationError where one of them is unknown."""
        known = [name for name, _label in self.get_valid_fields(queryset, view, {"request": request})]
        if unknown := [name for name in fields if name.removeprefix("-") not in known]:
            sentence = _("There is no order by %(name)s. Choose from %(names)s.")
            told = sentence % {"name": unknown[0], "names": ", ".join(known)}
            raise serializers.ValidationError({self.ordering_param: [told]})
        return list(fields)

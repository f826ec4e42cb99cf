"""Sends a file, whole or the one part a client asks for: a broken download goes on, and a player can jump.

Implements single byte ranges of RFC 9110, section 14; several ranges at once are answered with the whole file, which
the RFC allows.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

BLOCK_BYTES = 1 << 16
# No file has a byte of nineteen digits; a longer number is none we know, and the file is sent whole.
_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\s*", re.ASCII)


def send_file(
    request: HttpRequest, path: Path, *, content_type: str, name: str = "", etag: str = ""
) -> HttpResponseBase:
    """Return the file, the part that `Range` names (206), or 416 where there is no such part.

    With a `name` the client is told to save it under that. `If-Range` with another etag than this one gets the whole
    file. Raises FileNotFoundError where there is no file.
    """
    file = path.open("rb")
    size = path.stat().st_size
    wanted = _wanted(request, size, etag)
    response: HttpResponseBase
    if wanted is None:
        response = FileResponse(file, content_type=content_type)
        response["Content-Length"] = str(size)
    elif wanted[0] >= size or wanted[0] > wanted[1]:
        file.close()
        return HttpResponse(
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers={"Content-Range": f"bytes */{size}"}
        )
    else:
        first, last = wanted
        response = StreamingHttpResponse(
            _part(file, first, last), status=HTTPStatus.PARTIAL_CONTENT, content_type=content_type
        )
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
        response["Content-Length"] = str(last - first + 1)
    response["Accept-Ranges"] = "bytes"
    if etag:
        response["ETag"] = f'"{etag}"'
    if name:
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def goes_on(request: HttpRequest, *, etag: str = "") -> bool:
    """Does a request ask for a part behind the beginning, as whoever goes on with a broken download does?"""
    named = _named(request, etag)
    return named is not None and (not named[0] or int(named[0]) > 0)


def _named(request: HttpRequest, etag: str) -> tuple[str, str] | None:
    """Return the two numbers of the range as they were written; None where the whole file is meant."""
    condition = request.headers.get("If-Range")
    if condition is not None and condition.strip('"') != etag:
        return None
    match = _ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    return None if match is None or match.groups() == ("", "") else (match[1], match[2])


def _wanted(request: HttpRequest, size: int, etag: str) -> tuple[int, int] | None:
    """Return the first and last byte asked for; None for the whole file."""
    named = _named(request, etag)
    if named is None:
        return None
    first, last = named
    if not first:  # the last so many bytes
        length = int(last)
        return (max(size - length, 0), size - 1) if length else (size, size)
    return int(first), min(int(last), size - 1) if last else size - 1


def _part(file: BinaryIO, first: int, last: int) -> Iterator[bytes]:
    """Yield the bytes from first to last, and close the file."""
    with file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
            left -= len(block)
            yield block

"""From where a source says a track lies to the bytes of a path, and from bytes to what a shell or a playlist reads.

A path may hold every byte but NUL: newlines, quotes, leading dashes, letters that are no UTF-8. Nothing is lost here.
"""

import posixpath
import re
import unicodedata
from urllib.parse import quote_from_bytes, unquote_to_bytes

_WINDOWS = re.compile(rb"/?[A-Za-z]:[/\\]|\\\\")
_UNSAFE_IN_A_LINE = re.compile(rb"[\x00-\x1f\x7f]")


def path_of(location: str) -> bytes | None:
    """Return the absolute POSIX path a location names; None for another machine's, a web address or a relative one."""
    if location.startswith("file://"):
        host, slash, rest = location.removeprefix("file://").partition("/")
        path = unquote_to_bytes(slash + rest)
        if host not in ("", "localhost"):
            return None
    else:
        path = location.encode()
    if not path.startswith(b"/") or _WINDOWS.match(path) or b"\0" in path:
        return None
    return path


def as_one_file(path: bytes) -> bytes:
    """Return what all ways of writing the path of one file have in common; disks differ in what they tell apart.

    Case, composed and decomposed accents, doubled slashes: paths that differ in these alone may be one file.
    """
    text = unicodedata.normalize("NFD", posixpath.normpath(path.decode("utf-8", "surrogateescape"))).casefold()
    return unicodedata.normalize("NFD", text).encode("utf-8", "surrogateescape")


def quoted_for_shell(path: bytes) -> bytes:
    """Return a path as one word of a POSIX shell, whatever it holds."""
    return b"'" + path.replace(b"'", b"'\\''") + b"'"


def playlist_line(path: bytes) -> bytes:
    """Return a path as one line of an M3U playlist; a `file://` address where the path itself would break the line."""
    is_plain = not _UNSAFE_IN_A_LINE.search(path) and path == path.strip() and _is_utf8(path)
    return path if is_plain else b"file://" + quote_from_bytes(path).encode()


def readable(path: bytes) -> str:
    """Return a path as text; bytes that are not UTF-8 become `\\xNN`."""
    return path.decode("utf-8", "backslashreplace")


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True

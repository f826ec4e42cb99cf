"""Which file may be heard: one that a track names, that is audio by its name, and that lies within the audio roots.

Off unless the settings name roots. Links are followed before a place is judged, so none leads out of them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from django.conf import settings

# What players are told a file is, by the end of its name; anything else is not served.
CONTENT_TYPES = {
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".aif": "audio/aiff",
    ".aiff": "audio/aiff",
    ".wma": "audio/x-ms-wma",
}
_LOCAL_HOSTS = ("", "localhost")


def is_switched_on() -> bool:
    """Do the settings name any folder from which files may be heard?"""
    return bool(settings.AUDIO_ROOTS)


def audio_file(location: str) -> Path | None:
    """Return the file a track's location names, when it may be heard; None for anything else, and whatever is off."""
    path = _path_of(location)
    if path is None or path.suffix.lower() not in CONTENT_TYPES:
        return None
    try:
        real = path.resolve(strict=True)
        roots = [Path(root).resolve(strict=True) for root in _roots()]
        is_inside = any(real.is_relative_to(root) for root in roots)
        return real if is_inside and real.is_file() and real.suffix.lower() in CONTENT_TYPES else None
    except (OSError, RuntimeError):  # not there, not ours to read, or links in a circle
        return None


def _roots() -> Sequence[str]:
    """Return the roots that are there; a disk that is not mounted does not silence the others."""
    return [root for root in settings.AUDIO_ROOTS if Path(root).is_absolute() and Path(root).is_dir()]


def _path_of(location: str) -> Path | None:
    """Read a plain absolute path or a file:// address, as players write it."""
    text = location
    if location.lower().startswith("file:"):
        address = urlsplit(location)
        if address.netloc.lower() not in _LOCAL_HOSTS:
            return None
        text = os.fsdecode(unquote_to_bytes(address.path))
    if not text.startswith("/") or "\0" in text:
        return None
    return Path(text)

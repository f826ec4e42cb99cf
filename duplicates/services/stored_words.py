"""What is written down speaks one language, whoever wrote it: names in the history are read by everybody."""

from django.conf import settings
from django.utils import translation


def as_stored(thing: object) -> str:
    """Return the name of a thing as the database keeps it: in the site's own language, not the language of a person."""
    with translation.override(settings.LANGUAGE_CODE):
        return str(thing)

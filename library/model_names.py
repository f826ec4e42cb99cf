"""Names of models and fields in the reader's language, also those that Django derives from the code.

A field `play_count` calls itself "play count", and a model's plural is its name with an s. Neither is marked for
translation by anybody, so it is done here, once the models are loaded. Migrations see the names as they were written.
"""

from collections.abc import Iterator

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


def translate_names(application: AppConfig) -> None:
    """Let the names of an application's models and fields follow the reader's language."""
    for model in application.get_models():
        options = model._meta
        name, plural = str(options.verbose_name), str(options.verbose_name_plural)
        options.verbose_name, options.verbose_name_plural = gettext_lazy(name), gettext_lazy(plural)
        for field in options.local_fields:
            field.verbose_name = gettext_lazy(str(field.verbose_name))


def names_of(application: AppConfig) -> Iterator[str]:
    """Yield the names that `translate_names` translates, in the language they are asked for."""
    for model in application.get_models():
        yield str(model._meta.verbose_name)
        yield str(model._meta.verbose_name_plural)
        yield from (str(field.verbose_name) for field in model._meta.local_fields)

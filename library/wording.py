"""Words as their owners write them.

Django capitalises the first letter of every name it shows. That is right for "tracks" and wrong for "iTunes"; the
filter here replaces Django's own in every template, because `TEMPLATES` lists this module.
"""

from django import template
from django.template.defaultfilters import stringfilter
from django.utils.text import capfirst

register = template.Library()


@register.filter("capfirst", is_safe=True)
@stringfilter
def begin_with_a_capital(text: str) -> str:
    """Return the text with a capital first letter, unless its first word has one further in, as iTunes has."""
    first_word = text.partition(" ")[0]
    return text if first_word[1:] != first_word[1:].lower() else capfirst(text)

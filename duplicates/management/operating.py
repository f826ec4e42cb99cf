"""What the commands of operators have in common: they start at once."""

from django.core.management.base import BaseCommand


class OperatorCommand(BaseCommand):
    """A command that runs the system checks of the configuration and no others.

    The rest load every page and serializer of the site, which takes two thirds of the time a short command needs.
    `manage.py check` runs them all, and so does whatever serves pages.
    """

    requires_system_checks = ["configuration"]

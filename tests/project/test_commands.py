"""What our commands have in common: which system checks they wait for, and what those stop."""

import pytest
from django.conf import LazySettings
from django.core.management import get_commands, load_command_class
from django.core.management.base import SystemCheckError

OURS = sorted((app, name) for name, app in get_commands().items() if app in ("duplicates", "library", "project"))


@pytest.mark.parametrize(("app", "name"), [pytest.param(app, name, id=name) for app, name in OURS])
def test_a_command_waits_for_the_checks_of_the_configuration_alone(app: str, name: str) -> None:
    """All checks together load the whole site. The reference of settings is written whatever they say."""
    command = load_command_class(app, name)
    assert command.requires_system_checks == ([] if name == "settings_reference" else ["configuration"])


def test_these_checks_stop_a_command_whose_settings_contradict_each_other(settings: LazySettings) -> None:
    settings.LEASE_SECONDS = settings.LEASE_RENEW_SECONDS
    command = load_command_class("duplicates", "run_workers")
    with pytest.raises(SystemCheckError, match="REPRISE_LEASE_RENEW_SECONDS"):
        command.check(tags=command.requires_system_checks)

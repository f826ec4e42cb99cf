"""System checks of the configuration. They read settings only, never the database."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from duplicates.site_settings import contradictions_of
from project.environment import Environment, PerEnvironment, Variable


def _out_of_range(variable: Variable) -> CheckMessage:
    unit = f" {variable.unit}" if variable.unit else ""
    return Error(
        f"{variable.name}={variable.value} is out of range: {variable.range_text}{unit}.",
        hint=f"{variable.help} The default is {_default_here(variable)}.",
        id="reprise.E001",
    )


def _default_here(variable: Variable) -> Any:
    default = variable.default
    return default.of(settings.ENVIRONMENT.name) if isinstance(default, PerEnvironment) else default


@register("configuration")
def variables_are_in_range(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report every environment variable whose value lies outside its range."""
    environment: Environment = settings.ENVIRONMENT
    return [_out_of_range(variable) for variable in environment.out_of_range()]


@register("configuration")
def related_variables_agree(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report variables that are fine alone and contradict each other."""
    problems = [(one.sentence, one.hint) for one in contradictions_of({})]
    if not settings.CONFIDENCE_MEDIUM < settings.CONFIDENCE_HIGH < settings.CONFIDENCE_VERY_HIGH:
        problems.append(
            ("The confidence bands must grow: medium < high < very high.", "REPRISE_CONFIDENCE_*: 0.80, 0.90, 0.95.")
        )
    if settings.LEASE_RENEW_SECONDS * 2 >= settings.LEASE_SECONDS:
        problems.append(
            (
                f"REPRISE_LEASE_RENEW_SECONDS={settings.LEASE_RENEW_SECONDS} is not under half of "
                f"REPRISE_LEASE_SECONDS={settings.LEASE_SECONDS}: one late renewal would lose the run.",
                "The defaults are 10 and 30.",
            )
        )
    problems += [
        (f"REPRISE_METRICS_NETWORKS: {network!r} is no address or network.", "Write one like 127.0.0.1 or 10.0.0.0/8.")
        for network in settings.METRICS_NETWORKS
        if not _is_network(network)
    ]
    return [Error(message, hint=hint, id="reprise.E002") for message, hint in problems]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def refuse_wrong_settings() -> None:
    """Raise ImproperlyConfigured for what the checks above find. Commands run checks; a WSGI server does not."""
    if problems := [*variables_are_in_range(None), *related_variables_agree(None)]:
        raise ImproperlyConfigured(" ".join(f"{problem.msg} {problem.hint}" for problem in problems))

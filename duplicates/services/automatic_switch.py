"""The switch of automatic resolution: off unless measured precision beats the bar and somebody switched it on.

What it does then is in `automatic`. It acts in the name of that person, and switches itself off when the bar, the
person's permission or the keeper profile does not hold any more.
"""

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.choices import ConfidenceBand, Preset, Resolution
from duplicates.exceptions import AnalysisNotReady, BarNotMet, InvalidOptions, NotRepresentative
from duplicates.models import AutomaticResolution, DuplicateAnalysisResult, KeeperProfile
from duplicates.services import audit, permissions
from duplicates.services.options import AnalysisOptions
from duplicates.services.precision import BandRate, Bar, measured_precision

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

logger = logging.getLogger("reprise.automatic")

DOES = (Resolution.DELETED, Resolution.KEPT_CANONICAL)


def require_representative(analysis: DuplicateAnalysisResult) -> None:
    """Raise unless an analysis shows what its preset as such finds in the whole library, by the present matcher."""
    if not analysis.is_readable:
        raise AnalysisNotReady
    options = AnalysisOptions.from_parameters(analysis.parameters)
    plain = AnalysisOptions(preset=options.preset, sort_by=options.sort_by, version_words=options.version_words)
    if options != plain:
        raise NotRepresentative(_("This analysis looked at a part of the library, or had options of its own."))
    if options.engine_settings().fingerprint() != analysis.engine_fingerprint:
        raise NotRepresentative(_("This analysis was made by another version of the matcher."))


@audit.recorded("automatic_resolution.switched_on")
def switch_on(
    *,
    preset: str,
    band: str,
    resolution: str,
    profile: KeeperProfile | None = None,
    actor: "AbstractBaseUser",
    now: datetime,
) -> AutomaticResolution:
    """Let undecided groups of a band be resolved from the next analysis of the preset on, in the actor's name.

    Raises BarNotMet, saying what is missing, and InvalidOptions for an unknown preset, band or decision.
    """
    for value, accepted in ((preset, Preset.values), (band, ConfidenceBand.values), (resolution, list(DOES))):
        if value not in accepted:
            named = {"value": repr(value), "accepted": ", ".join(accepted)}
            raise InvalidOptions(_("%(value)s cannot be chosen. Choose from %(accepted)s.") % named)
    with transaction.atomic():
        measured = measured_precision(now=now)
        rate = measured.of(preset, band)
        if missing := what_is_missing(rate, measured.bar) or unfinished(rate):
            raise BarNotMet(missing)
        switch, _new = AutomaticResolution.objects.select_for_update(of=("self",)).get_or_create(
            preset=preset, band=band
        )
        switch.is_on, switch.resolution, switch.profile = True, resolution, profile
        switch.profile_name, switch.profile_version = (profile.name, profile.version) if profile else ("", None)
        switch.user_id, switch.user_name = actor.pk, actor.get_username()
        switch.switched_on_at, switch.switched_off_at, switch.off_reason = now, None, ""
        switch.save()
        audit.record(
            "automatic_resolution.switched_on",
            actor=actor,
            now=now,
            subject=switch,
            after={"resolution": resolution, "profile": switch.profile_name, **_figures(rate, measured.bar)},
        )
    return switch


@audit.recorded("automatic_resolution.switched_off", subject="switch")
def switch_off(
    switch: AutomaticResolution, *, actor: "AbstractBaseUser | None", now: datetime, reason: str = ""
) -> bool:
    """Switch it off; False where it was off already. Plans it made stay as they are."""
    with transaction.atomic():
        was_on = AutomaticResolution.objects.filter(pk=switch.pk, is_on=True)
        if not was_on.update(is_on=False, switched_off_at=now, off_reason=reason):
            return False
        audit.record("automatic_resolution.switched_off", actor=actor, now=now, subject=switch, message=reason)
    return True


def what_is_missing(rate: BandRate, bar: Bar) -> str:
    """Say why a rate does not beat the bar; nothing where it does."""
    if rate.beats(bar):
        return ""
    interval = rate.interval
    if interval is None or rate.judged < bar.least_judged:
        said = ngettext(
            "%(judged)s group is judged; it takes %(least)s at least.",
            "%(judged)s groups are judged; it takes %(least)s at least.",
            rate.judged,
        )
        return said % {"judged": f"{rate.judged:,}", "least": f"{bar.least_judged:,}"}
    named = {"upper": f"{100 * interval[1]:.2f}", "limit": f"{100 * bar.limit:g}"}
    return _("Up to %(upper)s %% of the groups may be false matches; the bar is %(limit)s %%.") % named


def unfinished(rate: BandRate) -> str:
    """Say that drawn groups wait. Else who dislikes what is left to judge could stop early."""
    said = ngettext(
        "%(waiting)s drawn group is not judged yet; judge it first.",
        "%(waiting)s drawn groups are not judged yet; judge them first.",
        rate.waiting,
    )
    return said % {"waiting": f"{rate.waiting:,}"} if rate.waiting else ""


def _figures(rate: BandRate, bar: Bar) -> dict[str, float | int | None]:
    upper = rate.interval[1] if rate.interval else None
    return {"judged": rate.judged, "false_matches": rate.different, "upper_end": upper, "bar": bar.limit}


def recheck(preset: str, band: str, *, now: datetime) -> None:
    """Switch a band off that does not beat the bar any more, as after a judgement."""
    for switch in AutomaticResolution.objects.filter(preset=preset, band=band, is_on=True):
        if missing := _measured_against_the_bar(switch, now):
            stop(switch, missing, now)


def reason_to_stop(switch: AutomaticResolution, *, now: datetime) -> str:
    """Say why a switch may not go on; nothing where it may."""
    if switch.user is None or not permissions.may_automate(switch.user, switch.resolution):
        return _("%(who)s may not do this any more.") % {"who": switch.user_name}
    profile = switch.profile
    if switch.profile_name and (profile is None or profile.version != switch.profile_version):
        return _("The keeper profile “%(name)s” was changed or removed.") % {"name": switch.profile_name}
    return _measured_against_the_bar(switch, now)


def _measured_against_the_bar(switch: AutomaticResolution, now: datetime) -> str:
    measured = measured_precision(now=now)
    return what_is_missing(measured.of(switch.preset, switch.band), measured.bar)


def stop(switch: AutomaticResolution, reason: str, now: datetime) -> None:
    logger.warning("Automatic resolution of %s switched itself off: %s", switch, reason)
    switch_off(switch, actor=None, now=now, reason=reason)

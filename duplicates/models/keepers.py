"""`KeeperProfile` and `KeeperChoice`: the rules by which a copy is kept, and the keepers that people chose instead."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from duplicates.models.groups import DuplicateAnalysisGroup

LONGEST_NAME = 60  # letters


class KeeperProfile(models.Model):
    """An ordered list of rules with a name; the first rule that tells two copies apart decides.

    `rules` is a list of `{"rule": name, "prefer": [text, …]}`, the most important first; `prefer` names sources or
    folders and is empty for every other rule. The built-in ones mirror the engine's and cannot be changed.
    """

    name = models.CharField(_("name"), max_length=LONGEST_NAME, help_text=_("As people will choose it from a list."))
    description = models.TextField(_("what it is for"), blank=True)
    rules = models.JSONField(_("rules"), default=list)
    is_built_in = models.BooleanField(_("built in"), default=False, editable=False)
    version = models.PositiveIntegerField(
        _("version"), default=1, editable=False, help_text=_("Counts up with every change, so a plan can say which.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("changed by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.DB_SET_NULL,
        related_name="+",
    )
    changed_at = models.DateTimeField(_("changed"), editable=False)

    class Meta:
        verbose_name = _("keeper profile")
        verbose_name_plural = _("keeper profiles")
        ordering = ("-is_built_in", "name")
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="keeper_profile_named_once",
                violation_error_message=_("There is a profile of this name already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class KeeperChoice(models.Model):
    """One time somebody gave a group another keeper. `before` is all that was replaced, so that it can come back.

    Choices of a group are a pile: the newest that is not undone is the one in force.
    """

    group = models.ForeignKey(DuplicateAnalysisGroup, on_delete=models.DB_CASCADE, related_name="keeper_choices")
    track_id = models.BigIntegerField(help_text=_("The copy that was chosen."))
    before = models.JSONField(help_text=_("The group's keeper and the evidence of its members, as they were."))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    user_name = models.CharField(max_length=150, blank=True, help_text=_("Blank means the system."))
    created_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            # The newest choice of a group.
            models.Index(fields=["group", "-id"], name="keeper_choice_newest"),
        ]

    def __str__(self) -> str:
        return _("Track %(track_id)s for %(group_id)s") % {"track_id": self.track_id, "group_id": self.group_id}

"""The forms of bulk clean-up: what is to be done with many groups, and by which rules a copy is kept."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from duplicates.choices import KeeperRuleName, Resolution
from duplicates.engine.keeper_rules import RULES, Wish, why_refused
from duplicates.models import KeeperProfile
from duplicates.services.keeper_profiles import wishes_of

RULES_SHOWN = 8
LISTS = {"preferred_source": "sources", "preferred_folder": "folders"}
# What is about to be done, in the words of the buttons of one group, and what comes of it.
CHOICES = {
    Resolution.DELETED: (
        _("Remove the others"),
        _("The other copies are merged into the keeper and put in quarantine."),
    ),
    Resolution.KEPT_CANONICAL: (
        _("Keep all copies"),
        _("The keeper is chosen and the group is done; nothing is removed."),
    ),
    Resolution.MANUAL_REVIEW: (_("Later"), _("The groups are set aside for a closer look.")),
    Resolution.NOT_DUPLICATES: (
        _("Not duplicates"),
        _("Every two members are declared different, for later analyses too."),
    ),
}


class PlanForm(forms.Form):
    """What to decide about all the groups, and which copy to keep."""

    resolution = forms.ChoiceField(
        label=_("What to decide"),
        choices=[(one, name) for one, (name, _does) in CHOICES.items()],
        initial=Resolution.DELETED,
        widget=forms.RadioSelect,
    )
    profile = forms.ModelChoiceField(
        label=_("Which copy to keep"),
        queryset=KeeperProfile.objects.all(),
        required=False,
        empty_label=_("The keeper each group has now"),
        help_text=_("Matters where copies are removed or the keeper is kept."),
    )

    @property
    def resolutions(self) -> Iterator[tuple[Any, Any]]:
        """Each choice with what it does."""
        for radio in self["resolution"]:
            yield radio, CHOICES[Resolution(radio.data["value"])][1]


class ProfileForm(forms.ModelForm[KeeperProfile]):
    """The rules of a profile in their order; an empty line is passed over."""

    sources = forms.CharField(
        label=_("Preferred sources"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One a line, the dearest first; for the rule “Preferred source”."),
    )
    folders = forms.CharField(
        label=_("Preferred folders"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One a line, the dearest first; for the rule “Preferred folder”."),
    )

    class Meta:
        model = KeeperProfile
        fields = ("name", "description")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        wishes = wishes_of(self.instance) if self.instance.pk else ()
        for number in range(max(RULES_SHOWN, len(wishes))):
            initial = wishes[number].rule if number < len(wishes) else ""
            self.fields[f"rule_{number + 1}"] = forms.ChoiceField(
                label=_("Rule %(number)d") % {"number": number + 1},
                choices=[("", "–"), *KeeperRuleName.choices],
                required=False,
                initial=initial,
            )
        for wish in wishes:
            if wish.rule in LISTS:
                self.initial[LISTS[wish.rule]] = "\n".join(wish.prefer)

    def clean(self) -> dict[str, Any]:
        """Refuse what the service would refuse."""
        cleaned = super().clean() or {}
        self.wishes = list(self._wishes(cleaned))
        if refused := why_refused(self.wishes):
            raise forms.ValidationError(refused)
        return cleaned

    def _wishes(self, cleaned: dict[str, Any]) -> Iterator[Wish]:
        for name in sorted((name for name in self.fields if name.startswith("rule_")), key=lambda one: int(one[5:])):
            rule = cleaned.get(name, "")
            if rule:
                listed = cleaned.get(LISTS[rule], "") if RULES[rule].needs_list else ""
                yield Wish(rule, tuple(line.strip() for line in listed.splitlines() if line.strip()))

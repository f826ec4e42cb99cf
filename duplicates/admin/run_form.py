"""The form behind "Run analysis". It only translates: `AnalysisOptions` decides what is valid."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import Preset, SortBy
from duplicates.engine.settings import IGNORABLE_FIELDS
from duplicates.exceptions import InvalidOptions
from duplicates.services.options import LONGEST_SEARCH, AnalysisOptions

PRESET_HELP = {
    Preset.RECORDING: lazy("Copies of one recording, on whatever release. Live, remix and acoustic takes stay apart."),
    Preset.RELEASE: lazy("Copies on the same release. The same song on another album or a compilation is none."),
    Preset.SONG: lazy("Any version of a song: live, remix and acoustic takes belong together."),
    Preset.EXACT: lazy("Title, artist, album and length say the same."),
}


def _field_label(name: str) -> str:
    return name.replace("_", " ").replace("isrc", "ISRC").replace("musicbrainz", "MusicBrainz")


def answers_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person would answer to ask for these parameters again."""
    return {**parameters, "min_confidence": round(parameters.get("min_confidence", 0) * 100, 6)}


class RunAnalysisForm(forms.Form):
    """What a person can ask of an analysis."""

    preset = forms.ChoiceField(label=lazy("What counts as the same"), choices=Preset, widget=forms.RadioSelect)
    search = forms.CharField(
        label=lazy("Search"),
        required=False,
        max_length=LONGEST_SEARCH,
        help_text=lazy("Keep only groups with a matching title, artist or album. Leave it empty for all."),
    )
    min_confidence = forms.FloatField(
        label=lazy("Confidence of at least"),
        min_value=0,
        max_value=100,
        initial=0,
        help_text=lazy("In percent. 0 keeps every group that was found."),
    )
    sort_by = forms.ChoiceField(label=lazy("Number groups by"), choices=SortBy, initial=SortBy.CONFIDENCE)
    ignored_fields = forms.MultipleChoiceField(
        label=lazy("Leave out of the evidence"),
        required=False,
        choices=[(name, lazy(_field_label(name))) for name in sorted(IGNORABLE_FIELDS)],
        widget=forms.CheckboxSelectMultiple,
    )
    fold_remasters = forms.BooleanField(
        label=lazy("Take a remaster for the same recording"),
        required=False,
        initial=True,
    )
    keep_explicit_apart = forms.BooleanField(label=lazy("Keep explicit and clean versions apart"), required=False)
    force = forms.BooleanField(
        label=lazy("Run even if nothing has changed"),
        required=False,
        help_text=lazy("Otherwise an equal result that is still true is shown instead."),
    )

    discard_partial = forms.BooleanField(
        label=lazy("If it is stopped, keep nothing of what it has found"), required=False
    )

    def clean(self) -> dict[str, Any]:
        """Turn the answers into options, which check them; their sentence becomes the form's."""
        answers = dict(super().clean() or {})
        if self.errors:
            return answers
        try:
            self.options = AnalysisOptions(
                preset=answers["preset"],
                search=answers["search"],
                sort_by=answers["sort_by"],
                min_confidence=answers["min_confidence"] / 100,
                ignored_fields=tuple(answers["ignored_fields"]),
                fold_remasters=answers["fold_remasters"],
                keep_explicit_apart=answers["keep_explicit_apart"],
            )
        except InvalidOptions as error:
            raise forms.ValidationError(error.sentence) from error
        return answers

    @property
    def presets(self) -> list[tuple[Any, str]]:
        """Return each preset's radio button with the sentence that explains it."""
        return list(zip(self["preset"], map(str, PRESET_HELP.values()), strict=True))

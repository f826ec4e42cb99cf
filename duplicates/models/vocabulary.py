"""`VersionWord`: a phrase behind titles that staff taught the matcher, and what it makes of a song."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import VersionMarker

LONGEST_PHRASE = 60  # letters


class VersionWord(models.Model):
    """One phrase, such as "Karaoke Night Cut", and the marker it stands for; switched off it says nothing."""

    phrase = models.CharField(
        max_length=LONGEST_PHRASE, help_text=lazy("As it stands in brackets or behind a dash: Karaoke Night Cut.")
    )
    marker = models.CharField(
        lazy("stands for"),
        max_length=20,
        choices=VersionMarker,
        help_text=lazy("Tracks with different markers stay apart; “No difference” joins them with the plain title."),
    )
    is_active = models.BooleanField(
        "active", default=True, help_text=lazy("The next analysis heeds active phrases only.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = lazy("version word")
        ordering = ("phrase",)
        constraints = [
            models.UniqueConstraint(
                Lower("phrase"),
                name="version_word_said_once",
                violation_error_message=lazy("This phrase is in the vocabulary already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.phrase}: {self.get_marker_display()}"

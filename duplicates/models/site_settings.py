"""`SiteSetting`: one setting that an administrator chose otherwise than the environment says."""

from django.conf import settings
from django.db import models


class SiteSetting(models.Model):
    """A value that holds instead of the environment's; without a row the environment's holds."""

    name = models.CharField(max_length=60, primary_key=True, help_text="As Django calls it: QUARANTINE_DAYS.")
    value = models.FloatField()
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = "site setting"

    def __str__(self) -> str:
        return f"{self.name} = {self.value:g}"

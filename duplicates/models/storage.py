"""`StorageSample`: what was stored on one day, so that growth can be seen."""

from django.db import models


class StorageSample(models.Model):
    """Rows and bytes by kind, looked at once a day by whoever comes first."""

    day = models.DateField(primary_key=True)
    rows = models.JSONField(default=dict, help_text="By kind.")
    size_bytes = models.JSONField(default=dict, help_text="By kind.")
    total_bytes = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}: {self.total_bytes:,} bytes"

"""`StorageSample`: what was stored on one day, so that growth can be seen."""

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from library.numbers import number


class StorageSample(models.Model):
    """Rows and bytes by kind, looked at once a day by whoever comes first."""

    day = models.DateField(primary_key=True)
    rows = models.JSONField(default=dict, help_text=lazy("By kind."))
    size_bytes = models.JSONField(default=dict, help_text=lazy("By kind."))
    total_bytes = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return _("%(day)s: %(total_bytes)s bytes") % {
            "day": f"{self.day:%Y-%m-%d}",
            "total_bytes": number(self.total_bytes),
        }

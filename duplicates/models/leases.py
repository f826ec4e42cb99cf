"""`Lease`: who is at a work that only one process may do at a time."""

from django.db import models


class Lease(models.Model):
    """One such work, by its name. Its holder renews `until`; when that has passed, the holder is dead."""

    name = models.CharField(max_length=40, primary_key=True)
    token = models.UUIDField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

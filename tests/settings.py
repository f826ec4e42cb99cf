"""The project's settings, as the tests run them: DJANGO_ENV=testing, whatever the developer's own file says."""

import os

os.environ["DJANGO_ENV"] = "testing"

from project.settings import *  # noqa: F403

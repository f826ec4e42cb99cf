"""The project's settings, as the tests run them: DJANGO_ENV=testing, whatever the developer's own file says."""

import os
import tempfile
from pathlib import Path

os.environ["DJANGO_ENV"] = "testing"

from project.settings import *  # noqa: F403
from project.settings import DATABASES

# A file and not memory: threads and processes then meet the locks they meet in life.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.gettempdir()) / f"reprise-test-{os.getpid()}.sqlite3"}

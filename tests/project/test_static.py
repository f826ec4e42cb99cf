"""Static files: production gives each a name with a hash, and a file that names a missing one stops that."""

import json
from pathlib import Path
from typing import Any

from django.core.management import call_command

MANIFEST = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"


def test_every_static_file_is_collected_under_a_hashed_name(tmp_path: Path, settings: Any) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": MANIFEST}}

    call_command("collectstatic", interactive=False, verbosity=0)

    named = json.loads((tmp_path / "staticfiles.json").read_text())["paths"]
    assert named["vendor/chart.js/chart.umd.min.js"] != "vendor/chart.js/chart.umd.min.js"
    assert "vendor/chart.js/LICENSE.md" in named

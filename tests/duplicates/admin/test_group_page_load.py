"""Showing a group must not load the matcher: a web process would make its first reader wait for seconds."""

import os
import subprocess
import sys
from pathlib import Path

from duplicates.engine.settings import EngineSettings
from duplicates.engine.shipped import shipped_model

ROOT = Path(__file__).parent.parent.parent.parent
SHOW_A_GROUP = """
import sys

import django

django.setup()

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.duplicates.factories import GroupFactory

group = GroupFactory(members__evidence=0x7, analysis__learnt_tables=sys.stdin.buffer.read())
group.members.filter(position=1).update(title="Harbuor Lights")
client = Client()
client.force_login(User.objects.create_superuser("mara"))
page = client.get(reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk]))
assert page.status_code == 200, page
assert "Title <em>equal</em>" in page.content.decode()
print(*({"numpy", "polars", "scipy", "rapidfuzz"} & set(sys.modules)))
"""


def test_a_group_is_shown_without_loading_the_matcher(empty_sqlite: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"sqlite:///{empty_sqlite}",
        "REPRISE_WORK_DIR": str(tmp_path / "work"),
    }
    shown = subprocess.run(
        [sys.executable, "-c", SHOW_A_GROUP],
        cwd=ROOT,
        env=environment,
        input=shipped_model(EngineSettings()).to_bytes(),
        capture_output=True,
        check=False,
    )

    assert (shown.stdout.decode().strip(), shown.returncode) == ("", 0), shown.stderr.decode()[-2000:]

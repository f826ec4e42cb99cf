"""No page of the admin asks the database thirty times, whatever there is to show."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from project import demo
from tests.browser.scenes import SCENES, Scene
from tests.browser.screenshots import PAGES

MOST = 30


@pytest.mark.django_db(transaction=True)
def test_every_page_takes_fewer_than_thirty_queries() -> None:
    scene, client, found = Scene(), Client(), {}
    for name, prepare in SCENES.items():
        prepare(scene)
        client.force_login(User.objects.get(username=demo.USERNAME))
        for shot in (page for page in PAGES if page.scene == name):
            with CaptureQueriesContext(connection) as asked:
                answer = client.get(scene.address(shot), follow=True)
            assert answer.status_code == 200, shot.name
            found[shot.name] = len(asked)

    assert {name: count for name, count in found.items() if count >= MOST} == {}
    assert len(found) == len(PAGES)

"""Every page of the admin in a real browser, in light, dark and on a phone: nothing is wrong with any of them.

Three looks of a hundred pages take minutes, so this belongs to the full form; the small one looks at fewer pages in
`test_admin`, and `tests.browser.screenshots` judges whatever it takes pictures of.
"""

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.browser.judging import Judge
from tests.browser.looks import Look
from tests.browser.scenes import SCENES, Scene
from tests.browser.screenshots import ADDED_BY_HAND, MODELS, PAGES

pytestmark = pytest.mark.browser


@pytest.mark.looks
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_nothing_is_wrong_with_any_page(tab: Page, live_server: LiveServer) -> None:
    scene, judge, found = Scene(), Judge(tab), []
    for name, prepare in SCENES.items():
        prepare(scene)
        scene.sign_in(tab.context, str(live_server))
        for shot in (page for page in PAGES if page.scene == name):
            for look in Look:
                judge.open(f"{live_server}{scene.address(shot)}", look)
                found += [f"{shot.name}, {look.name.lower()}: {fault}" for fault in judge.faults()]

    assert found == []


def test_the_list_of_pages_knows_every_model_of_the_admin() -> None:
    reverse("admin:index")  # the first address has every page registered
    known = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}

    assert set(MODELS) == known
    assert set(ADDED_BY_HAND) <= known


@pytest.mark.looks
@pytest.mark.parametrize("fault", ["shift", "focus", "width", "policy"])
def test_the_judge_sees_what_is_wrong(tab: Page, live_server: LiveServer, fault: str) -> None:
    """A judge that never finds anything would let everything pass."""
    judge = Judge(tab)
    judge.open(f"{live_server}{reverse('admin:login')}", Look.LIGHT)
    tab.evaluate(_BROKEN[fault])

    said = " ".join(judge.faults())

    assert {"shift": "moves by itself", "focus": "shows no focus", "width": "sideways", "policy": "policy"}[
        fault
    ] in said


_BROKEN = {
    "shift": """() => new Promise((done) => setTimeout(() => {
        const wedge = document.createElement("div");
        wedge.style.height = "500px";
        document.body.prepend(wedge);
        setTimeout(done, 200);
    }, 700))""",
    "focus": "() => { const one = document.querySelector('[type=submit]'); one.style.outline = 'none';"
    " one.style.transition = 'none'; one.style.boxShadow = 'none'; one.style.border = '0';"
    " one.style.background = 'navy'; }",
    "width": "() => { document.body.style.width = '3000px'; }",
    "policy": "() => { const one = document.createElement('style'); one.textContent = 'p {color: red}';"
    " document.head.append(one); }",
}

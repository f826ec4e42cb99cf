"""Takes a picture of every page of the admin: light, dark, and as wide as a phone.

    uv run python -m tests.browser.screenshots [--only dashboard] [--scene empty]

Everything happens in a throw-away database: an empty one first, then one with the demo library that has been worked
with for some weeks. The pictures go to `screenshots/`, which git ignores. A new page is one line in `PAGES`; a page
that scrolls sideways, or of which the browser complains, is named at the end, and the exit status is 1.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "screenshots"
DESK, PHONE = (1280, 900), (390, 844)
LOOKS = {"light": ("light", DESK), "dark": ("dark", DESK), "phone": ("light", PHONE)}


@dataclass(frozen=True)
class Shot:
    """One page: the name of its pictures, the name of its address, what the address is about, and where it is taken."""

    name: str
    address: str
    about: Callable[["Any"], list[Any]] = lambda scene: []
    query: str = ""
    scene: str = "worked"


def of(name: str) -> Callable[[Any], list[Any]]:
    """Say that an address is about something the scene has made."""
    return lambda scene: [getattr(scene, name)]


_LISTS = (
    "duplicates_duplicateanalysisresult", "duplicates_duplicateanalysisgroup", "duplicates_duplicateanalysistrack",
    "duplicates_duplicateanalysisexport", "duplicates_auditrecord", "duplicates_notduplicate", "duplicates_cleanupplan",
    "duplicates_keeperprofile", "duplicates_versionword", "duplicates_apitoken", "duplicates_duplicatepreferences",
    "library_track", "library_playlist", "library_libraryimport", "library_librarychange", "library_itunestrack",
)  # fmt: skip
_ANALYSIS = "duplicates_duplicateanalysisresult_change"

PAGES = [
    Shot("dashboard-empty", "index", scene="empty"),
    Shot("list-empty", "duplicates_duplicateanalysisresult_changelist", scene="empty"),
    Shot("dashboard-first", "index", scene="demo"),
    Shot("precision-empty", "duplicates_precisionsample_changelist", scene="empty"),
    Shot("precision", "duplicates_precisionsample_changelist", scene="judged"),
    Shot("precision-sample", "duplicates_precisionsample_change", of("sample_complete"), scene="judged"),
    Shot("precision-judge", "duplicates_judge", of("drawn"), scene="judged"),
    Shot("dashboard", "index"),
    Shot("dashboard-running", "index", scene="running"),
    Shot("dashboard-stale", "index", scene="stale"),
    Shot("dashboard-failed", "index", scene="failed"),
    Shot("analysis", _ANALYSIS, of("newest")),
    Shot("analysis-older", _ANALYSIS, of("oldest")),
    Shot("analysis-refreshing", _ANALYSIS, of("newest"), scene="running"),
    Shot("analysis-running", _ANALYSIS, of("running"), scene="running"),
    Shot("analysis-stale", _ANALYSIS, of("newest"), scene="stale"),
    Shot("analysis-failed", _ANALYSIS, of("failed"), scene="failed"),
    Shot("analysis-delete", "duplicates_delete_analysis", of("newest")),
    Shot("run-analysis", "duplicates_run_analysis"),
    Shot("group", "duplicates_duplicateanalysisgroup_change", of("group")),
    Shot("any-pair", "duplicates_explain_pair"),
    Shot("history", "duplicates_history"),
    Shot("monitoring", "monitoring"),
    Shot("quarantine", "duplicates_cleanupaction_changelist"),
    Shot("new-plan", "duplicates_new_plan", query="analysis={newest}"),
    Shot("track", "library_track_change", of("track")),
    *(Shot(f"list-{name.partition('_')[2]}", f"{name}_changelist") for name in _LISTS),
]


def main() -> int:
    """Prepare each scene in turn and take its pictures; return 1 when a page has faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="Only pages whose name contains this.")
    parser.add_argument(
        "--scene", default="", help="Only this scene: empty, demo, judged, worked, running, stale or failed."
    )
    asked = parser.parse_args()
    wanted = [page for page in PAGES if asked.only in page.name and asked.scene in ("", page.scene)]
    with tempfile.TemporaryDirectory(prefix="reprise-screenshots-") as folder:
        _prepare_django(Path(folder))
        return _take(wanted)


def _prepare_django(folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DJANGO_ENV": "development",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "REPRISE_WORK_DIR": str(folder / "work"),
    }
    import django  # noqa: PLC0415 (needs the variables above)

    django.setup()


def _take(wanted: list[Shot]) -> int:
    from tests.browser.scenes import SCENES, Scene  # noqa: PLC0415 (needs Django)

    FOLDER.mkdir(exist_ok=True)
    faults: list[str] = []
    scene = Scene()
    with _server() as server, _tab() as tab:
        for name, prepare in SCENES.items():
            prepare(scene)
            shots = [shot for shot in wanted if shot.scene == name]
            for shot in shots:
                faults += _take_one(tab, server, scene, shot)
            if all(shot.scene in list(SCENES)[: list(SCENES).index(name) + 1] for shot in wanted):
                break
    for fault in faults:
        print(fault)
    print(f"{len(wanted) * len(LOOKS)} pictures in {FOLDER}, {len(faults)} faults")
    return 1 if faults else 0


def _take_one(tab: "Page", server: str, scene: Any, shot: Shot) -> Iterator[str]:
    """Take the pictures of one page; yield what is wrong with it."""
    from django.urls import reverse  # noqa: PLC0415 (needs Django)

    address = reverse(f"admin:{shot.address}", args=shot.about(scene))
    query = shot.query.format(newest=scene.newest) if shot.query else ""
    complaints: list[str] = []
    tab.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    scene.sign_in(tab.context, server)
    for look, (scheme, (width, height)) in LOOKS.items():
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        tab.set_viewport_size({"width": width, "height": height})
        answer = tab.goto(f"{server}{address}?{query}" if query else f"{server}{address}")
        tab.screenshot(path=FOLDER / f"{shot.name}-{look}.png", full_page=True)
        if look != "phone":
            yield from (f"{shot.name}: axe: {fault} ({look})" for fault in _judged_by_axe(tab))
        if answer is None or not answer.ok:
            yield f"{shot.name}: answered {answer.status if answer else 'nothing'}"
        if tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            yield f"{shot.name}: scrolls sideways ({look})"
        inside = "[...document.querySelectorAll('.results')].some((one) => one.scrollWidth > one.clientWidth)"
        if tab.evaluate(inside):
            yield f"{shot.name}: its list scrolls sideways ({look})"
    yield from (f"{shot.name}: {complaint}" for complaint in dict.fromkeys(complaints))


def _judged_by_axe(tab: "Page") -> Iterator[str]:
    """Yield what keeps people with a keyboard or a screen reader from using the page."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 (needed only here)

    for fault in Axe().run(tab).response["violations"]:
        yield f"{fault['id']}: {fault['nodes'][0]['html'][:120]}"


@contextmanager
def _server() -> Iterator[str]:
    """Serve the pages and static files from a thread of this process."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: PLC0415 (needs Django)
    from django.test.testcases import LiveServerThread  # noqa: PLC0415 (needs Django)

    thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    try:
        yield f"http://127.0.0.1:{thread.port}"
    finally:
        thread.terminate()


@contextmanager
def _tab() -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (optional on machines without a browser)

    from tests.browser.conftest import FLAGS  # noqa: PLC0415 (imports pytest)

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("No Chromium on this machine; install it to take pictures.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser.new_page()
        browser.close()


if __name__ == "__main__":
    sys.exit(main())

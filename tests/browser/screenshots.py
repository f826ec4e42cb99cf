"""Takes a picture of every page of the admin: light, dark, and as wide as a phone.

    uv run python -m tests.browser.screenshots [--only dashboard] [--scene empty] [--language de]

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

from tests.browser.looks import Look

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.judging import Judge

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "screenshots"


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


def row_of(label: str) -> Callable[[Any], list[Any]]:
    """Say that an address is about the newest row of a model the scene's user may see."""
    return lambda scene: [scene.row(label)]


# Every model with pages of its own, in the order of the menu.
MODELS = (
    "duplicates_duplicateanalysisresult", "duplicates_duplicateanalysisgroup", "duplicates_duplicateanalysistrack",
    "duplicates_duplicateanalysisexport", "duplicates_auditrecord", "duplicates_notduplicate",
    "duplicates_cleanupaction", "duplicates_cleanupplan", "duplicates_keeperprofile", "duplicates_versionword",
    "duplicates_precisionsample", "duplicates_apitoken", "duplicates_duplicatepreferences", "duplicates_sitesetting",
    "library_track", "library_playlist", "library_libraryimport", "library_librarychange", "library_itunestrack",
    "auth_user", "auth_group",
)  # fmt: skip
ADDED_BY_HAND = (
    "duplicates_keeperprofile", "duplicates_versionword", "duplicates_apitoken", "auth_user", "auth_group",
)  # fmt: skip
# What stays in sight while one scrolls would hide the middle of a picture of the whole page.
_AT_ITS_PLACE = "document.querySelector('.verbs')?.style.setProperty('position', 'static')"
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
    Shot("new-plan", "duplicates_new_plan", query="analysis={newest}"),
    Shot("track", "library_track_change", of("track")),
    Shot("track-delete", "library_track_delete", row_of("library_track")),
    Shot("member-explained", "duplicates_explain_member", lambda scene: [scene.group, scene.copy_of_group]),
    Shot("decisions-import", "duplicates_decisions_import"),
    Shot("import-file", "duplicates_import_file"),
    Shot("password", "password_change"),
    *(Shot(f"list-{name.partition('_')[2]}", f"{name}_changelist") for name in MODELS),
    *(Shot(f"row-{name.partition('_')[2]}", f"{name}_change", row_of(name)) for name in MODELS),
    *(Shot(f"story-{name.partition('_')[2]}", f"{name}_history", row_of(name)) for name in MODELS),
    *(Shot(f"add-{name.partition('_')[2]}", f"{name}_add") for name in ADDED_BY_HAND),
]


def main() -> int:
    """Prepare each scene in turn and take its pictures; return 1 when a page has faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="Only pages whose name contains this.")
    parser.add_argument(
        "--scene", default="", help="Only this scene: empty, demo, judged, worked, running, stale or failed."
    )
    parser.add_argument("--language", default="en", choices=("en", "de"), help="What the browser asks for.")
    asked = parser.parse_args()
    wanted = [page for page in PAGES if asked.only in page.name and asked.scene in ("", page.scene)]
    if not wanted:
        parser.error(f"No page of PAGES has {asked.only!r} in its name and is of scene {asked.scene!r}.")
    with tempfile.TemporaryDirectory(prefix="reprise-screenshots-") as folder:
        _prepare_django(Path(folder))
        return _take(wanted, asked.language)


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


def _take(wanted: list[Shot], language: str) -> int:
    from tests.browser.judging import Judge  # noqa: PLC0415 (needs a browser)
    from tests.browser.scenes import SCENES, Scene  # noqa: PLC0415 (needs Django)

    FOLDER.mkdir(exist_ok=True)
    faults: list[str] = []
    scene = Scene()
    with _server() as server, _tab(language) as tab:
        judge = Judge(tab)
        for name, prepare in SCENES.items():
            prepare(scene)
            shots = [shot for shot in wanted if shot.scene == name]
            for shot in shots:
                for fault in _take_one(judge, server, scene, shot):
                    print(fault, flush=True)
                    faults.append(fault)
            if all(shot.scene in list(SCENES)[: list(SCENES).index(name) + 1] for shot in wanted):
                break
    print(f"{len(wanted) * len(Look)} pictures in {FOLDER}, {len(faults)} faults")
    return 1 if faults else 0


def _take_one(judge: "Judge", server: str, scene: Any, shot: Shot) -> Iterator[str]:
    """Take the pictures of one page; yield what is wrong with it."""
    tab = judge.tab
    scene.sign_in(tab.context, server)
    for look in Look:
        judge.open(f"{server}{scene.address(shot)}", look)
        tab.evaluate(_AT_ITS_PLACE)
        tab.screenshot(path=FOLDER / f"{shot.name}-{look.name.lower()}.png", full_page=True)
        yield from (f"{shot.name}: {fault} ({look.name.lower()})" for fault in judge.faults())


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
def _tab(language: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (optional on machines without a browser)

    from tests.browser.conftest import FLAGS  # noqa: PLC0415 (imports pytest)

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("No Chromium on this machine; install it to take pictures.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser.new_page(locale=language)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())

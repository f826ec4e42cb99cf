"""Takes the pictures of docs/librarian.md: parts of pages, light, of the demo library in a throw-away database.

    uv run python -m tests.browser.guide

A picture is one line in `PICTURES`; the situations are those of `scenes.py`.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.screenshots import ROOT, _prepare_django, _server, _tab

FOLDER = ROOT / "docs" / "pictures"
WIDTH = 1280


@dataclass(frozen=True)
class Picture:
    """A part of a page: `height` pixels of it, from the element `top` on."""

    name: str
    scene: str
    address: str
    height: int
    about: Callable[[Any], list[Any]] = lambda scene: []
    query: Callable[[Any], str] = lambda scene: ""
    top: str = "#container"


def _open_group(scene: Any) -> list[int]:
    """Return an undecided group of the newest analysis whose names every font can draw."""
    from duplicates.models import DuplicateAnalysisGroup  # noqa: PLC0415 (needs Django)

    groups = DuplicateAnalysisGroup.objects.filter(analysis_id=scene.newest, resolution="", member_count=2)
    plain = (group for group in groups.order_by("position")[5:] if (group.title + group.artist).isascii())
    return [next(plain).pk]


_ANALYSIS = "duplicates_duplicateanalysisresult_change"
PICTURES = [
    Picture("guide-start", "demo", "index", 560),
    Picture(
        "guide-groups",
        "demo",
        "duplicates_duplicateanalysisgroup_changelist",
        560,
        query=lambda scene: f"analysis__analysis_id__exact={scene.newest}&o=2",
        top="#content",
    ),
    Picture("guide-group", "demo", "duplicates_duplicateanalysisgroup_change", 900, about=_open_group, top="#content"),
    Picture("guide-quarantine", "worked", "duplicates_cleanupaction_changelist", 420, top="#content"),
    Picture("guide-stale", "stale", _ANALYSIS, 480, about=lambda scene: [scene.newest], top="#content"),
]


def main() -> int:
    """Walk through the scenes and take what belongs to each."""
    with tempfile.TemporaryDirectory(prefix="reprise-guide-") as folder:
        _prepare_django(Path(folder))
        from tests.browser.scenes import SCENES, Scene  # noqa: PLC0415 (needs Django)

        scene = Scene()
        with _server() as server, _tab("en") as tab:
            for name, prepare in SCENES.items():
                prepare(scene)
                for picture in PICTURES:
                    if picture.scene == name:
                        _take(tab, server, scene, picture)
    return 0


def _take(tab: Any, server: str, scene: Any, picture: Picture) -> None:
    from django.urls import reverse  # noqa: PLC0415 (needs Django)

    scene.sign_in(tab.context, server)
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": WIDTH, "height": picture.height})
    tab.goto(f"{server}{reverse(f'admin:{picture.address}', args=picture.about(scene))}?{picture.query(scene)}")
    top = tab.locator(picture.top).bounding_box()
    clip = {"x": top["x"], "y": top["y"], "width": min(top["width"], WIDTH), "height": picture.height}
    tab.screenshot(path=FOLDER / f"{picture.name}.png", full_page=True, clip=clip)


if __name__ == "__main__":
    sys.exit(main())

"""What is wrong with a page, as a browser sees it.

It must answer, complain of nothing, keep to the content security policy, fit its window, stay where it is while it
loads, satisfy axe, and show where the keyboard is.
"""

from collections.abc import Iterator

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response

from tests.browser.looks import Look

MOST_SHIFT = 0.1  # from which on people are said to notice it
_WATCH = """
    window.broken = [];
    document.addEventListener("securitypolicyviolation", (one) => {
        window.broken.push(`${one.violatedDirective} ${one.blockedURI}`);
    });
"""
# What moved by itself, from the first paint to some time after the last script.
_SHIFT = """() => new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value;
    }).observe({type: "layout-shift", buffered: true});
    setTimeout(() => done(sum), 120);
})"""
_TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".results")]
    .some((one) => one.scrollWidth > one.clientWidth + 1)"""
# The places the keyboard reaches which look the same with it and without. A first Tab lets the browser show focus.
_UNSEEN = """() => {
    const look = (one) => [one, one.closest("label") ?? one].map((part) => {
        const style = getComputedStyle(part);
        return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor,
            style.backgroundColor, style.textDecorationLine, style.color].join();
    }).join();
    const reached = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
    const unseen = [];
    for (const one of document.querySelectorAll(reached)) {
        if (!one.checkVisibility({visibilityProperty: true}) || one.tabIndex < 0 || one.disabled) continue;
        one.blur();
        const before = look(one);
        one.focus({preventScroll: true});
        const style = getComputedStyle(one);
        const isOutlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
        const isSeen = isOutlined || look(one) !== before;
        if (document.activeElement === one && !isSeen) unseen.push(one.outerHTML.slice(0, 120));
    }
    document.activeElement?.blur();
    window.scrollTo(0, 0);
    return unseen;
}"""


class Judge:
    """Opens pages in one tab and says what is wrong with each."""

    def __init__(self, tab: Page) -> None:
        self.tab = tab
        self._complaints: list[str] = []
        self._answer: Response | None = None
        self._look = Look.LIGHT
        tab.on("console", self._hear)
        tab.on("pageerror", lambda error: self._complaints.append(str(error)))
        tab.add_init_script(_WATCH)

    def open(self, address: str, look: Look) -> None:
        """Load a page in one of the three looks."""
        scheme, width, height = look.value
        self._look = look
        self._complaints.clear()
        self.tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        self.tab.set_viewport_size({"width": width, "height": height})
        self._answer = self.tab.goto(address)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the page that was opened last."""
        if self._answer is None or not self._answer.ok:
            yield f"answered {self._answer.status if self._answer else 'nothing'}"
        if (shift := self.tab.evaluate(_SHIFT)) >= MOST_SHIFT:
            yield f"moves by itself: {shift:.2f}"
        if self.tab.evaluate(_TOO_WIDE):
            yield "scrolls sideways"
        yield from self._of_axe()
        if self._look is Look.LIGHT:
            self.tab.keyboard.press("Tab")
            yield from (f"shows no focus: {html}" for html in self.tab.evaluate(_UNSEEN))
        yield from (f"breaks the policy: {one}" for one in self.tab.evaluate("window.broken"))
        yield from dict.fromkeys(self._complaints)

    def _of_axe(self) -> Iterator[str]:
        """Yield what keeps people from using the page: in the dark only colours differ, on a phone only the layout."""
        every = {"rules": {"target-size": {"enabled": True}}}
        rules = every if self._look is Look.LIGHT else {"runOnly": ["color-contrast", "target-size"]}
        for fault in Axe().run(self.tab, options=rules).response["violations"]:
            yield f"axe: {fault['id']}: {fault['nodes'][0]['html'][:120]}"

    def _hear(self, line: object) -> None:
        if line.type in ("error", "warning"):  # type: ignore[attr-defined]
            self._complaints.append(line.text)  # type: ignore[attr-defined]

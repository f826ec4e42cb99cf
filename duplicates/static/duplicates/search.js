/*
 * Searches a list while its reader types: asks after a short pause, drops answers that came too late, and keeps the
 * address true, so that a reload or a link shows the same. Without this script Enter searches.
 */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const PAUSE = 250;
    const form = document.querySelector("#changelist-search");
    if (!form) return;
    const field = form.querySelector("input[type=search]");
    let timer = 0, asking = null, shown = field.value;

    const show = (text, address) => {
        const answer = new DOMParser().parseFromString(text, "text/html");
        for (const part of [".filter-bar", ".object-tools", "#changelist-form", ".changelist-footer"]) {
            const old = document.querySelector(part), fresh = answer.querySelector(part);
            if (old && fresh) old.replaceWith(fresh);
            else if (old) old.hidden = true;
        }
        // The box that ticks every row listens to the rows that were there before.
        const ticks = document.querySelectorAll("tr input.action-select");
        if (window.Actions && ticks.length) window.Actions(ticks);
        history.replaceState(null, "", address);
    };

    const ask = async () => {
        if (field.value === shown) return;
        shown = field.value;
        if (asking) asking.abort();
        asking = new AbortController();
        const address = `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
        try {
            const answer = await fetch(address, {
                credentials: "same-origin", redirect: "error", signal: asking.signal, headers: {Accept: "text/html"},
            });
            if (answer.ok) show(await answer.text(), address);
        } catch (problem) {
            if (problem.name !== "AbortError") form.requestSubmit(); // an ended session or a lost line shows itself
        }
    };

    field.addEventListener("input", () => {
        window.clearTimeout(timer);
        timer = window.setTimeout(ask, PAUSE);
    });
});

/*
 * Keeps the progress of what runs current, each panel for itself. Asks every second, less often while nothing changes,
 * not at all while the tab is hidden, and loads the page anew once the run is over. Without this script the page still
 * says where the run was when it was loaded.
 */
"use strict";

const FASTEST = 1000, SLOWEST = 15000, PATIENCE = 1.5;

const follow = (panel) => {
    const bar = panel.querySelector("progress");
    let wait = FASTEST, timer = 0, asking = false, before = "";

    const show = (values) => {
        if (bar) bar.value = values.percentage;
        for (const place of panel.querySelectorAll("[data-show]")) {
            const text = values[place.dataset.show];
            if (place.textContent !== text) place.textContent = text;
        }
        for (const warning of panel.querySelectorAll("[data-when=needs_worker]")) warning.hidden = !values.needs_worker;
        const phases = [...panel.querySelectorAll("[data-phase]")];
        const current = phases.findIndex((phase) => phase.dataset.phase === values.phase);
        phases.forEach((phase, place) => {
            if (place === current) phase.setAttribute("aria-current", "step");
            else phase.removeAttribute("aria-current");
            phase.dataset.state = place < current ? "done" : place === current ? "current" : "ahead";
        });
    };

    const disconnected = (is) => {
        for (const warning of panel.querySelectorAll("[data-when=disconnected]")) warning.hidden = !is;
    };

    const later = () => { timer = window.setTimeout(ask, wait); };

    const ask = async () => {
        timer = 0;
        if (document.hidden) return;
        asking = true;
        try {
            const answer = await fetch(panel.dataset.follow, {
                credentials: "same-origin", redirect: "error", headers: {Accept: "application/json"},
            });
            if (answer.status === 404) return window.location.reload();
            if (!answer.ok) throw new Error(answer.statusText);
            const values = await answer.json();
            if (!values.is_active) return window.location.reload();
            const now = JSON.stringify(values);
            wait = now === before ? Math.min(wait * PATIENCE, SLOWEST) : FASTEST;
            before = now;
            show(values);
            disconnected(false);
        } catch {
            wait = Math.min(wait * 2, SLOWEST);
            disconnected(true);
        }
        asking = false;
        later();
    };

    document.addEventListener("visibilitychange", () => {
        if (document.hidden || timer || asking) return;
        wait = FASTEST;
        ask();
    });
    later();
};

document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-follow]").forEach(follow);
});

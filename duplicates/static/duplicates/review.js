/*
 * The keyboard of the page of a group, and what a removal would change, asked anew after each tick. Without this script
 * every button is there all the same.
 */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const page = document.querySelector(".review");
    if (!page) return;
    const dialog = document.getElementById("keys");
    const help = document.getElementById("show-keys");
    let isLeaving = false;

    help.hidden = false;
    help.addEventListener("click", () => dialog.showModal());

    // --- Keys --------------------------------------------------------------------------------------------------------

    const typing = (where) => where.closest("input:not([type=checkbox]), textarea, select, [contenteditable], audio");

    const wanted = (key) => [...page.querySelectorAll("[data-key]")]
        .find((one) => one.dataset.key.split(" ").includes(key) && !one.disabled);

    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isLeaving || dialog.open) return;
        if (typing(event.target)) return;
        if (event.key.startsWith("Arrow") && event.target.closest(".side-by-side")) return; // scrolls the table
        const button = wanted(event.key);
        if (!button) return;
        event.preventDefault();
        button.click();
    });

    // A second press while the first is on its way would decide about a group nobody has looked at.
    document.addEventListener("submit", (event) => {
        if (event.target.method === "dialog") return;
        if (isLeaving) event.preventDefault();
        isLeaving = true;
    });
    window.addEventListener("pageshow", () => { isLeaving = false; });

    // --- What a removal would change -----------------------------------------------------------------------------------

    const place = document.getElementById("consequences");
    const remove = document.getElementById("remove");
    if (!place || !remove) return;
    const ticks = [...page.querySelectorAll("input[name=removing]")];
    let asked = 0;

    const ask = async () => {
        const number = ++asked;
        const chosen = new URLSearchParams();
        for (const tick of ticks) if (tick.checked) chosen.append("removing", tick.value);
        const count = ticks.filter((tick) => tick.checked).length;
        remove.disabled = count === 0;
        remove.querySelector("[data-count]").textContent = count;
        try {
            const answer = await fetch(`${page.dataset.preview}?${chosen}`, {
                credentials: "same-origin", redirect: "error", headers: {Accept: "text/html"},
            });
            if (!answer.ok) throw new Error(answer.statusText);
            const text = await answer.text();
            if (number !== asked) return;
            place.innerHTML = text;
            document.getElementById("gist").textContent = place.querySelector("[data-gist]").dataset.gist;
        } catch {
            // No figures are better than those of another choice; the removal itself checks everything again.
            if (number === asked) place.textContent = document.getElementById("gist").textContent = "";
        }
    };

    for (const tick of ticks) tick.addEventListener("change", ask);
});

/*
 * Copies a command with one click. The buttons are hidden until this script runs, and stay hidden where the browser
 * keeps pages away from the clipboard (an address without TLS): the command can be marked by hand.
 */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    if (!navigator.clipboard) return;
    for (const button of document.querySelectorAll("[data-copy]")) {
        const words = button.textContent;
        button.hidden = false;
        button.addEventListener("click", async () => {
            await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
            button.textContent = button.dataset.done;
            window.setTimeout(() => { button.textContent = words; }, 2000);
        });
    }
});

/* Closes an open filter menu on Escape or a click elsewhere. Without this script a second click closes it. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const opened = () => document.querySelector(".filter-bar details[open]");
    document.addEventListener("click", (event) => {
        const menu = opened();
        if (menu && !menu.contains(event.target)) menu.open = false;
    });
    document.addEventListener("keydown", (event) => {
        const menu = opened();
        if (event.key !== "Escape" || !menu) return;
        menu.open = false;
        menu.querySelector("summary").focus();
    });
});

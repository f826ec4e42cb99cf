/* Closes an open menu on Escape or a click elsewhere. Without this script a second click closes it. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const opened = () => document.querySelector(":is(.filter-bar details, details.menu)[open]");
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

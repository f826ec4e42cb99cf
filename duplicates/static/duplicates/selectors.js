/* Names what Django's two lists for choosing several things draw: their icon has a label, but no role to carry one. */
"use strict";

window.addEventListener("load", () => {
    for (const icon of document.querySelectorAll(".selector .search-label-icon[aria-label]")) icon.setAttribute("role", "img");
});

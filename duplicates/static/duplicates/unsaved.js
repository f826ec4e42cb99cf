/*
 * No decision is lost on its way. Each is kept in this browser until a page says that the server has answered it: when
 * the session had ended, the server was down or the connection broke, the page of the group offers it again. It belongs
 * to the person who made it and carries the version of the group they saw; the server judges it like any other.
 */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const page = document.querySelector(".review");
    const offer = document.getElementById("unsaved");
    if (!page || !offer) return;
    const mine = `reprise.unsaved.${page.dataset.user}.`;
    let shelf;
    try {
        shelf = window.localStorage;
    } catch {
        return; // a browser told to keep nothing
    }

    const keyOf = (address) => mine + new URL(address, location.href).pathname;
    const read = (key) => {
        try {
            return JSON.parse(shelf.getItem(key));
        } catch {
            return null;
        }
    };
    const newName = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
    const wordsOn = (button) => {
        const copy = button.cloneNode(true);
        for (const one of copy.querySelectorAll("kbd, .visually-hidden")) one.remove();
        return copy.textContent.trim().replace(/\s+/g, " ");
    };

    // --- Keeping -----------------------------------------------------------------------------------------------------

    // Registered after the script of the keys, which stops a second press.
    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (event.defaultPrevented || form.method !== "post" || !form.action.includes("/decide/")) return;
        const name = newName();
        const fields = [...new FormData(form, event.submitter)].filter(([field]) => !["csrfmiddlewaretoken", "decision"].includes(field));
        let field = form.elements.namedItem("decision");
        if (!field) {
            field = document.createElement("input");
            Object.assign(field, {type: "hidden", name: "decision"});
            form.append(field);
        }
        field.value = name;
        const kept = form === offer ? read(keyOf(form.action)) : null;
        const decision = {
            name, fields,
            address: form.getAttribute("action"),
            words: kept ? kept.words : wordsOn(event.submitter),
            at: kept ? kept.at : Date.now(),
        };
        try {
            shelf.setItem(keyOf(form.action), JSON.stringify(decision));
        } catch {
            // A full shelf keeps nothing; the decision goes its way all the same.
        }
    });

    // --- Offering ----------------------------------------------------------------------------------------------------

    const answered = new Set(page.dataset.answered.split(" "));
    for (const key of Object.keys(shelf)) {
        if (key.startsWith(mine) && answered.has(read(key)?.name)) shelf.removeItem(key);
    }

    const here = keyOf(offer.dataset.decide);
    const waiting = read(here);
    if (!waiting) return;
    for (const [name, value] of waiting.fields) {
        const field = document.createElement("input");
        Object.assign(field, {type: "hidden", name, value});
        offer.append(field);
    }
    offer.action = waiting.address;
    const when = new Date(waiting.at).toLocaleString(document.documentElement.lang, {dateStyle: "short", timeStyle: "short"});
    const said = offer.querySelector("[data-sentence]");
    said.textContent = said.dataset.sentence.replace("{what}", waiting.words).replace("{when}", when);
    offer.querySelector("[data-discard]").addEventListener("click", () => {
        shelf.removeItem(here);
        offer.hidden = true;
    });
    offer.hidden = false;
    offer.querySelector("[type=submit]").focus();
});

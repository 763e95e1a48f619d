// Single keys, which can be switched off: some people's tools type for them.

import { h } from "/console/dom.js";

const SWITCH = "asya-keys";
const WAIT_MS = 1200;
const KEYS = [
  ["/", "search envelopes by id"],
  ["g e", "go to the envelopes"],
  ["g a", "go to the actors"],
  ["g c", "go to the charts"],
  ["g d", "go to the dead letters"],
  ["p", "pause updates, go on"],
  ["?", "show this list"],
  ["Esc", "close a dialog, leave the search"],
];
const GO = { e: "#/envelopes", a: "#/actors", c: "#/charts", d: "#/dead-letters" };

function on() {
  return localStorage.getItem(SWITCH) !== "off";
}

/** Listen; do: {pause(), go(hash)}. */
export function listenToKeys(todo) {
  let armedUntil = 0;
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing) typing.blur();
    if (!on() || typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const armed = Date.now() < armedUntil;
    armedUntil = 0;
    if (armed && GO[event.key]) todo.go(GO[event.key]);
    else if (event.key === "g") armedUntil = Date.now() + WAIT_MS;
    else if (event.key === "p") todo.pause();
    else if (event.key === "?") showKeys();
    else if (event.key === "/") search(todo, event);
  });
}

function search(todo, event) {
  event.preventDefault();
  const field = document.getElementById("search");
  if (field) field.focus();
  else {
    todo.go("#/envelopes");
    setTimeout(() => document.getElementById("search")?.focus(), 50);
  }
}

/** Show what the keys do. */
export function showKeys() {
  const box = h("input", {
    type: "checkbox", id: "keys-on",
    change: () => localStorage.setItem(SWITCH, box.checked ? "on" : "off"),
  });
  box.checked = on();
  const dialog = h(
    "dialog",
    { "aria-labelledby": "keys-title", class: "keys" },
    h("h2", { id: "keys-title", text: "Keys" }),
    h("dl", {}, KEYS.map(([keys, text]) => [
      h("dt", {}, keys.split(" ").map((key) => h("kbd", { text: key }))),
      h("dd", { text }),
    ])),
    h("p", { class: "check" }, box, h("label", { for: "keys-on", text: "Single keys are on" })),
    h("div", { class: "actions" }, h("button", { type: "button", class: "primary", click: () => dialog.close(), text: "Close" })),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// The shell around the views: signing in, routing by the address, the feed, keys.

import { follow, get, keepToken, Refused, token } from "/console/api.js";
import { actorsView } from "/console/actors.js";
import { chartsView } from "/console/charts.js";
import { h, notice, say, setText, show } from "/console/dom.js";
import { envelopesView } from "/console/envelopes.js";
import { clock, number } from "/console/format.js";
import { envelopeView } from "/console/journey.js";
import { listenToKeys, showKeys } from "/console/keys.js";
import { lettersView } from "/console/letters.js";

const SLEEP_MS = 60_000;
const main = document.getElementById("main");
const banner = document.getElementById("banner");
const live = document.getElementById("live");
const leave = document.getElementById("leave");
const help = document.getElementById("help");
const views = document.getElementById("views");

/** What all views share. */
const session = {
  may: { read: false, cancel: false, operate: false },
  actors: null, // the latest list of the feed
  heardAt: null,
  paused: false,
  connection: "connecting",
  problem: "",
};
let view = null;
let unfollow = null;
let movedByUser = false;
let asleep = 0;

const ROUTES = [
  [/^\/envelopes\/(.+)$/, (id) => envelopeView(session, decodeURIComponent(id)), "envelopes"],
  [/^\/envelopes$/, (query) => envelopesView(session, query), "envelopes"],
  [/^\/actors$/, () => actorsView(session), "actors"],
  [/^\/charts(?:\/(.+))?$/, (actor) => chartsView(session, typeof actor === "string" ? decodeURIComponent(actor) : null), "charts"],
  [/^\/dead-letters(?:\/(.+))?$/, (actor) => lettersView(session, actor ? decodeURIComponent(actor) : null), "dead-letters"],
];

function route() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?");
  const found = ROUTES.map(([pattern, make, name]) => [path.match(pattern), make, name]).find(([match]) => match);
  if (!found) {
    location.replace("#/envelopes");
    return;
  }
  const [match, make, name] = found;
  const parameters = new URLSearchParams(query);
  for (const link of views.querySelectorAll("a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view?.stay?.(path, parameters)) return; // the same view with another question
  view?.close?.();
  try {
    view = make(match[1] ?? parameters, parameters);
  } catch {
    view = { title: "Not found", element: notice("failed", "There is no such page", "", h("a", { href: "#/envelopes", text: "To the envelopes" })) };
  }
  show(main, view.element);
  document.title = `${view.title} – Asya`;
  if (movedByUser) {
    const heading = main.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  movedByUser = true;
  view.refresh?.();
}

function signIn(problem = "") {
  unfollow?.();
  unfollow = null;
  view?.close?.();
  view = null;
  views.hidden = live.hidden = help.hidden = leave.hidden = banner.hidden = true;
  document.title = "Sign in – Asya";
  const input = h("input", {
    id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true,
    "aria-describedby": problem ? "token-problem token-hint" : "token-hint", "aria-invalid": problem ? "true" : null,
  });
  const form = h(
    "form",
    {
      class: "sign-in",
      submit: (event) => {
        event.preventDefault();
        keepToken(input.value.trim());
        start();
      },
    },
    h("h1", { text: "Sign in" }),
    h("p", { id: "token-hint", text: "This gateway wants a token with the scope “read”. It is kept in this tab only, until the tab is closed." }),
    h("label", { for: "token", text: "Token" }),
    input,
    problem ? h("p", { id: "token-problem", class: "problem", role: "alert", text: problem }) : null,
    h("button", { type: "submit", class: "primary", text: "Sign in" }),
  );
  show(main, form);
  input.focus();
}

async function start() {
  unfollow?.();
  show(main, notice("loading", "Reaching the gateway…"));
  try {
    session.may = (await get("/api/v1/me")).may;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      const tried = token();
      keepToken("");
      signIn(tried ? "The gateway does not know this token." : "");
      return;
    }
    const again = h("button", { type: "button", class: "primary", click: start, text: "Try again" });
    show(main, notice("failed", "The gateway cannot be reached", error.message, again));
    return;
  }
  if (!session.may.read) {
    keepToken("");
    signIn("This token lacks the scope “read”.");
    return;
  }
  views.hidden = live.hidden = help.hidden = false;
  leave.hidden = !token();
  movedByUser = false;
  route();
  watch();
}

function watch() {
  unfollow?.();
  unfollow = follow({ frame, state, refused: () => start() });
}

/** A tab that nobody looks at asks for nothing: looking costs the broker requests. */
function sleep() {
  clearTimeout(asleep);
  if (document.visibilityState === "hidden") {
    asleep = setTimeout(() => {
      unfollow?.();
      unfollow = null;
    }, SLEEP_MS);
  } else if (view && !unfollow) {
    state("connecting");
    watch();
    if (!session.paused) view.refresh?.();
  }
}

function frame(kind, body) {
  session.heardAt = new Date().toISOString();
  if (kind === "actors") {
    session.actors = body;
    const dead = body.dead_letters;
    const badge = document.getElementById("dead-count");
    badge.hidden = dead === 0;
    setText(badge, number(dead));
  }
  if (kind === "problem") session.problem = body.problem;
  if (kind === "envelopes") session.problem = "";
  paint();
  if (!session.paused) view?.frame?.(kind, body);
}

function state(name) {
  const before = session.connection;
  session.connection = name;
  session.heardAt ??= new Date().toISOString();
  paint();
  if (name === "live" && before === "lost") {
    say("Connected again");
    if (!session.paused) view?.refresh?.();
  }
}

function pause() {
  session.paused = !session.paused;
  paint();
  say(session.paused ? "Updates paused" : "Updates go on");
  if (!session.paused) view?.refresh?.();
}

/** Show how current the page is. */
function paint() {
  const shown = session.paused ? "paused" : session.connection;
  const words = { live: "Live", connecting: "Connecting…", lost: "Disconnected", paused: "Paused" }[shown];
  live.className = `live live-${shown}`;
  const hint = session.paused ? "go on with updates" : "pause updates";
  if (live.dataset.shown !== shown) {
    live.dataset.shown = shown;
    show(live, h("span", { class: "dot", "aria-hidden": "true" }), h("span", { text: words }), h("span", { class: "unseen", text: `, ${hint}` }));
    live.setAttribute("aria-pressed", String(session.paused));
    live.title = `${words}: ${hint} (p)`;
  }
  const cut = session.connection === "lost" && session.heardAt;
  const text = cut
    ? `Disconnected from the gateway. What you see is of ${clock(session.heardAt).slice(0, 8)}; trying again…`
    : session.problem && `The gateway cannot look: ${session.problem}`;
  banner.hidden = !text;
  if (text) setText(banner, text);
}

live.addEventListener("click", pause);
leave.addEventListener("click", () => {
  keepToken("");
  start();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
help.addEventListener("click", showKeys);
document.addEventListener("visibilitychange", sleep);
addEventListener("hashchange", () => {
  if (!views.hidden) route();
});
listenToKeys({ pause: () => !live.hidden && pause(), go: (hash) => !views.hidden && (location.hash = hash) });
start();

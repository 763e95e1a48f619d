// Envelopes by state, searched by id; changes come in as they happen.

import { get } from "/console/api.js";
import { badge, h, notice, say, setText, show, table } from "/console/dom.js";
import { ago, between, duration, moment, now, number, running } from "/console/format.js";

const STATES = ["pending", "running", "succeeded", "failed"];
const WORDS = { pending: "Pending", running: "Running", succeeded: "Succeeded", failed: "Failed" };
const PAGE = 50;
const NEIGHBOURS = 5;
const TYPING_MS = 200;
const RELOAD_MS = 1000;

export function stateBadge(status) {
  return badge(status, WORDS[status] ?? status);
}

/** Link to an envelope's journey. */
export function envelopeLink(id, keep = id) {
  return h("a", { class: "id", href: `#/envelopes/${encodeURIComponent(id)}`, "data-keep": keep, text: id });
}

/** How long it took, or has been taking. */
export function tookSeconds(envelope) {
  const open = envelope.status === "pending" || envelope.status === "running";
  return open ? Math.max(0, (now() - Date.parse(envelope.created_at)) / 1000) : between(envelope.created_at, envelope.updated_at);
}

export function envelopeCells(envelope) {
  const words = envelope.reason ?? envelope.error ?? (envelope.status === "succeeded" ? "" : envelope.message ?? "");
  const open = envelope.status === "pending" || envelope.status === "running";
  const percent = Math.round(envelope.progress_percent);
  return {
    id: [envelope.id, () => envelopeLink(envelope.id)],
    state: [envelope.status, () => stateBadge(envelope.status)],
    route: [
      [envelope.actors.join(" "), envelope.current_actor_idx, words, envelope.status].join("\n"),
      () => [
        routeLine(envelope),
        words ? h("span", { class: envelope.error ? "words words-failed" : "words", title: words, text: words }) : null,
      ].filter(Boolean),
    ],
    progress: [
      `${percent} ${envelope.status}`,
      () => [
        meter(percent, envelope.status),
        h("span", { class: "percent", text: open ? `${percent}%` : "" }),
      ],
    ],
    created: [ago(envelope.created_at), () => h("time", { datetime: envelope.created_at, title: moment(envelope.created_at), text: ago(envelope.created_at) })],
    took: [open ? `${running(tookSeconds(envelope))} so far` : duration(tookSeconds(envelope))],
  };
}

/** The route, with the actor in bold at which the envelope is or failed; of a long one, the part around it. */
function routeLine(envelope) {
  const { actors, current_actor_idx: place, status } = envelope;
  const from = Math.max(0, Math.min(place - 2, actors.length - NEIGHBOURS));
  const parts = actors.slice(from, from + NEIGHBOURS).map((actor, offset) =>
    from + offset === place && status !== "succeeded"
      ? h("strong", {}, h("span", { class: "unseen", text: status === "failed" ? "failed at " : "now at " }), actor)
      : h("span", { class: "dim", text: actor }));
  const arrow = () => h("span", { class: "arrow", text: " → " });
  const line = parts.flatMap((part, number) => (number ? [arrow(), part] : [part]));
  if (from > 0) line.unshift(`${from} more`, arrow());
  if (from + NEIGHBOURS < actors.length) line.push(arrow(), `${actors.length - from - NEIGHBOURS} more`);
  return h("span", { class: "route" }, line.length ? line : "–");
}

function meter(percent, status) {
  const bar = h("span", { class: `fill fill-${status}` });
  bar.style.width = `${percent}%`;
  return h("span", { class: "meter", role: "img", "aria-label": `${percent}% done` }, bar);
}

export const ENVELOPE_COLUMNS = [
  { title: "Id", key: "id" },
  { title: "State", key: "state" },
  { title: "Route", key: "route" },
  { title: "Progress", key: "progress" },
  { title: "Created", key: "created" },
  { title: "Took", key: "took", numeric: true },
];

/** Moments come with six digits of a second or with none. */
function age(envelope) {
  return envelope.created_at.length > 20 ? envelope.created_at : envelope.created_at.replace("Z", ".000000Z");
}

function compare(one, other) {
  return one < other ? -1 : Number(one > other);
}

export function envelopesView(session, query) {
  let status = query.get("status") ?? "";
  let prefix = query.get("q") ?? "";
  let envelopes = new Map();
  let cursor = null;
  let pages = 1;
  let asked = 0;
  let controller = null;
  let typing = 0;
  let reloading = 0;
  let loadedMs = 0;

  const search = h("input", { id: "search", type: "search", value: prefix, autocomplete: "off", spellcheck: "false", placeholder: "Paste an id, or how it begins" });
  const counts = new Map();
  const filters = ["", ...STATES].map((name) => {
    const count = h("span", { class: "count" });
    counts.set(name, count);
    return h("a", { href: address(name, prefix), "data-state": name, "data-keep": `state-${name}` }, name ? WORDS[name] : "All", count);
  });
  const list = table({ caption: "Envelopes, newest first", columns: ENVELOPE_COLUMNS, key: (each) => each.id, cells: envelopeCells, rowClass: (each) => `row-${each.status}` });
  const holder = h("div", { class: "sheet" });
  const more = h("button", { type: "button", class: "more", click: loadMore, text: "Older envelopes" });
  more.hidden = true;
  const total = h("p", { class: "dim total" });
  const element = h(
    "div",
    {},
    h("div", { class: "head" }, h("h1", { text: "Envelopes" }),
      h("form", { role: "search", class: "search", submit: (event) => { event.preventDefault(); open(); } },
        h("label", { for: "search", text: "Find by id" }), search, h("kbd", { "aria-hidden": "true", text: "/" }))),
    h("nav", { class: "filters", "aria-label": "State" }, filters),
    holder,
    h("div", { class: "foot" }, total, more),
  );
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => location.replace(address(status, search.value.trim())), TYPING_MS);
  });
  // Relative times and running ones move on by themselves.
  const ticking = setInterval(() => session.paused || (envelopes.size && list.update(sorted())), 5000);

  function address(name, text) {
    const parameters = new URLSearchParams();
    if (name) parameters.set("status", name);
    if (text) parameters.set("q", text);
    const written = parameters.toString();
    return `#/envelopes${written ? `?${written}` : ""}`;
  }

  function open() {
    const exact = envelopes.get(search.value.trim()) ?? (envelopes.size === 1 ? [...envelopes.values()][0] : null);
    if (exact && search.value.trim()) location.hash = `#/envelopes/${encodeURIComponent(exact.id)}`;
  }

  function sorted() {
    return [...envelopes.values()].sort((one, other) => compare(age(other), age(one)) || compare(other.id, one.id));
  }

  function belongs(envelope) {
    return (!status || envelope.status === status) && envelope.id.startsWith(prefix) && (prefix || !envelope.parent_id);
  }

  async function load(after) {
    const mine = ++asked;
    loadedMs = Date.now();
    controller?.abort();
    controller = new AbortController();
    const parameters = new URLSearchParams({ limit: String(after ? PAGE : Math.min(PAGE * pages, 500)) });
    if (status) parameters.set("status", status);
    // Children stand under their parents; whoever looks for an id finds them too.
    if (prefix) parameters.set("q", prefix);
    else parameters.set("top", "1");
    if (after) parameters.set("cursor", after);
    try {
      const answer = await get(`/api/v1/envelopes?${parameters}`, controller.signal);
      if (mine !== asked) return;
      if (!after) envelopes = new Map();
      for (const each of answer.envelopes) envelopes.set(each.id, each);
      cursor = answer.next;
      paintCounts(answer.counts);
      paint();
    } catch (error) {
      if (error.name === "AbortError" || mine !== asked) return;
      const again = h("button", { type: "button", class: "primary", click: () => load(after), text: "Try again" });
      if (!envelopes.size) show(holder, notice("failed", "The envelopes could not be loaded", error.message, again));
      else say(`The envelopes could not be loaded: ${error.message}`);
    }
  }

  /** Load again, but not at every change of a busy mesh. */
  function reload() {
    reloading ||= setTimeout(() => {
      reloading = 0;
      if (!session.paused) load(null);
    }, Math.max(0, RELOAD_MS - (Date.now() - loadedMs)));
  }

  function loadMore() {
    pages += 1;
    load(cursor);
  }

  function paintCounts(found) {
    const most = 1000;
    const write = (count) => (count >= most ? `${number(most)}+` : number(count));
    let sum = 0;
    for (const name of STATES) {
      setText(counts.get(name), write(found[name]));
      sum += found[name];
    }
    setText(counts.get(""), write(sum));
  }

  function paint() {
    for (const link of filters) {
      const name = link.dataset.state;
      link.setAttribute("href", address(name, prefix));
      if (name === status) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    more.hidden = !cursor;
    const shown = sorted();
    setText(total, shown.length ? `${number(shown.length)} shown` : "");
    if (shown.length) {
      list.update(shown);
      if (holder.firstChild !== list.element) show(holder, list.element);
    } else if (prefix || status) {
      const what = [status && WORDS[status].toLowerCase(), "envelopes", prefix && `whose id begins with “${prefix}”`].filter(Boolean).join(" ");
      show(holder, notice("empty", `No ${what}`, "", h("p", {}, h("a", { href: "#/envelopes", text: "Show all envelopes" }))));
    } else {
      show(holder, notice("empty", "No envelopes yet", "Call a tool, for example with: asya call TOOL. What goes through this gateway appears here by itself."));
    }
  }

  show(holder, notice("loading", "Loading envelopes…"));
  return {
    title: "Envelopes",
    element,
    refresh: () => load(null),
    frame(kind, body) {
      if (kind !== "envelopes") return;
      if (body.counts) paintCounts(body.counts);
      if (body.more || envelopes.size > PAGE * (pages + 1)) {
        reload();
        return;
      }
      const oldest = cursor && sorted().at(-1);
      let changed = false;
      for (const each of body.envelopes) {
        const known = envelopes.has(each.id);
        if (known && !belongs(each)) changed = envelopes.delete(each.id);
        else if (belongs(each) && (known || !oldest || age(each) > age(oldest))) {
          envelopes.set(each.id, each);
          changed = true;
        }
      }
      if (changed) paint();
    },
    stay(path, parameters) {
      if (path !== "/envelopes") return false;
      status = parameters.get("status") ?? "";
      const wanted = parameters.get("q") ?? "";
      if (wanted !== search.value.trim()) search.value = wanted;
      prefix = wanted;
      pages = 1;
      load(null).then(() => say(`${number(envelopes.size)} envelopes shown`));
      return true;
    },
    close() {
      clearInterval(ticking);
      clearTimeout(typing);
      clearTimeout(reloading);
      controller?.abort();
    },
  };
}

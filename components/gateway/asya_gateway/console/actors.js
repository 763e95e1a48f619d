// The actors: how they stand, what waits for them, how fast they are.

import { get } from "/console/api.js";
import { badge, h, notice, say, setText, show, table } from "/console/dom.js";
import { number, rate, running } from "/console/format.js";

/** Status words of the operator and of the local mesh, by look. */
const LOOKS = {
  Running: ["succeeded", "succeeded"], Napping: ["quiet", "nap"], ScalingUp: ["running", "up"], ScalingDown: ["running", "down"],
  Creating: ["running", "running"], Updating: ["running", "running"], Terminating: ["quiet", "down"], Unknown: ["quiet", "unknown"],
  Degraded: ["warning", "warning"],
};

function statusBadge(status) {
  if (status === null) return h("span", { class: "dim", text: "–" });
  const [kind, shape] = LOOKS[status] ?? ["failed", "failed"];
  return badge(kind, status.replace(/([a-z])([A-Z])/g, "$1 $2"), shape);
}

export function actorsView(session) {
  const list = table({
    caption: "Actors by name", key: (actor) => `${actor.namespace ?? ""}/${actor.name}`,
    columns: [
      { title: "Actor", key: "name" }, { title: "Status", key: "status" }, { title: "Replicas", key: "replicas", numeric: true },
      { title: "Queued", key: "queued", numeric: true }, { title: "In flight", key: "flight", numeric: true },
      { title: "Rate", key: "rate", numeric: true }, { title: "Oldest waits", key: "oldest", numeric: true }, { title: "Dead letters", key: "dead", numeric: true },
    ],
    cells: (actor) => ({
      name: [`${actor.name}/${actor.namespace}`, () => [h("a", { class: "actor", href: `#/charts/${encodeURIComponent(actor.name)}`, "data-keep": `chart-${actor.name}`, title: `Charts of ${actor.name}`, text: actor.name }), actor.namespace ? h("span", { class: "dim", text: actor.namespace }) : null].filter(Boolean)],
      status: [`${actor.status}\n${actor.message}`, () => [statusBadge(actor.status), actor.message ? h("span", { class: "words", title: actor.message, text: actor.message }) : null].filter(Boolean)],
      replicas: [actor.ready === null && actor.desired === null ? "–" : `${number(actor.ready)} of ${number(actor.desired)}`],
      queued: [actor.queued, () => [h("span", { text: number(actor.queued) }), depthBar(actor.queued)]],
      flight: [number(actor.in_flight)],
      rate: [rate(actor.rate)],
      oldest: [actor.oldest_s === null ? "–" : running(actor.oldest_s)],
      dead: [actor.dead_letters, () => actor.dead_letters
        ? h("a", { class: "dead", href: `#/dead-letters/${encodeURIComponent(actor.name)}`, "data-keep": `dead-${actor.name}`, text: number(actor.dead_letters), "aria-label": `${number(actor.dead_letters)} dead letters of ${actor.name}` })
        : number(actor.dead_letters)],
    }),
  });
  let deepest = 1;
  let part = "";
  let typing = 0;
  const search = h("input", { id: "find-actor", type: "search", autocomplete: "off", spellcheck: "false", placeholder: "A part of its name" });
  const finder = h("form", { role: "search", class: "search", submit: (event) => event.preventDefault() }, h("label", { for: "find-actor", text: "Find by name" }), search);
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      part = search.value.trim();
      load().then(() => say(`${list.element.tBodies[0].rows.length} actors shown`));
    }, 200);
  });
  const holder = h("div", { class: "sheet" });
  const problems = h("div", {});
  const note = h("p", { class: "dim" });
  const element = h("div", {}, h("div", { class: "head" }, h("h1", { text: "Actors" }), finder), problems, holder, note);

  function depthBar(queued) {
    const bar = h("span", { class: "depth-fill" });
    bar.style.width = `${queued ? Math.max(2, (queued / deepest) * 100) : 0}%`;
    return h("span", { class: "depth", "aria-hidden": "true" }, bar);
  }

  function paint(found) {
    deepest = Math.max(10, ...found.actors.map((actor) => actor.queued ?? 0));
    const text = found.problems.join("\n");
    if (problems.dataset.text !== text) {
      problems.dataset.text = text;
      show(problems, found.problems.map((problem) => notice("failed", "Not all can be said", problem)));
    }
    const cut = found.total > found.actors.length ? `${number(found.actors.length)} of ${number(found.total)} shown: those that want looking at. ` : "";
    const rates = found.source === "mesh" ? "" : " Rate: completions that were reported to this gateway, over ten seconds.";
    setText(note, cut + (found.source === "queues" ? "Listed by their queues: status and replicas are not known here, see ASYA_GATEWAY_ACTORS." : "") + rates);
    if (found.actors.length) {
      list.update(found.actors);
      if (holder.firstChild !== list.element) show(holder, list.element);
    } else if (part) {
      show(holder, notice("empty", `No actor has “${part}” in its name`, ""));
    } else {
      show(holder, notice("empty", "No actors yet", "Apply an AsyncActor, or bring a local mesh up with: asya local up -f actors.yaml"));
    }
  }

  async function load() {
    try {
      paint(await get(`/api/v1/actors?q=${encodeURIComponent(part)}`));
    } catch (error) {
      if (holder.firstChild !== list.element) show(holder, notice("failed", "The actors could not be loaded", error.message, h("button", { type: "button", class: "primary", click: load, text: "Try again" })));
    }
  }

  show(holder, notice("loading", "Loading the actors…"));
  return {
    title: "Actors",
    element,
    refresh: () => (session.actors && !part && session.connection === "live" ? paint(session.actors) : load()),
    frame: (kind, body) => kind === "actors" && (part ? load() : paint(body)),
    close: () => clearTimeout(typing),
  };
}

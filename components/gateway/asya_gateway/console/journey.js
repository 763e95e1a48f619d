// One envelope: where it is or how it ended, its hops in time, what went in and came out.

import { get, post } from "/console/api.js";
import { ask, h, icon, notice, say, setText, show, table } from "/console/dom.js";
import { ENVELOPE_COLUMNS, envelopeCells, envelopeLink, stateBadge, tookSeconds } from "/console/envelopes.js";
import { ago, bytes, clock, duration, moment, now, running } from "/console/format.js";

const HOP = {
  running: ["running", "At work", "running"],
  completed: ["succeeded", "Completed", "succeeded"],
  retried: ["retried", "Failed, tried again", "retried"],
  failed: ["failed", "Failed", "failed"],
  unfinished: ["unknown", "No end reported", "unknown"],
};
const RELOAD_MS = 400;

export function envelopeView(session, id) {
  let shown = null;
  let controller = null;
  let waiting = 0;
  let asked = 0;
  let ticks = []; // what goes on by itself, piece by piece: drawing all anew would take a selection away

  const copy = h("button", { type: "button", class: "quiet small", "data-keep": "copy", click: copyId, text: "Copy id" });
  // One button for good: a dialog gives the focus back to the very element that had it.
  const cancel = h("button", { type: "button", class: "danger", "data-keep": "cancel", click: cancelIt, text: "Cancel it" });
  const replay = h("button", { type: "button", class: "primary", "data-keep": "replay", click: replayIt, text: "Replay it" });
  const head = h("div", { class: "facts" });
  const answer = h("div", {}); // why an order was refused: it stays while reports go on to come
  const journey = h("section", { "aria-labelledby": "journey-title" });
  const data = h("section", { "aria-labelledby": "data-title", class: "data" });
  const children = h("section", { "aria-labelledby": "children-title", hidden: true });
  const history = h("section", { "aria-labelledby": "history-title" });
  const childList = table({ caption: "Envelopes that its fan-outs made, oldest first", columns: ENVELOPE_COLUMNS, key: (each) => each.id, cells: envelopeCells, rowClass: (each) => `row-${each.status}` });
  const parts = [head, answer, journey, data, children, history];
  const body = h("div", { class: "envelope" });
  const element = h("div", {},
    h("p", { class: "back" }, h("a", { href: "#/envelopes", text: "← Envelopes" })),
    h("div", { class: "head" }, h("h1", { class: "id", text: id }), copy),
    body);
  const ticking = setInterval(() => session.paused || ticks.forEach((tick) => tick()), 1000);

  async function copyId() {
    try {
      await navigator.clipboard.writeText(id);
      say("Id copied");
      setText(copy, "Copied");
    } catch {
      setText(copy, "Not allowed here");
    }
    setTimeout(() => setText(copy, "Copy id"), 2000);
  }

  async function load() {
    const mine = ++asked;
    controller?.abort();
    controller = new AbortController();
    try {
      const found = await get(`/api/v1/envelopes/${encodeURIComponent(id)}`, controller.signal);
      if (mine === asked) paint(found);
    } catch (error) {
      if (error.name === "AbortError" || mine !== asked) return;
      if (error.status === 404) {
        show(body, notice("empty", "No envelope has this id here", "The gateway knows envelopes that were called through it. What was sent to a queue directly leaves no trace here."));
      } else if (!shown) {
        show(body, notice("failed", "The envelope could not be loaded", error.message, h("button", { type: "button", class: "primary", click: load, text: "Try again" })));
      } else {
        say(`The envelope could not be loaded: ${error.message}`);
      }
    }
  }

  function paint(envelope) {
    const before = shown?.status;
    shown = envelope;
    ticks = [];
    if (before && before !== envelope.status) say(`The envelope is ${envelope.status}`);
    paintFacts(envelope);
    paintJourney(envelope);
    paintData(envelope);
    children.hidden = !envelope.children_total;
    if (envelope.children_total) {
      childList.update(envelope.children);
      const cut = envelope.children_total > envelope.children.length ? `the first ${envelope.children.length} of ${envelope.children_total}` : "";
      if (!children.firstChild) show(children, h("h2", { id: "children-title", text: "Children" }), h("p", { class: "dim" }), h("div", { class: "sheet" }, childList.element));
      setText(children.querySelector("p"), cut);
    }
    paintHistory(envelope);
    if (body.firstChild !== head) show(body, parts);
  }

  function traceOf(envelope) {
    if (!envelope.trace_url) return h("code", { text: envelope.trace_id });
    return h("a", { href: envelope.trace_url, target: "_blank", rel: "noreferrer", text: envelope.trace_id });
  }

  function paintFacts(envelope) {
    const open = isOpen(envelope);
    const facts = [
      ["State", stateBadge(envelope.status)],
      ["Created", h("time", { datetime: envelope.created_at, title: ago(envelope.created_at), text: moment(envelope.created_at) })],
      open ? ["Under way for", counted(() => running(tookSeconds(envelope)))] : ["Took", duration(tookSeconds(envelope))],
      envelope.deadline && open ? ["Deadline", counted(() => deadline(envelope.deadline))] : null,
      envelope.parent_id ? ["Made by", envelopeLink(envelope.parent_id)] : null,
      envelope.message && open ? ["Last report", envelope.message] : null,
      envelope.because ? ["Held by", envelope.because] : null,
      envelope.trace_id ? ["Trace", traceOf(envelope)] : null,
    ].filter(Boolean);
    const list = h("dl", {}, facts.map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", {}, value))));
    const held = head.contains(document.activeElement) && document.activeElement.dataset.keep;
    show(head, list, open && session.may.cancel ? cancel : envelope.status === "failed" && session.may.operate ? replay : null);
    if (held) head.querySelector(`[data-keep="${CSS.escape(held)}"]`)?.focus();
  }

  /** A text that is written anew every second. */
  function counted(write) {
    const text = h("span", { text: write() });
    ticks.push(() => setText(text, write()));
    return text;
  }

  function deadline(iso) {
    const left = (Date.parse(iso) - now()) / 1000;
    return left > 0 ? `in ${running(Math.ceil(left))}` : "passed";
  }

  async function cancelIt() {
    const sure = await ask({
      title: "Cancel this envelope?", confirm: "Cancel it", danger: true,
      text: ["It ends as failed, for good.", "A handler that is running is interrupted where the mesh has an object store."],
    });
    if (!sure) return;
    show(answer);
    try {
      await post(`/envelopes/${encodeURIComponent(id)}/cancel`);
      say("Cancelled");
    } catch (error) {
      say(error.message);
      show(answer, notice("failed", "It could not be cancelled", error.message));
      return;
    }
    load();
  }

  async function replayIt() {
    const sure = await ask({
      title: "Replay this envelope?", confirm: "Replay it",
      text: ["It runs again from the hop that failed, with today's code, under the same id.", "Of a group that lacked children, these run again."],
    });
    if (!sure) return;
    show(answer);
    try {
      const done = await post(`/api/v1/envelopes/${encodeURIComponent(id)}/replay`, { from: "hop" });
      const refused = done.refused.map((each) => `${each.id}: ${each.why}`);
      say(done.replayed.length ? `Sent again: ${done.replayed.join(", ")}` : "Nothing was sent again");
      await load();
      if (refused.length) show(answer, notice("failed", "Not sent again", refused.join("; ")));
    } catch (error) {
      say(error.message);
      show(answer, notice("failed", "It could not be replayed", error.message));
    }
  }

  function paintJourney(envelope) {
    const kept = openDetails(journey);
    const hops = envelope.journey.map((hop, place) => hopItem(envelope, hop, place, counted, ticks));
    const onward = isOpen(envelope) ? upcoming(envelope) : [endItem(envelope)];
    const unplaced = envelope.error && !envelope.journey.some((hop) => hop.state === "failed") ? errorBox(envelope) : null;
    show(
      journey,
      h("h2", { id: "journey-title", text: "Journey" }),
      hops.length ? h("p", { class: "legend" }, h("span", { class: "key key-waited" }), "on its way and waiting", h("span", { class: "key key-worked" }), "worked on") : null,
      unplaced,
      hops.length || isOpen(envelope)
        ? h("ol", { class: "hops" }, hops, onward)
        : notice("empty", "No hops are known", isOpen(envelope) ? "It waits for its first actor." : "Either no actor has reported, or its history is older than the gateway keeps."),
    );
    for (const each of journey.querySelectorAll("details")) each.open = kept.get(each.dataset.keep) ?? true;
  }

  function paintData(envelope) {
    const kept = openDetails(data);
    const values = [["Payload", envelope.payload], ["Result", envelope.result]].filter(([, value]) => value);
    show(data, values.length ? [h("h2", { id: "data-title", text: "Data" }), values.map(([title, value]) => valueBox(title, value))] : []);
    data.hidden = !values.length;
    for (const each of data.querySelectorAll("details")) each.open = kept.get(each.dataset.keep) ?? true;
  }

  function paintHistory(envelope) {
    if (!history.firstChild) {
      const events = table({
        caption: "Everything that was reported, oldest first", key: (each) => each.seq,
        columns: [{ title: "Number", key: "seq", numeric: true }, { title: "Time", key: "time" }, { title: "State", key: "status" }, { title: "Actor", key: "actor" }, { title: "Report", key: "report" }],
        cells: (each) => ({
          seq: [each.seq], time: [each.timestamp, () => h("time", { datetime: each.timestamp, text: clock(each.timestamp) })],
          status: [each.status], actor: [each.actor ?? "–"], report: [[each.phase, each.message].filter(Boolean).join(": ")],
        }),
      });
      history.events = events;
      show(history, h("details", { "data-keep": "history" }, h("summary", {}, h("h2", { id: "history-title", text: "Reports" }), h("span", { class: "count" })), h("div", { class: "sheet" }, events.element)));
    }
    history.events.update(envelope.history);
    setText(history.querySelector(".count"), String(envelope.history.length));
  }

  show(body, notice("loading", "Loading the envelope…"));
  return {
    title: id,
    element,
    refresh: load,
    frame(kind, changed) {
      if (kind !== "envelopes") return;
      const concerned = changed.more || changed.envelopes.some((each) => each.id === id || each.parent_id === id);
      if (!concerned || (shown && !isOpen(shown) && !changed.envelopes.some((each) => each.parent_id === id))) return;
      waiting ||= setTimeout(() => {
        waiting = 0;
        if (!session.paused) load();
      }, RELOAD_MS);
    },
    close() {
      clearInterval(ticking);
      clearTimeout(waiting);
      controller?.abort();
    },
  };
}

function isOpen(envelope) {
  return envelope.status === "pending" || envelope.status === "running";
}

/** Which details are open, so that drawing anew leaves them so. */
function openDetails(element) {
  return new Map([...element.querySelectorAll("details")].map((each) => [each.dataset.keep, each.open]));
}

/** The whole way on one scale: from creation to the end, or to now. */
function timeScale(envelope) {
  const from = Date.parse(envelope.created_at);
  const ends = envelope.journey.flatMap((hop) => [hop.began_at, hop.ended_at]).filter(Boolean).map((iso) => Date.parse(iso));
  const to = Math.max(from + 1, isOpen(envelope) ? now() : Date.parse(envelope.updated_at), ...ends);
  return (iso) => Math.min(100, Math.max(0, ((Date.parse(iso) - from) / (to - from)) * 100));
}

function hopItem(envelope, hop, place, counted, ticks) {
  const [kind, word, shape] = HOP[hop.state];
  const runs = hop.state === "running" && isOpen(envelope);
  const waited = hop.waited_s === null ? "" : `waited ${duration(hop.waited_s)}`;
  const worked = hop.took_s === null ? "" : `worked ${duration(hop.took_s)}`;
  const join = (...parts) => parts.filter(Boolean).join(", ");
  const lengths = runs && hop.began_at
    ? counted(() => join(waited, `working for ${running((now() - Date.parse(hop.began_at)) / 1000)}`))
    : join(waited, worked);
  return h(
    "li",
    { class: `hop hop-${kind}` },
    h("span", { class: "knot" }, icon(shape)),
    h(
      "div",
      { class: "hop-body" },
      h("p", { class: "hop-head" },
        h("strong", { class: "actor", text: hop.actor ?? "unnamed actor" }),
        hop.end_actor ? h("span", { class: "tag", text: "end actor" }) : null,
        hop.attempt > 1 ? h("span", { class: "tag", text: `attempt ${hop.attempt}` }) : null,
        h("span", { class: `word word-${kind}`, text: word }),
        h("span", { class: "lengths" }, lengths),
        hop.began_at ? h("time", { class: "dim", datetime: hop.began_at, title: moment(hop.began_at), text: clock(hop.began_at) }) : null),
      hop.began_at ? track(envelope, hop, runs, ticks) : null,
      hop.state === "failed" && envelope.error ? errorBox(envelope, place) : null,
      hop.state === "retried" && hop.error ? retryBox(envelope, hop, place) : null,
    ),
  );
}

/** The hop's time on the scale of the whole way; words beside it say the same. */
function track(envelope, hop, runs, ticks) {
  const waited = hop.left_at ? h("span", { class: "waited" }) : null;
  const worked = hop.ended_at || runs ? h("span", { class: `worked worked-${HOP[hop.state][0]}` }) : null;
  function draw() {
    const scale = timeScale(envelope);
    const put = (piece, from, to) => {
      if (!piece) return;
      piece.style.left = `${scale(from)}%`;
      piece.style.width = `max(2px, ${Math.max(0, scale(to) - scale(from))}%)`;
    };
    put(waited, hop.left_at, hop.began_at);
    put(worked, hop.began_at, runs ? new Date(now()).toISOString() : hop.ended_at);
  }
  draw();
  if (isOpen(envelope)) ticks.push(draw);
  return h("span", { class: "track", "aria-hidden": "true" }, waited, worked);
}

/** The end of the way. */
function endItem(envelope) {
  const failed = envelope.status === "failed";
  const kind = failed ? "failed" : "succeeded";
  return h("li", { class: `hop hop-${kind} hop-end` }, h("span", { class: "knot" }, icon(kind)),
    h("div", { class: "hop-body" }, h("p", { class: "hop-head" },
      h("strong", { text: failed ? "Failed" : "Succeeded" }),
      h("span", { class: "lengths", text: `${duration(tookSeconds(envelope))} in all` }),
      h("time", { class: "dim", datetime: envelope.updated_at, title: moment(envelope.updated_at), text: clock(envelope.updated_at) }))));
}

/** Actors that the route still has before it. */
function upcoming(envelope) {
  const reached = envelope.journey.length ? Math.max(...envelope.journey.map((hop) => hop.index)) : -1;
  const next = reached < 0 ? 0 : reached + 1;
  return envelope.actors.slice(next).map((actor) =>
    h("li", { class: "hop hop-ahead" }, h("span", { class: "knot" }),
      h("div", { class: "hop-body" }, h("p", { class: "hop-head" }, h("strong", { class: "actor", text: actor }), h("span", { class: "word", text: "Not reached yet" })))));
}

function errorBox(envelope, place = 0) {
  const details = envelope.error_details ?? {};
  const title = [details.type, details.message ?? envelope.error].filter(Boolean).join(": ");
  return h("div", { class: "error" },
    h("p", { class: "error-title" }, icon("failed"), h("strong", { text: title })),
    details.message && envelope.error !== details.message && envelope.error !== title ? h("p", { class: "dim", text: `reported as ${envelope.error}` }) : null,
    details.traceback
      ? h("details", { "data-keep": `traceback-${place}` }, h("summary", { text: "Traceback" }), h("pre", { tabindex: "0", "aria-label": "Traceback", text: details.traceback }))
      : null);
}

/** An attempt that failed; while nothing follows it, also when the next one may begin. */
function retryBox(envelope, hop, place) {
  const waits = isOpen(envelope) && place === envelope.journey.length - 1;
  return h("div", { class: "error" },
    h("p", { class: "error-title" }, icon("retried"), h("strong", { text: hop.error })),
    waits ? h("p", { class: "dim" }, "The next attempt may begin at ", h("time", { datetime: hop.retry_at, title: moment(hop.retry_at), text: clock(hop.retry_at) })) : null);
}

function valueBox(title, value) {
  const size = bytes(value.bytes);
  return h("details", { "data-keep": title },
    h("summary", {}, h("span", { text: title }), h("span", { class: "dim", text: ` ${size}` })),
    value.text === null
      ? h("p", { class: "dim", text: `Too large to show here (${size}); GET /envelopes/ID has it whole.` })
      : h("pre", { tabindex: "0", "aria-label": title, text: value.text }));
}


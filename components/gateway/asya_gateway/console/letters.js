// Dead letters: how many of which actor, what they say, and sending them again.

import { get, post } from "/console/api.js";
import { ask, h, icon, notice, show, table } from "/console/dom.js";
import { envelopeLink } from "/console/envelopes.js";
import { bytes, number, plural } from "/console/format.js";

const NO_REASON = "none: the broker moved it";

export function lettersView(session, actor) {
  let opened = actor;
  let counts = null;
  let busy = false;

  const countHolder = h("div", { class: "sheet" });
  const outcome = h("div", { role: "status", class: "outcome" });
  const letterHolder = h("section", { "aria-labelledby": "letters-title", hidden: true });
  const element = h("div", {}, h("div", { class: "head" }, h("h1", { text: "Dead letters" })),
    h("p", { class: "dim intro", text: "Envelopes that an actor could not deal with, set aside by its sidecar or by the broker. Sent again, each has all its attempts; nothing is taken out before the broker has confirmed." }),
    outcome, countHolder, letterHolder);

  const countList = table({
    caption: "Dead letters by actor", key: (each) => each.actor,
    columns: [{ title: "Actor", key: "actor" }, { title: "Dead letters", key: "count", numeric: true }, { title: "What to do", key: "acts" }],
    rowClass: (each) => (each.actor === opened ? "row-open" : ""),
    cells: (each) => ({
      actor: [each.actor, () => h("strong", { class: "actor", text: each.actor })],
      count: [number(each.dead_letters)],
      acts: [`${each.actor === opened} ${busy} ${each.dead_letters}`, () => h("span", { class: "row-acts" },
        h("a", { class: "button", href: `#/dead-letters/${encodeURIComponent(each.actor)}`, "data-keep": "look", "aria-current": each.actor === opened ? "true" : null, "aria-label": `Look at the dead letters of ${each.actor}`, text: "Look" }),
        session.may.operate ? h("button", { type: "button", class: "primary", "data-keep": "all", disabled: busy, click: () => redrive(each.actor, null, each.dead_letters), "aria-label": `Redrive all dead letters of ${each.actor}`, text: "Redrive all" }) : null)],
    }),
  });

  function paintCounts() {
    const shown = counts.filter((each) => each.dead_letters > 0 || each.actor === opened);
    if (shown.length) {
      countList.update(shown);
      if (countHolder.firstChild !== countList.element) show(countHolder, countList.element);
    } else {
      show(countHolder, notice("empty", "No dead letters", "Every actor has dealt with all it was given."));
    }
  }

  async function loadCounts() {
    try {
      counts = (await get("/api/v1/dead-letters")).actors;
      if (opened && !counts.some((each) => each.actor === opened)) counts.push({ actor: opened, dead_letters: 0 });
      paintCounts();
    } catch (error) {
      if (!counts) show(countHolder, notice("failed", "The dead letters could not be counted", error.message, h("button", { type: "button", class: "primary", click: loadCounts, text: "Try again" })));
    }
  }

  async function loadLetters() {
    letterHolder.hidden = !opened;
    if (!opened) return;
    const mine = opened;
    const heading = h("h2", { id: "letters-title", text: `Dead letters of ${opened}` });
    const again = h("button", { type: "button", class: "quiet", click: loadLetters, text: "Look again" });
    const top = h("div", { class: "head" }, heading, again);
    show(letterHolder, top, notice("loading", "Looking at them; they are out of everyone's sight for this moment…"));
    let found;
    try {
      found = await get(`/api/v1/dead-letters?actor=${encodeURIComponent(opened)}&limit=50`);
    } catch (error) {
      const title = error.status === 404 ? "There is no such actor" : error.status === 409 ? "Somebody else is at them" : "They could not be looked at";
      if (mine === opened) show(letterHolder, top, notice("failed", title, error.message));
      return;
    }
    if (mine !== opened) return;
    if (!found.entries.length) {
      show(letterHolder, top, notice("empty", `${opened} has no dead letters`, ""));
      return;
    }
    const cut = found.total > found.entries.length ? `The first ${number(found.entries.length)} of about ${number(found.total)}.` : `${plural(found.entries.length, "dead letter")}.`;
    show(letterHolder, top, h("p", { class: "dim", text: cut }), h("ul", { class: "letters" }, found.entries.map(letterItem)));
  }

  function letterItem(letter) {
    const title = letter.id === null ? h("span", { class: "id", text: `no envelope: ${letter.problem ?? "its bytes cannot be read"}` }) : envelopeLink(letter.id);
    const facts = [
      letter.route ? ["Route", letter.route.actors.map((name, place) => (place === letter.route.current ? `[${name}]` : name)).join(" → ")] : null,
      ["Attempts", letter.attempts === null ? "–" : number(letter.attempts)],
      ["Deliveries", letter.deliveries === null ? "–" : number(letter.deliveries)],
      ["Size", bytes(letter.size_bytes)],
    ].filter(Boolean);
    return h("li", { class: "letter" },
      h("div", { class: "letter-head" }, title,
        session.may.operate && letter.id !== null
          ? h("button", { type: "button", disabled: busy, click: () => redrive(opened, letter.id, 1), "aria-label": `Redrive ${letter.id}`, text: "Redrive" })
          : null),
      h("p", { class: "reason" }, icon("warning"), h("span", {}, h("span", { class: "unseen", text: "Reason: " }), letter.reason ?? NO_REASON)),
      h("dl", { class: "inline" }, facts.map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", { text: value })))),
      h("details", {}, h("summary", { text: "Body" }), h("pre", { tabindex: "0", "aria-label": "Body of the dead letter", text: pretty(letter) })));
  }

  function pretty(letter) {
    return letter.body_cut ? `${letter.body}\n… cut, it has ${bytes(letter.size_bytes)}` : letter.body;
  }

  async function redrive(name, id, count) {
    const sure = await ask({
      title: id ? "Send this dead letter again?" : `Send all ${number(count)} dead letters of ${name} again?`,
      text: [id ? `${id} goes back to the queue of ${name} with all its attempts.` : `Each goes back to the queue it was taken from, with all its attempts.`,
        "Whatever made it fail should be mended first, or it comes back here. In the list of envelopes it stays failed: final is final."],
      confirm: "Redrive",
    });
    if (!sure || busy) return;
    busy = true;
    paintCounts();
    show(outcome, notice("loading", "Sending…"));
    try {
      const tally = await post("/api/v1/dead-letters/redrive", id ? { actor: name, id } : { actor: name });
      show(outcome, tallyNotice(tally, name));
    } catch (error) {
      const lacks = error.status === 403 ? " Ask for a token with the scope “operate”." : "";
      show(outcome, notice("failed", "Nothing was sent", error.message + lacks));
    }
    busy = false;
    await loadCounts();
    if (opened === name) await loadLetters();
  }

  function tallyNotice(tally, name) {
    const failures = tally.failures.map((failure) => h("p", { text: `kept: ${number(failure.count)}: ${failure.reason}` }));
    const rest = [
      tally.interrupted ? "The time for one request was over; redrive again to go on." : "",
      tally.uncertain ? `Perhaps still there, as duplicates: ${number(tally.uncertain)}.` : "",
      tally.error ?? "",
    ].filter(Boolean).join(" ");
    const bad = tally.failed || tally.error;
    return h("div", { class: `notice notice-${bad ? "failed" : "done"}` }, icon(bad ? "warning" : "succeeded"),
      h("div", {}, h("p", { class: "notice-title", text: `${plural(tally.redriven, "dead letter")} of ${name} sent again` }), rest ? h("p", { text: rest }) : null, failures));
  }

  function open() {
    loadCounts();
    loadLetters();
  }

  show(countHolder, notice("loading", "Counting dead letters…"));
  return {
    title: "Dead letters",
    element,
    refresh: open,
    frame(kind, body) {
      if (kind !== "actors" || !counts || busy) return;
      const known = new Map(counts.map((each) => [each.actor, each]));
      for (const each of body.actors) {
        if (each.dead_letters !== null) known.set(each.name, { actor: each.name, dead_letters: each.dead_letters });
      }
      counts = [...known.values()].sort((one, other) => (one.actor < other.actor ? -1 : 1));
      paintCounts();
    },
    stay(path) {
      const match = path.match(/^\/dead-letters(?:\/(.+))?$/);
      if (!match) return false;
      opened = match[1] ? decodeURIComponent(match[1]) : null;
      if (counts) paintCounts();
      loadLetters().then(() => {
        const heading = document.getElementById("letters-title");
        heading?.setAttribute("tabindex", "-1");
        heading?.focus();
      });
      return true;
    },
  };
}


// Charts of the last hours: depth, rate, handler calls and replicas, of one actor or of all.

import { get } from "/console/api.js";
import { h, notice, setText, show } from "/console/dom.js";
import { duration, number, rate } from "/console/format.js";

const SOON_MS = 15_000;
const HEIGHT = 210;
const count = (value) => number(Math.round(value * 100) / 100);

/** Of each chart: its lines by field of the answer, the second one dashed, so that none is told by colour alone. */
const CHARTS = [
  { title: "Envelopes", text: "waiting in the queue, and in work", write: count, lines: [["Queued", "queued"], ["In flight", "in_flight"]] },
  { title: "Rate", text: "envelopes finished a second", write: rate, lines: [["Finished", "rate"]] },
  { title: "Handler calls", text: "how long one takes", write: duration, lines: [["p50", "p50_s"], ["p99", "p99_s"]] },
  { title: "Replicas", text: "that work, and that there should be", write: count, stepped: true, lines: [["Ready", "ready"], ["Desired", "desired"]] },
];

/** Hours and minutes, and seconds where the marks are closer than a minute. */
function marks(splits) {
  return splits.map((each) => (splits.length > 1 && splits[1] - splits[0] < 60 ? clock(each) : clock(each).slice(0, 5)));
}

function clock(seconds) {
  return new Date(seconds * 1000).toTimeString().slice(0, 8);
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Say a chart in words: what it shows last, and at most. */
function words(chart, body) {
  const said = chart.lines.map(([title, field]) => {
    const known = body[field].filter((value) => value !== null);
    return known.length ? `${title}: ${chart.write(known.at(-1))} now, at most ${chart.write(Math.max(...known))}` : `${title}: not known`;
  });
  return `${said.join("; ")}.`;
}

function drawing(chart) {
  const place = h("div", { class: "chart", "aria-hidden": "true" });
  const said = h("p", { class: "dim" });
  const figure = h("figure", { class: "sheet chart-sheet" },
    h("figcaption", {}, h("h2", { text: chart.title }), h("span", { class: "dim", text: chart.text })), place, said);
  let plot = null;
  let data = null;

  function options(width) {
    const [ink, line] = [colour("--dim"), colour("--line")];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
    const colours = [colour("--accent"), colour("--warn")];
    const stepped = chart.stepped ? globalThis.uPlot.paths.stepped({ align: 1 }) : undefined;
    return {
      width, height: HEIGHT,
      cursor: { y: false },
      scales: { y: { range: (_, low, high) => [0, Math.max(high ?? 0, low ?? 0) * 1.08 || 1] } },
      axes: [
        { ...axis, space: 70, values: (_, splits) => marks(splits) },
        { ...axis, size: 66, values: (_, splits) => splits.map((value) => chart.write(value)) },
      ],
      series: [
        { label: "Time", value: (_, value) => (value === null ? "–" : clock(value)) },
        ...chart.lines.map(([label], which) => ({
          label, stroke: colours[which], width: 2, dash: which ? [6, 4] : undefined, paths: stepped, spanGaps: false,
          points: { size: 5 }, value: (_, value) => (value === null || value === undefined ? "–" : chart.write(value)),
        })),
      ],
    };
  }

  /** Draw anew: colours and widths are the plot's for its life. */
  function redraw() {
    plot?.destroy();
    plot = null;
    if (data && place.clientWidth) plot = new globalThis.uPlot(options(place.clientWidth), data, place);
  }

  function update(body) {
    data = [body.times, ...chart.lines.map(([, field]) => body[field])];
    setText(said, words(chart, body));
    if (plot) plot.setData(data);
    else redraw();
  }

  const sized = new ResizeObserver(() => {
    if (plot && place.clientWidth) plot.setSize({ width: place.clientWidth, height: HEIGHT });
    else redraw();
  });
  sized.observe(place);
  return { figure, update, redraw, close: () => { sized.disconnect(); plot?.destroy(); } };
}

export function chartsView(session, actor) {
  let chosen = actor;
  let timer = 0;
  let closed = false;
  const select = h("select", { id: "chart-actor", change: () => { location.hash = select.value ? `#/charts/${encodeURIComponent(select.value)}` : "#/charts"; } });
  const problem = h("div", {});
  const drawings = CHARTS.map(drawing);
  const sheets = h("div", { class: "charts", hidden: true }, drawings.map((each) => each.figure));
  const note = h("p", { class: "dim" });
  const element = h("div", {},
    h("div", { class: "head" }, h("h1", { text: "Charts" }), h("div", { class: "search" }, h("label", { for: "chart-actor", text: "Actor" }), select)),
    problem, sheets, note);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => drawings.forEach((each) => each.redraw());
  dark.addEventListener("change", repaint);

  function paintActors(names) {
    const all = chosen && !names.includes(chosen) ? [...names, chosen].sort() : names;
    const shown = all.join("\n");
    if (select.dataset.shown !== shown) {
      select.dataset.shown = shown;
      show(select, h("option", { value: "", text: "All actors" }), all.map((name) => h("option", { value: name, text: name })));
    }
    select.value = chosen ?? "";
  }

  function paint(body) {
    paintActors(body.actors);
    const empty = body.times.length === 0 || (chosen && !body.actors.includes(chosen));
    sheets.hidden = Boolean(empty);
    show(problem, empty ? notice("empty", chosen ? `Nothing is known of ${chosen} yet` : "No samples yet", `One is taken every ${duration(body.every_s)}.`) : null);
    setText(note, `A sample every ${duration(body.every_s)}, kept by this gateway in memory: ${chosen ? "" : "of all actors together, and of calls the slowest actor's; "}a restart begins anew.`);
    if (!empty) drawings.forEach((each) => each.update(body));
    again(Math.max(1000, Math.min(SOON_MS, body.every_s * 1000)));
  }

  /** Ask again by and by; a page that is paused, or that nobody looks at, asks for nothing. */
  function again(afterMs) {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(() => (session.paused || document.visibilityState === "hidden" ? again(afterMs) : load()), afterMs);
  }

  async function load() {
    const asked = chosen;
    try {
      const body = await get(`/api/v1/history?actor=${encodeURIComponent(asked ?? "")}`);
      if (asked === chosen && !closed) paint(body);
    } catch (error) {
      if (closed) return;
      if (sheets.hidden) show(problem, notice("failed", "The charts could not be loaded", error.message, h("button", { type: "button", class: "primary", click: load, text: "Try again" })));
      again(SOON_MS);
    }
  }

  show(problem, notice("loading", "Loading the charts…"));
  paintActors([]);
  return {
    title: "Charts",
    element,
    refresh: load,
    stay(path) {
      const match = path.match(/^\/charts(?:\/(.+))?$/);
      if (!match) return false;
      chosen = match[1] ? decodeURIComponent(match[1]) : null;
      load();
      return true;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      dark.removeEventListener("change", repaint);
      drawings.forEach((each) => each.close());
    },
  };
}

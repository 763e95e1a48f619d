// Talks to the gateway: requests with the user's token, and the feed of what changes.

import { followClock } from "/console/format.js";

const TOKEN = "asya-token";
const SILENCE_MS = 40_000; // the gateway sends a sign of life every 15 s
const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15_000];

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

export function keepToken(text) {
  if (text) sessionStorage.setItem(TOKEN, text);
  else sessionStorage.removeItem(TOKEN);
}

function headers(more = {}) {
  return token() ? { ...more, Authorization: `Bearer ${token()}` } : more;
}

async function answer(response) {
  followClock(response.headers.get("date"));
  if (response.ok) return response.json();
  throw new Refused(response.status, (await response.text()).trim().slice(0, 400) || `status ${response.status}`);
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The gateway does not answer.");
  }
  return answer(response);
}

export function get(path, signal) {
  return request(path, { headers: headers(), signal });
}

export function post(path, body) {
  return request(path, {
    method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body ?? {}),
  });
}

/**
 * Follow the feed until it is closed, coming back after every cut.
 * on: {frame(kind, body), state("live" | "connecting" | "lost"), refused(error)}
 */
export function follow(on) {
  let ended = false;
  let cut = null;
  let failures = 0;

  async function once() {
    cut = new AbortController();
    let watchdog = setTimeout(() => cut.abort(), SILENCE_MS);
    try {
      const response = await fetch("/api/v1/feed", { headers: headers(), signal: cut.signal, cache: "no-store" });
      if (!response.ok) throw new Refused(response.status, (await response.text()).trim());
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let held = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        on.state("live");
        failures = 0;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => cut.abort(), SILENCE_MS);
        const blocks = (held + value).split("\n\n");
        held = blocks.pop();
        for (const block of blocks) tell(block);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  function tell(block) {
    let kind = "";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) kind = line.slice(7);
      if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (kind && !ended) on.frame(kind, JSON.parse(data));
  }

  async function run() {
    while (!ended) {
      try {
        await once();
      } catch (error) {
        if (ended) return;
        if (error instanceof Refused && (error.status === 401 || error.status === 403)) return on.refused(error);
      }
      if (ended) return;
      on.state(failures ? "lost" : "connecting");
      const pause = PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)];
      await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
    }
  }

  run();
  return () => {
    ended = true;
    cut?.abort();
  };
}

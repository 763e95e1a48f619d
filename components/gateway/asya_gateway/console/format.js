// Writes times, lengths of time and numbers for people.

let skewMs = 0;

/** Follow the gateway's clock where this machine's is off. */
export function followClock(dateHeader) {
  const theirs = Date.parse(dateHeader ?? "");
  const off = theirs - Date.now();
  skewMs = Number.isFinite(off) && Math.abs(off) > 2500 ? off : 0;
}

/** Milliseconds since 1970 by the gateway's clock. */
export function now() {
  return Date.now() + skewMs;
}

/** 12 ms, 1.24 s, 3m 05s, 2h 10m, 4d 3h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 0.001) return seconds > 0 ? "<1 ms" : "0 ms";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86400)}d ${Math.floor((whole % 86400) / 3600)}h`;
}

/** What goes on: in whole seconds, so that it counts evenly. */
export function running(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : duration(whole);
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** How long ago, in steps that a list can show without flickering. */
export function ago(iso) {
  const seconds = Math.max(0, (now() - Date.parse(iso)) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** A moment in full, in this machine's time zone. */
export function moment(iso) {
  const time = new Date(iso);
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${clock(iso)}`;
}

/** The time of day to the millisecond. */
export function clock(iso) {
  const time = new Date(iso);
  const ms = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`;
}

/** Seconds between two moments. */
export function between(from, to) {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}

const NUMBERS = new Intl.NumberFormat("en");

export function number(value) {
  return value === null || value === undefined ? "–" : NUMBERS.format(value);
}

export function rate(value) {
  if (value === null || value === undefined) return "–";
  if (value <= 0) return "0/s";
  return value < 10 ? `${Number(value.toPrecision(2))}/s` : `${NUMBERS.format(Math.round(value))}/s`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

export function plural(count, word) {
  return `${number(count)} ${word}${count === 1 ? "" : "s"}`;
}

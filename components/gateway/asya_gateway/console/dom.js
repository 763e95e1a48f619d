// Builds elements. Text becomes text nodes and never markup; the page's policy (Trusted Types) refuses anything else.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: attributes (functions are listeners, null and false are left out), then children. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const ICONS = {
  pending: ["M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Z"],
  running: ["M8 2.5A5.5 5.5 0 0 1 13.5 8", "M8 13.5A5.5 5.5 0 0 1 2.5 8", "M8 6.5v3M6.5 8h3"],
  succeeded: ["m3 8.6 3.2 3.2L13 4.8"],
  failed: ["m4 4 8 8M12 4l-8 8"],
  retried: ["M12.5 8a4.5 4.5 0 1 1-1.4-3.3M12.8 2.6v2.6h-2.6"],
  unknown: ["M5.8 6a2.2 2.2 0 1 1 3 2.1c-.6.3-.8.7-.8 1.4M8 12.2v.3"],
  warning: ["M8 2.6 14 13H2L8 2.6Z", "M8 6.8v2.8M8 11.3v.2"],
  nothing: ["M2.5 4h11v8.5h-11z", "m2.8 4.6 5.2 4 5.2-4"],
  nap: ["M11.5 10.6A5 5 0 0 1 6.2 3.4 5 5 0 1 0 11.5 10.6Z"],
  up: ["M8 12.5v-9M4.2 7.2 8 3.4l3.8 3.8"],
  down: ["M8 3.5v9M4.2 8.8 8 12.6l3.8-3.8"],
};

/** Draw an icon; words beside it say the same. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  fill(drawing, { viewBox: "0 0 16 16", class: `icon icon-${name}`, "aria-hidden": "true", focusable: "false" }, []);
  for (const path of ICONS[name] ?? ICONS.unknown) {
    drawing.append(fill(document.createElementNS(SVG, "path"), { d: path }, []));
  }
  return drawing;
}

/** Write a state as icon and word. */
export function badge(kind, word, shape = kind) {
  return h("span", { class: `badge badge-${kind}` }, icon(shape), h("span", { text: word }));
}

/** Replace what is inside an element. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(3).filter(Boolean));
}

/** Set a text only where it differs, so that nothing is announced or selected away in vain. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make a table whose rows are updated in place, so that focus, selection and screen readers stay where they are.
 * Roles are written out because narrow screens show rows as cards, which takes a table's own roles away.
 * columns: [{title, key, numeric?}]; cells(item): nodes or texts by key.
 */
export function table({ caption, columns, key, cells, rowClass = () => "" }) {
  const head = columns.map((column) =>
    h("th", { scope: "col", role: "columnheader", class: column.numeric ? "number" : null, text: column.title }),
  );
  const body = h("tbody", { role: "rowgroup" });
  const element = h(
    "table",
    { role: "table" },
    h("caption", { class: "unseen", text: caption }),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    body,
  );
  const rows = new Map();

  function makeRow() {
    const cellsOfRow = columns.map((column, place) =>
      h(place ? "td" : "th", {
        role: place ? "cell" : "rowheader", scope: place ? null : "row",
        class: [column.numeric ? "number" : "", `cell-${column.key}`].join(" ").trim(), "data-label": column.title,
      }),
    );
    return { element: h("tr", { role: "row" }, cellsOfRow), cells: cellsOfRow, signatures: [] };
  }

  function setRow(row, item) {
    const contents = cells(item);
    columns.forEach((column, place) => {
      const [signature, make] = contents[column.key];
      if (row.signatures[place] === signature) return;
      row.signatures[place] = signature;
      const made = make ? make() : String(signature ?? "");
      const cell = row.cells[place];
      const held = cell.contains(document.activeElement) && document.activeElement.dataset.keep;
      show(cell, Array.isArray(made) ? made : [made]);
      if (held) cell.querySelector(`[data-keep="${held}"]`)?.focus();
    });
    row.element.className = rowClass(item);
  }

  /** Show these items in this order. */
  function update(items) {
    const wanted = new Set(items.map(key));
    for (const [name, row] of rows) {
      if (!wanted.has(name)) {
        row.element.remove();
        rows.delete(name);
      }
    }
    items.forEach((item, place) => {
      const name = key(item);
      let row = rows.get(name);
      if (!row) rows.set(name, (row = makeRow()));
      setRow(row, item);
      if (body.children[place] !== row.element) body.insertBefore(row.element, body.children[place] ?? null);
    });
  }

  return { element, update };
}

/** Say something to screen readers. */
export function say(text) {
  const spoken = document.getElementById("spoken");
  spoken.textContent = "";
  setTimeout(() => (spoken.textContent = text), 50);
}

/** Ask in a dialog; resolves to whether it was confirmed. Focus returns to where it was. */
export function ask({ title, text, confirm, danger = false }) {
  return new Promise((resolve) => {
    const close = (answer) => () => dialog.close(answer);
    const dialog = h(
      "dialog",
      { "aria-labelledby": "ask-title" },
      h("h2", { id: "ask-title", text: title }),
      text.map((line) => h("p", { text: line })),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", class: "quiet", click: close(""), text: "Leave it" }),
        h("button", { type: "button", class: danger ? "danger" : "primary", click: close("yes"), text: confirm }),
      ),
    );
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** One of the states that are no data: loading, empty, failed. */
export function notice(kind, title, text, ...actions) {
  const role = kind === "failed" ? "alert" : null;
  return h(
    "div",
    { class: `notice notice-${kind}`, role },
    kind === "loading" ? h("span", { class: "spinner", "aria-hidden": "true" }) : icon({ failed: "warning", empty: "nothing" }[kind]),
    h("div", {}, h("p", { class: "notice-title", text: title }), text ? h("p", { text }) : null, actions),
  );
}

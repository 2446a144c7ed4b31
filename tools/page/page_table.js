// SPDX-License-Identifier: Apache-2.0
/* Rows as a table, some hundred at a time. */

const STEP = 200;
const CELLS = 20000;
const CELL_MOST = 300;

function showBytes(bytes) {
  const shown = Array.from(bytes.slice(0, 16), (one) => one.toString(16).padStart(2, "0")).join("");
  return make("td", "blob", `x'${shown}${bytes.length > 16 ? "…" : ""}'`, make("small", "", ` ${counted(bytes.length, "byte")}`));
}

/** A time in microseconds as one that is read, in UTC, with each of its digits. */
function showTime(value) {
  const us = BigInt(value.text);
  const date = new Date(Number(us / 1000n));
  if (us < 0n || Number.isNaN(date.getTime())) return showCell(value);
  const cell = make("td", "time", `${date.toISOString().slice(0, -1).replace("T", " ")}${String(us % 1000n).padStart(3, "0")}`);
  cell.title = value.text;
  return cell;
}

function showCell(value) {
  if (value === null) return make("td", "null", "NULL");
  if (value instanceof Numeral) return make("td", "number", value.text);
  const bytes = bytesOf(value);
  if (bytes) return showBytes(bytes);
  const text = String(value);
  if (text === "") return make("td", "empty", make("span", "visually-hidden", "empty text"));
  if (text.length <= CELL_MOST) return make("td", "text", text);
  const short = [...text.slice(0, CELL_MOST + 1)].slice(0, -1).join("");
  const all = make("button", "more", `… all ${grouped(text.length)} characters`);
  const cell = make("td", "text", short, all);
  all.type = "button";
  all.addEventListener("click", () => cell.replaceChildren(text));
  return cell;
}

/** A table of them, with a button for those that aren't shown yet. Columns of these names are times. */
function showTable(columns, rows, label, times = []) {
  const show = (value, at) => (value instanceof Numeral && times.includes(columns[at]) ? showTime(value) : showCell(value));
  const body = make("tbody", "");
  const head = make("tr", "", ...columns.map((name, at) => {
    const cell = make("th", rows.find((row) => row[at] !== null)?.[at] instanceof Numeral ? "number" : "", name);
    cell.scope = "col";
    return cell;
  }));
  const caption = make("caption", "visually-hidden", label);
  const more = make("button", "quiet", "");
  const step = Math.max(1, Math.min(STEP, Math.floor(CELLS / columns.length)));
  let shown = 0;
  more.type = "button";
  function grow() {
    const end = Math.min(rows.length, shown + step);
    for (; shown < end; shown++) body.append(make("tr", "", ...rows[shown].map(show)));
    more.hidden = shown >= rows.length;
    more.textContent = `Show ${grouped(Math.min(step, rows.length - shown))} more of ${grouped(rows.length)}`;
  }
  more.addEventListener("click", grow);
  grow();
  const scroll = make("div", "scroll", make("table", "", caption, make("thead", "", head), body));
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", label);
  return make("div", "rows", scroll, more);
}

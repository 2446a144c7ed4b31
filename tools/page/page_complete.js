// SPDX-License-Identifier: Apache-2.0
/*
 * Completion in the query box: a list under the caret. Tab takes what is chosen, Enter only where the list was asked for (Ctrl-Space) or an arrow
 * moved in it, so that a new line stays one.
 */

const CHOICES_MOST = 12;
const KEYWORDS = (
  "SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT OFFSET JOIN LEFT INNER CROSS ON USING AS AND OR NOT IN IS NULL LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END " +
  "DISTINCT UNION ALL EXCEPT INTERSECT WITH RECURSIVE VALUES INSERT INTO UPDATE SET DELETE RETURNING CREATE TABLE INDEX VIEW DROP ALTER ADD COLUMN PRIMARY KEY " +
  "UNIQUE DEFAULT REFERENCES CONFLICT DO NOTHING ASC DESC OVER PARTITION CAST COLLATE EXPLAIN ROUTE COUNT SUM AVG MIN MAX TOTAL COALESCE ROUND " +
  "FOR SYSTEM_TIME OF POSITION"
).split(" ");

/** What may be typed: names of tables, each with its columns. */
const schema = { tables: new Map() };

async function readSchema() {
  const found = await askSql(
    "SELECT t.name, t.type, t.wr, c.name, c.type, c.pk FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c " +
      "WHERE t.schema = 'main' AND t.type <> 'shadow' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND t.name NOT LIKE '\\_rhei\\_%' ESCAPE '\\' AND c.hidden <> 1 ORDER BY t.name, c.cid",
    { route: "oltp" },
  );
  schema.tables = new Map();
  for (const [table, type, , column, declared, key] of found.rows) {
    if (!schema.tables.has(table)) schema.tables.set(table, { name: table, type, columns: [], keys: [] });
    const one = schema.tables.get(table);
    one.columns.push({ name: column, type: declared ?? "" });
    if (Number(key.text) > 0) one.keys[Number(key.text) - 1] = column;
  }
}

const needsQuotes = (name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || KEYWORDS.includes(name.toUpperCase());
const asTyped = (name) => (needsQuotes(name) ? quoted(name) : name);

/** The word before the caret, and the name before its dot. */
function wordBefore(text, caret) {
  const found = /(?:("(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_]*)\.)?("?[\p{L}\p{N}_]*)$/u.exec(text.slice(0, caret));
  const before = found?.[1]?.startsWith('"') ? found[1].slice(1, -1).replaceAll('""', '"') : found?.[1];
  return { word: found?.[2] ?? "", of: before };
}

function within(text, caret) {
  const before = text.slice(0, caret).replace(/'(?:[^']|'')*'/g, "").replace(/--[^\n]*\n/g, "");
  return before.includes("'") || before.includes("--"); // a text or a comment has no names
}

/** What could stand there, best first: [{text, kind}]. */
function findChoices(text, caret) {
  const { word, of } = wordBefore(text, caret);
  const start = word.replace(/^"/, "").toLowerCase();
  const fits = (name) => name.toLowerCase().startsWith(start);
  const lower = text.toLowerCase();
  const tables = [...schema.tables.values()];
  const named = tables.filter((one) => lower.includes(one.name.toLowerCase()));
  const columnsOf = (list) => list.flatMap((one) => one.columns.filter((column) => fits(column.name)).map((column) => ({ text: asTyped(column.name), kind: `${one.name} ${column.type}`.trim() })));
  if (within(text, caret)) return [];
  if (of !== undefined) {
    const alias = new RegExp(`([\\p{L}_][\\p{L}\\p{N}_]*|"(?:[^"]|"")+")\\s+(?:as\\s+)?${of.replace(/[^\p{L}\p{N}_]/gu, "\\$&")}\\b`, "iu").exec(text)?.[1];
    return columnsOf(tables.filter((one) => [of, alias].some((name) => name?.replace(/^"|"$/g, "").toLowerCase() === one.name.toLowerCase())));
  }
  const found = tables.filter((one) => fits(one.name)).map((one) => ({ text: asTyped(one.name), kind: one.type }));
  const wantsTable = /\b(from|join|into|update|table)\s+"?[\p{L}\p{N}_]*$/iu.test(text.slice(0, caret));
  const all = wantsTable ? found : [...columnsOf(named), ...found, ...KEYWORDS.filter(fits).map((one) => ({ text: one, kind: "keyword" }))];
  const seen = new Set();
  return all.filter((one) => !seen.has(one.text) && seen.add(one.text)).slice(0, CHOICES_MOST);
}

// Where the caret is, by a copy of the text up to it.
function caretPlace(box, copy) {
  const mark = make("span", "", "\u200b");
  copy.replaceChildren(box.value.slice(0, box.selectionStart), mark);
  return { left: mark.offsetLeft - box.scrollLeft, top: mark.offsetTop + mark.offsetHeight - box.scrollTop };
}

/** Makes a textarea complete into a list. */
function startCompletion(box, list, copy) {
  let choices = [], chosen = 0, asked = false;

  function close() {
    choices = [];
    list.hidden = true;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  }

  function choose(at) {
    chosen = (at + choices.length) % choices.length;
    [...list.children].forEach((one, nth) => one.setAttribute("aria-selected", nth === chosen ? "true" : "false"));
    box.setAttribute("aria-activedescendant", list.children[chosen].id);
    list.children[chosen].scrollIntoView({ block: "nearest" });
  }

  function accept(at) {
    const { word } = wordBefore(box.value, box.selectionStart);
    const begin = box.selectionStart - word.length;
    box.setRangeText(choices[at].text, begin, box.selectionStart, "end");
    close();
    box.focus();
  }

  function open(byHand) {
    const { word, of } = wordBefore(box.value, box.selectionStart);
    asked = byHand;
    choices = byHand || word !== "" || of !== undefined ? findChoices(box.value, box.selectionStart) : [];
    if (choices.length === 0 || (choices.length === 1 && choices[0].text.toLowerCase() === word.toLowerCase())) return close();
    list.replaceChildren(...choices.map((one, at) => {
      const option = make("li", "", make("span", "", one.text), make("small", "", one.kind));
      option.id = `choice${at}`;
      option.setAttribute("role", "option");
      option.addEventListener("mousedown", (event) => {
        event.preventDefault();
        accept(at);
      });
      return option;
    }));
    list.hidden = false;
    const place = caretPlace(box, copy);
    list.style.left = `${Math.max(0, Math.min(place.left, box.clientWidth - list.offsetWidth))}px`;
    list.style.top = `${Math.min(place.top, box.clientHeight)}px`;
    box.setAttribute("aria-expanded", "true");
    choose(0);
  }

  box.addEventListener("input", () => open(false));
  box.addEventListener("blur", close);
  box.addEventListener("click", close);
  box.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.ctrlKey && event.key === " ") open(true);
    else if (list.hidden || !plain || event.isComposing) return;
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      asked = true;
      choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if ((event.key === "Tab" && !event.shiftKey) || (event.key === "Enter" && asked)) accept(chosen);
    else if (event.key === "Escape") close();
    else {
      if (event.key === "Enter" || event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") close();
      return;
    }
    event.preventDefault();
  });
  return close;
}

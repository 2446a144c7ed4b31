// SPDX-License-Identifier: Apache-2.0
/* The tables: how each is doing in the column store, its columns, its rows by pages, and its history where one is kept. */

const PAGE_ROWS = 100;
const TIMES = ["_rhei_valid_from", "_rhei_valid_to"];
const browsing = { table: null, history: false, page: 0, asking: 0, list: "" };

function tableStates() {
  return new Map((lastStatus?.tables ?? []).map((one) => [one.name, one]));
}

// "history" is where versions are kept: they are shown with their table.
function allTables() {
  const names = new Set([...schema.tables.keys(), ...[...tableStates().keys()].filter((one) => !one.startsWith("history."))]);
  return [...names].sort((a, b) => a.localeCompare(b));
}

function showTables() {
  const states = tableStates();
  const names = allTables();
  const wanted = JSON.stringify(names.map((name) => [name, states.get(name) && [String(states.get(name).rows), states.get(name).state, states.get(name).message, states.get(name).keeps_history], name === browsing.table]));
  if (wanted === browsing.list) return; // a button that is being pressed stays
  browsing.list = wanted;
  const list = names.map((name) => {
    const state = states.get(name);
    const button = make("button", "table", make("span", "name", name));
    button.type = "button";
    button.append(make("small", "", state ? counted(state.rows, "row") : (schema.tables.get(name)?.type ?? "")), make("span", `state ${state?.state ?? ""}`, state?.state ?? ""));
    if (state?.message) button.title = state.message;
    button.setAttribute("aria-current", String(name === browsing.table));
    button.addEventListener("click", () => openTable(name));
    return make("li", "", button);
  });
  if (names.length === 0) list.push(make("li", "note", "There are no tables yet."));
  const at = [...byId("tables").querySelectorAll("button")].indexOf(document.activeElement);
  byId("tables").replaceChildren(...list);
  if (at >= 0) byId("tables").querySelectorAll("button")[at]?.focus();
}

/** A table of another source is SOURCE.NAME, where no table of ours has that name. */
function sqlName(name) {
  const dot = name.indexOf(".");
  return schema.tables.has(name) || dot < 0 ? quoted(name) : `${quoted(name.slice(0, dot))}.${quoted(name.slice(dot + 1))}`;
}

function pageSql() {
  const table = schema.tables.get(browsing.table);
  const end = ` LIMIT ${PAGE_ROWS + 1} OFFSET ${browsing.page * PAGE_ROWS}`;
  if (browsing.history) return `SELECT * FROM ${quoted(`${browsing.table}_history`)} ORDER BY _rhei_seq DESC${end}`;
  const keys = table?.keys.length > 0 ? table.keys.map(quoted).join(", ") : table?.type === "table" ? "rowid" : "";
  return `SELECT * FROM ${sqlName(browsing.table)}${keys && ` ORDER BY ${keys}`}${end}`;
}

function showColumns() {
  const table = schema.tables.get(browsing.table);
  const columns = (table?.columns ?? []).map((one) => make("li", table.keys.includes(one.name) ? "key" : "", one.name, make("small", "", ` ${one.type || "any"}${table.keys.includes(one.name) ? ", key" : ""}`)));
  byId("columns").replaceChildren(...columns);
}

async function showPage() {
  const nth = ++browsing.asking;
  byId("browser").setAttribute("aria-busy", "true");
  try {
    const answer = await askSql(pageSql());
    if (nth !== browsing.asking) return;
    const rows = answer.rows.slice(0, PAGE_ROWS);
    const first = browsing.page * PAGE_ROWS;
    const more = answer.rows.length > PAGE_ROWS || answer.full || answer.lost;
    byId("page-rows").replaceChildren(rows.length > 0 ? showTable(answer.columns, rows, `${browsing.history ? "History" : "Rows"} of ${browsing.table}`, browsing.history ? TIMES : []) : make("p", "note", browsing.history ? "No version is kept yet." : "No rows here."));
    byId("place").textContent = rows.length > 0 ? `${browsing.history ? "versions" : "rows"} ${grouped(first + 1)} to ${grouped(first + rows.length)}${more ? "" : ", the last"}` : "";
    byId("back").disabled = browsing.page === 0;
    byId("next").disabled = answer.rows.length <= PAGE_ROWS;
    const left = answer.full || answer.lost ? leftOut(answer) : "";
    byId("page-problem").replaceChildren(left);
  } catch (problem) {
    if (nth !== browsing.asking) return;
    if (problem.status === 401) askWho(problem.message);
    byId("page-rows").replaceChildren();
    byId("page-problem").replaceChildren(showError(problem));
  }
  byId("browser").setAttribute("aria-busy", "false");
}

function openTable(name, history = false) {
  const keeps = tableStates().get(name)?.keeps_history === true;
  Object.assign(browsing, { table: name, history: history && keeps, page: 0 });
  byId("browser").hidden = false;
  byId("table-name").textContent = name;
  byId("of-history").hidden = !keeps;
  byId("see-rows").setAttribute("aria-pressed", String(!browsing.history));
  byId("see-history").setAttribute("aria-pressed", String(browsing.history));
  showTables();
  showColumns();
  showPage();
}

function startBrowse() {
  const turn = (step) => () => {
    browsing.page += step;
    showPage();
  };
  byId("back").addEventListener("click", turn(-1));
  byId("next").addEventListener("click", turn(1));
  byId("see-rows").addEventListener("click", () => openTable(browsing.table));
  byId("see-history").addEventListener("click", () => openTable(browsing.table, true));
  byId("to-query").addEventListener("click", () => {
    byId("sql").value = pageSql().replace(/ LIMIT.*/, ` LIMIT ${PAGE_ROWS}`);
    showTab("query");
    byId("sql").focus();
  });
}

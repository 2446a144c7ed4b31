// SPDX-License-Identifier: Apache-2.0
/* The query box, and the answer: what came, by which way, and what of it is shown. */

let running = null;
let shownAnswer = null;

function pill(name, value, title) {
  const one = make("span", `pill ${name}`, make("small", "", name), make("b", "", value));
  if (title) one.title = title;
  return one;
}

/** The line of the statement that an error is about, with a mark under its place; null where none is known. */
function showPlace(problem, sql) {
  if (problem.offset === undefined || !sql) return null;
  const before = new TextDecoder().decode(new TextEncoder().encode(sql).slice(0, problem.offset));
  const begin = before.lastIndexOf("\n") + 1;
  const line = sql.slice(begin).split("\n", 1)[0];
  const lead = before.slice(begin);
  const from = Math.max(0, lead.length - 60);
  const mark = make("span", "mark", line.slice(lead.length, lead.length + 1) || " ");
  const where = `line ${before.split("\n").length}, column ${[...lead].length + 1}: `;
  return make("p", "place", make("small", "", where), from > 0 ? "…" : "", line.slice(from, lead.length), mark, line.slice(lead.length + 1, from + 120));
}

function showError(problem, sql) {
  const code = [problem.code ?? problem.name, problem.sqlstate].filter(Boolean).join(" ");
  return make("div", "error", make("b", "", code), make("p", "", problem.message), showPlace(problem, sql) ?? "");
}

/** How many rows an answer has, "10,000 of more than 311,929" where they weren't all taken. */
function howMany(answer) {
  const came = answer.rows.length + answer.left;
  if (answer.full || answer.lost) return `${grouped(answer.rows.length)} of more than ${grouped(came)}`;
  return answer.left > 0 ? `${grouped(answer.rows.length)} of ${grouped(came)}` : grouped(came);
}

/** What of an answer isn't here, one sentence; "" if all is. */
function leftOut(answer) {
  const rows = counted(answer.rows.length, "row");
  if (answer.full) return `These are the first ${rows}. The page takes ${inBytes(BYTES_MOST)} of an answer and left the rest: add a LIMIT, or ask by another program.`;
  if (answer.lost) return `The server cut the answer off behind ${rows}: more rows than it gives, a time that was over, or an error on the way.`;
  if (answer.left > 0) return `These are the first ${rows} of ${grouped(answer.rows.length + answer.left)}: the page keeps no more.`;
  return "";
}

function showFacts(answer) {
  const facts = [pill("route", answer.route || "?", "which engine answered"), pill("rule", answer.rule || "?", "why it did")];
  facts.push(pill("position", grouped(answer.answered), "the last change that the answer has in it"), pill("age", inTime(answer.age), "how old it was when it was given"));
  facts.push(pill("time", inTime(answer.took), "from the question to its last row, as this page saw it"));
  if (answer.columns.length > 0) facts.push(pill("rows", howMany(answer)));
  else facts.push(pill("changes", grouped(answer.changes ?? 0)));
  return facts;
}

/** A value as CSV has it: in quotes where they are needed, NULL as nothing, and an empty text as "". */
function inCsv(value) {
  if (value === null) return "";
  const bytes = bytesOf(value);
  const text = bytes ? `x'${Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("")}'` : String(value);
  return text === "" || (!(value instanceof Numeral) && /[",\r\n]/.test(text)) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A value as JSON, numbers with each of their digits. */
function inJson(value) {
  return value instanceof Numeral ? value.text : JSON.stringify(value);
}

/** The rows that are here, as a file that the browser saves. */
function saveAnswer(kind) {
  const { columns, rows } = shownAnswer;
  const json = () => `[${rows.map((row) => `[${row.map(inJson).join(",")}]`).join(",\n")}]`;
  const text = kind === "csv" ? [columns, ...rows].map((row) => `${row.map(inCsv).join(",")}\r\n`).join("") : `{"columns":${JSON.stringify(columns)},"rows":${json()}}\n`;
  const link = make("a", "");
  link.href = URL.createObjectURL(new Blob([text], { type: kind === "csv" ? "text/csv" : "application/json" }));
  link.download = `answer.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function drawAnswer() {
  const { columns, rows } = shownAnswer;
  const plan = planChart(columns, rows);
  const as = document.querySelector("input[name=as]:checked").value;
  byId("as").hidden = byId("save").hidden = columns.length === 0;
  if (columns.length === 0) byId("answer").replaceChildren(make("p", "done", `Done: ${counted(shownAnswer.changes ?? 0, "row")} changed.`));
  else if (as === "table") byId("answer").replaceChildren(showTable(columns, rows, "Rows of the answer"));
  else if (plan) byId("answer").replaceChildren(showChart(columns, rows, plan, as === "lines", Math.max(280, byId("answer").clientWidth - 34)));
  else byId("answer").replaceChildren(make("p", "note", "There is nothing to draw: a chart takes rows with a column of numbers."));
}

function showAnswer(answer) {
  const left = leftOut(answer);
  shownAnswer = answer;
  byId("facts").replaceChildren(...showFacts(answer));
  byId("left").textContent = left;
  byId("left").hidden = left === "";
  drawAnswer();
}

function clearAnswer() {
  shownAnswer = null;
  for (const one of ["facts", "answer"]) byId(one).replaceChildren();
  byId("left").hidden = byId("as").hidden = byId("save").hidden = true;
}

function showRunning(is) {
  byId("run").disabled = is;
  byId("cancel").hidden = !is;
  byId("query").setAttribute("aria-busy", String(is));
  byId("told").textContent = is ? "Running…" : "";
}

async function runQuery() {
  const sql = byId("sql").value.trim();
  if (sql === "" || running) return;
  running = new AbortController();
  byId("problem").replaceChildren();
  clearAnswer(); // of another statement
  showRunning(true);
  try {
    const answer = await askSql(sql, { signal: running.signal, route: byId("route").value });
    showAnswer(answer);
    showRunning(false);
    byId("told").textContent = answer.columns.length > 0 ? `${howMany(answer)} row${howMany(answer) === "1" ? "" : "s"}.` : "Done.";
    if (answer.columns.length === 0) await refreshNames();
  } catch (problem) {
    showRunning(false);
    if (problem.name === "AbortError") byId("told").textContent = "Cancelled.";
    else if (problem.status === 401) askWho(problem.message);
    else byId("problem").replaceChildren(showError(problem, sql));
  }
  running = null;
}

function startQuery() {
  const close = startCompletion(byId("sql"), byId("choices"), byId("copy"));
  byId("run").addEventListener("click", runQuery);
  for (const kind of ["csv", "json"]) byId(`save-${kind}`).addEventListener("click", () => saveAnswer(kind));
  byId("cancel").addEventListener("click", () => running?.abort());
  byId("sql").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    close();
    runQuery();
  });
  addEventListener("resize", () => document.querySelector(".chart") && drawAnswer());
  for (const one of document.querySelectorAll("input[name=as]")) one.addEventListener("change", () => shownAnswer && drawAnswer());
}

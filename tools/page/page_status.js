// SPDX-License-Identifier: Apache-2.0
/* How the server is, asked again every two seconds while somebody looks. */

const EVERY_MS = 2000;
const KEPT_POINTS = 60;
const series = [];
let lastStatus = null;
let waiting = null;
let following = false; // somebody is signed in
let asking = false;
let shownLog = "";

function metric(status, name, labels) {
  const found = status.metrics.filter((one) => one.name === name && (labels === undefined || (one.labels ?? "").includes(labels)));
  return found.reduce((sum, one) => sum + Number(one.value.text), 0);
}

function takePoint(status) {
  const now = Number(status.service.now_us.text) / 1e6;
  const point = { now, queries: metric(status, "rhei_queries_total"), writes: metric(status, "rhei_writes_total") };
  const before = series.at(-1);
  if (before && (point.now <= before.now || point.queries < before.queries)) series.length = 0; // another process, or another clock
  const last = series.at(-1);
  point.rate = last ? (point.queries + point.writes - last.queries - last.writes) / (point.now - last.now) : 0;
  series.push(point);
  if (series.length > KEPT_POINTS) series.shift();
  return point;
}

function sparkline() {
  const most = Math.max(1, ...series.map((one) => one.rate));
  const points = series.map((one, at) => `${(((KEPT_POINTS - series.length + at) / (KEPT_POINTS - 1)) * 120).toFixed(1)},${(27 - (one.rate / most) * 25).toFixed(1)}`);
  return makeSvg("svg", { class: "spark", viewBox: "0 0 120 28", "aria-hidden": "true" }, makeSvg("polyline", { points: points.join(" ") }));
}

function tile(name, value, note, id) {
  const shown = make("dd", "", make("b", "", value), make("small", "", note));
  if (id) shown.id = id;
  return make("div", "tile", make("dt", "", name), shown);
}

function showTiles(status, point) {
  const sync = status.sync;
  const oltp = metric(status, "rhei_query_routed_total", "oltp"), olap = metric(status, "rhei_query_routed_total", "olap");
  const behind = Number(sync.lag_events.text);
  const rate = tile("Statements", `${point.rate.toFixed(point.rate < 10 ? 1 : 0)}/s`, `${grouped(point.queries)} queries, ${grouped(point.writes)} writes`, "tile-statements");
  if (series.length >= 10) rate.append(sparkline()); // a stub of fewer tells nothing
  byId("tiles").replaceChildren(
    rate,
    tile("Column store", behind <= 0 ? "in step" : `${grouped(behind)} behind`, `${sync.tables_ready} of ${counted(sync.tables, "table")} ready`, "tile-sync"),
    tile("Position", grouped(sync.position), `${counted(sync.events, "change")} followed`, "tile-position"),
    tile("Routes", `${grouped(oltp)} : ${grouped(olap)}`, "oltp : olap", "tile-routes"),
    tile("Up for", inTime(Number(status.service.now_us.text) - Number(status.service.started_us.text)), `Rhei ${status.service.version}, process ${status.service.pid}`, "tile-up"),
  );
}

function showLog(status) {
  const lines = (Array.isArray(status.log) ? status.log : []).slice(-200).reverse();
  const newest = lines.length > 0 ? `${lines[0].time_us} ${lines[0].message}` : "";
  if (newest === shownLog) return; // what somebody selects or reads stays
  shownLog = newest;
  byId("log").replaceChildren(...lines.map((one) => {
    const when = one.time_us ? new Date(Number(one.time_us.text) / 1000).toLocaleTimeString() : "";
    return make("li", `level-${String(one.level)}`, make("time", "", when), make("b", "", String(one.room ?? "")), make("span", "", String(one.message ?? "")));
  }));
}

function showSidecars(status) {
  byId("sidecars").replaceChildren(...status.sidecars.map((one) => make("li", "", make("b", "", one.name), ` ${one.source_type}, ${one.mode}: ${one.away ? "its source is away" : `in step ${inTime(one.lag_us)} ago`}. ${one.message ?? ""}`)));
  byId("sidecars-part").hidden = status.sidecars.length === 0;
}

function showHealth(kind, words) {
  byId("health").className = `health ${kind}`;
  if (byId("health-words").textContent !== words) byId("health-words").textContent = words; // else it would be read aloud again
}

function showStatus(status) {
  const point = takePoint(status);
  lastStatus = status;
  showHealth(status.service.ready ? "good" : "waits", status.service.ready ? "live" : (status.service.why ?? "not ready"));
  showTiles(status, point);
  showLog(status);
  showSidecars(status);
  showTables();
  const problem = status.sync.last_error ?? "";
  byId("sync-problem").textContent = problem;
  byId("sync-problem").hidden = problem === "";
}

async function followStatus() {
  clearTimeout(waiting);
  if (asking || !following) return;
  asking = true;
  try {
    const status = document.hidden ? null : await askStatus(AbortSignal.timeout(10000));
    if (status && following) showStatus(status);
  } catch (problem) {
    if (problem.status === 401) askWho(problem.message);
    else showHealth("bad", problem.status > 0 ? problem.message : "not reachable");
  }
  asking = false;
  if (following) waiting = setTimeout(followStatus, EVERY_MS);
}

function startStatus() {
  document.addEventListener("visibilitychange", () => !document.hidden && followStatus());
}

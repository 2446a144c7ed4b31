// SPDX-License-Identifier: Apache-2.0
/*
 * Questions to the door. Who asks is said by a header that the script sets; there is no cookie, and the browser's own credentials are left
 * out, so that no other page can ask in this one's name.
 */

const KEPT = "rhei.authorization";
const BYTES_MOST = 8 << 20;
const ROWS_MOST = 10000;

/** What the server said, or why it couldn't. */
class Refused extends Error {
  constructor(status, code, sqlstate, message, offset) {
    super(message);
    this.offset = offset; // of the byte of the statement that it is about; undefined: of none
    this.status = status;
    this.code = code;
    this.sqlstate = sqlstate;
  }
}

const credentials = {
  get: () => sessionStorage.getItem(KEPT),
  set: (value) => sessionStorage.setItem(KEPT, value),
  forget: () => sessionStorage.removeItem(KEPT),
  token: (token) => `Bearer ${token}`,
  user(name, password) {
    const bytes = new TextEncoder().encode(`${name}:${password}`);
    return `Basic ${btoa(String.fromCharCode(...bytes))}`;
  },
};

async function send(path, options) {
  const headers = { ...options.headers };
  const known = credentials.get();
  if (known) headers.Authorization = known;
  try {
    return await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store", redirect: "error", mode: "same-origin" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refused(0, "AWAY", "", "the server doesn't answer: is it still running?");
  }
}

async function refuse(answer) {
  const text = await answer.text();
  let error = null;
  try {
    error = readJson(text).error;
  } catch {
    // a proxy's page, say
  }
  throw new Refused(answer.status, error?.code ?? `HTTP ${answer.status}`, error?.sqlstate ?? "", error?.message ?? (text.slice(0, 300) || "no reason was given"),
    error?.offset === undefined ? undefined : Number(error.offset));
}

// The text of an answer up to a number of bytes: {text, bytes, whole, full}. Not whole: the server cut it off; full: the rest wasn't taken.
async function take(answer) {
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  const taken = { text: "", bytes: 0, whole: false, full: false };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      taken.bytes += value.length;
      taken.text += decoder.decode(value, { stream: true });
      taken.full = taken.bytes > BYTES_MOST;
      if (taken.full) {
        await reader.cancel();
        return taken;
      }
    }
    taken.whole = true;
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
  }
  return taken;
}

/** One statement: its columns, rows and what answered. Throws Refused, or AbortError where `signal` ended it. */
async function askSql(sql, { params, signal, route, freshness } = {}) {
  const begun = performance.now();
  const body = JSON.stringify({ sql, params, route, freshness });
  const answer = await send("/sql", { method: "POST", body, signal, headers: { "Content-Type": "application/json" } });
  if (!answer.ok) await refuse(answer);
  const taken = await take(answer);
  const found = readAnswer(taken.text, ROWS_MOST);
  const header = (name) => answer.headers.get(`X-Rhei-${name}`) ?? "";
  return {
    ...found,
    full: taken.full,
    lost: !taken.full && (!taken.whole || found.cut),
    bytes: taken.bytes,
    route: header("Route"),
    rule: header("Rule"),
    answered: header("Position"),
    age: header("Age-Us"),
    took: (performance.now() - begun) * 1000,
  };
}

async function askStatus(signal) {
  const answer = await send("/status", { method: "GET", signal, headers: {} });
  if (!answer.ok) await refuse(answer);
  return readJson(await answer.text());
}

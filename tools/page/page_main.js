// SPDX-License-Identifier: Apache-2.0
/* Who asks, the tabs, and the start. */

const TABS = ["query", "browse", "status"];

function showTab(name) {
  for (const one of TABS) {
    byId(one).hidden = one !== name;
    byId(`tab-${one}`).setAttribute("aria-selected", String(one === name));
    byId(`tab-${one}`).tabIndex = one === name ? 0 : -1;
  }
}

function startTabs() {
  for (const [at, name] of TABS.entries()) {
    byId(`tab-${name}`).addEventListener("click", () => showTab(name));
    byId(`tab-${name}`).addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: TABS.length - 1 }[event.key];
      if (!step) return;
      const next = TABS[(at + step) % TABS.length];
      showTab(next);
      byId(`tab-${next}`).focus();
    });
  }
}

/** Everything goes from the page that was shown to who is no longer known. */
function askWho(why) {
  clearTimeout(waiting);
  following = false;
  running?.abort();
  credentials.forget();
  byId("work").hidden = true;
  byId("who").hidden = false;
  byId("who-problem").textContent = why;
  byId("leave").hidden = true;
  showHealth("", "not signed in");
  byId("token").focus();
}

async function refreshNames() {
  try {
    await readSchema();
    showTables();
    showColumns();
  } catch (problem) {
    if (problem.status === 401) askWho(problem.message);
  }
}

/** Goes in where the server lets us; else asks for credentials, with `why` where some were tried. */
async function goIn() {
  let status;
  const tried = credentials.get() !== null;
  try {
    status = await askStatus();
  } catch (problem) {
    if (problem.status === 401) return askWho(tried ? problem.message : "");
    showHealth("bad", problem.message);
    waiting = setTimeout(goIn, EVERY_MS);
    return;
  }
  byId("who").hidden = true;
  byId("work").hidden = false;
  byId("leave").hidden = !tried;
  showStatus(status);
  await refreshNames();
  byId("sql").focus();
  clearTimeout(waiting);
  following = true;
  waiting = setTimeout(followStatus, EVERY_MS);
}

function startWho() {
  const kind = () => document.querySelector("input[name=kind]:checked").value;
  const choose = () => {
    byId("by-token").hidden = kind() !== "token";
    byId("by-user").hidden = kind() === "token";
  };
  for (const one of document.querySelectorAll("input[name=kind]")) one.addEventListener("change", choose);
  choose();
  byId("who-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const value = kind() === "token" ? credentials.token(byId("token").value.trim()) : credentials.user(byId("user").value, byId("password").value);
    if (!/^[\x20-\x7e]+$/.test(value)) {
      byId("who-problem").textContent = "a token has printable characters of ASCII alone";
      return;
    }
    credentials.set(value);
    byId("token").value = byId("password").value = "";
    goIn();
  });
  byId("leave").addEventListener("click", () => {
    credentials.forget();
    location.reload(); // nothing that was shown stays
  });
}

startTabs();
startWho();
startQuery();
startBrowse();
startStatus();
goIn();

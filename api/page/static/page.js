// Every view: links that swap the main part, forms that send themselves, the badge's age, new snapshots.
import { followRuns } from "./runs.js";
import { followWatches } from "./watches.js";
import { drawCharts } from "./charts.js";
import { enhanceMap } from "./map.js";
import { locale, tell, word } from "./words.js";

const POLL_MS = 4000;

// Called for every main part that appears: each function finds its own elements, or nothing to do.
function enhance() {
  enhanceMap(show);
  followRuns(show);
  followWatches(show);
  drawCharts();
  tickBadge();
}

// Fetch an address of the page and put its main part in place of ours: scroll, focus and open details stay.
let showing = 0;
// What was typed or chosen stays too, but on the way back, where the address says what it was.
export async function show(url, { push = true, announce = "", keepFields = true } = {}) {
  const turn = ++showing;
  let text;
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    text = await answer.text();
  } catch {
    tell(word("The service does not answer. Trying again."));
    return false;
  }
  if (turn !== showing) return false; // a later wish overtook this one
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const kept = remember();
  const scroll = [window.scrollX, window.scrollY];
  for (const selector of ["main", "header", "footer"]) {
    document.querySelector(selector).replaceWith(fresh.querySelector(selector));
  }
  document.title = fresh.title;
  document.body.dataset.snapshot = fresh.body.dataset.snapshot;
  document.body.dataset.runs = fresh.body.dataset.runs;
  if (push && url !== location.href) history.pushState({}, "", url);
  enhance();
  restore(kept, keepFields);
  window.scrollTo(...scroll);
  document.body.dispatchEvent(new CustomEvent("page:shown"));
  if (announce) tell(announce);
  return true;
}

function remember() {
  const focused = document.activeElement;
  return {
    path: focused && focused !== document.body ? pathOf(focused) : null,
    selection: focused?.selectionStart === undefined ? null : [focused.selectionStart, focused.selectionEnd],
    fields: [...document.querySelectorAll("main :is(input, select)[id]")].map((field) => [field.id, field.value, field.checked]),
    open: [...document.querySelectorAll("main details[open][id]")].map((details) => details.id),
  };
}

function restore({ path, selection, fields, open }, keepFields) {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const [id, value, checked] of keepFields ? fields : []) {
    const field = document.getElementById(id);
    if (!field) continue;
    field.value = value;
    field.checked = checked;
  }
  const focused = path && document.querySelector(path);
  if (!focused) return;
  focused.focus({ preventScroll: true });
  try {
    if (selection) focused.setSelectionRange(...selection);
  } catch { /* a kind of field without a selection */ }
}

// An address for an element that its successor has too: its id, its link, or its place.
function pathOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  if (href) return `a[href="${CSS.escape(href)}"]`;
  if (element.name) return `${element.tagName}[name="${CSS.escape(element.name)}"]`;
  return null;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-swap]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(link.href);
});

// Choosing is enough: no button needs to be pressed. Language and zone change everything, so the page reloads.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-submits]");
  if (!form) return;
  if (form.classList.contains("settings")) form.requestSubmit();
  else show(addressOf(form));
});
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-submits]");
  if (!form || form.classList.contains("settings")) return;
  event.preventDefault();
  show(addressOf(form));
});
let typing;
document.addEventListener("input", (event) => {
  if (event.target.id !== "search") return;
  clearTimeout(typing);
  typing = setTimeout(() => show(addressOf(event.target.form)), 350);
});

function addressOf(form) {
  const url = new URL(form.action);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
  return url.href;
}

window.addEventListener("popstate", () => show(location.href, { push: false, keepFields: false }));

// The badge grows old while nobody touches the page.
function tickBadge() {
  const badge = document.querySelector("[data-fresh]");
  if (!badge) return;
  const time = badge.querySelector("time");
  const seconds = Math.max(0, (Date.now() - Date.parse(time.dateTime)) / 1000);
  const [amount, unit] = seconds < 5400 ? [seconds / 60, "minute"] : seconds < 129600 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
  time.textContent = new Intl.RelativeTimeFormat(locale(), { numeric: "always" }).format(-Math.round(amount), unit);
  const level = seconds >= badge.dataset.red ? "red" : seconds >= badge.dataset.amber ? "amber" : "green";
  badge.className = `badge ${level}`;
  for (const late of badge.querySelectorAll(".late")) late.hidden = late.dataset.level !== level;
}
setInterval(tickBadge, 20000);

// A small question, answered with 304 while nothing is new; not asked while nobody looks.
async function poll() {
  if (document.hidden) return;
  try {
    const answer = await fetch(document.body.dataset.state, { cache: "no-cache" });
    if (!answer.ok) return;
    const state = await answer.json();
    // Compared with what the page shows, which may have been old when it was sent.
    const isNew = state.runs !== document.body.dataset.runs;
    const isPublished = state.snapshot !== (document.body.dataset.snapshot || null);
    if (isPublished) await show(location.href, { push: false, announce: word("A new snapshot is shown.") });
    else if (isNew) await show(location.href, { push: false });
  } catch {
    // The service may be restarting; the next question will tell.
  }
}
setInterval(poll, POLL_MS);
document.addEventListener("visibilitychange", poll);

enhance();
document.body.dataset.ready = "yes";
performance.mark("page-ready");

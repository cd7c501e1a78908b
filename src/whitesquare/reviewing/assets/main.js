// @ts-check
/** The page: filters, keys, decisions, and what other people decide meanwhile. */

import * as api from "./api.js";
import { Grid } from "./grid.js";
import { Sample } from "./sample.js";
import { State } from "./state.js";

/** Milliseconds between two looks at what others decided. */
const OFTEN = 1500;

const state = new State();

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const list = /** @type {HTMLElement | null} */ (document.getElementById("list"));
const filters = /** @type {HTMLFormElement | null} */ (document.getElementById("filters"));
const count = (/** @type {number} */ n) => n.toLocaleString("en");
let quiet = 0;

/** @param {string} text */
function say(text) {
  element("wrong").textContent = "";
  element("said").textContent = text;
  window.clearTimeout(quiet);
  quiet = window.setTimeout(() => (element("said").textContent = ""), 6000);
}

/** @param {unknown} error */
function complain(error) {
  element("said").textContent = "";
  element("wrong").textContent = error instanceof Error ? error.message : String(error);
}

/** @param {import("./api.js").News} found */
function tally(found) {
  const open = found.counts.open ?? 0;
  const parts = state.standings.filter((name) => name !== "open" && found.counts[name]);
  const told = parts.map((name) => `${count(found.counts[name])} ${name}`).join(", ");
  element("tally").textContent = parts.length ? `${told}; ${count(open)} of ${count(state.size)} are open.` : "Nothing is decided yet.";
  /** @type {HTMLProgressElement} */ (element("bar")).value = state.size - open;
  element("next").hidden = !parts.length;
  const gone = found.counts.remove ?? 0;
  element("left").textContent = gone
    ? `This writes a copy of the data without the ${gone === 1 ? "sample" : `${count(gone)} samples`} that you removed:`
    : "This writes a copy of the data without what you removed:";
  const unlike = element("unlike");
  unlike.hidden = !found.unlike;
  const more = found.unlike > found.unlike_ids.length ? ", ..." : "";
  unlike.textContent = found.unlike
    ? `${count(found.unlike)} samples are not what was scanned, or cannot be read, and nothing can be decided about them: ${found.unlike_ids.join(", ")}${more}.`
    : "";
}

async function refresh() {
  try {
    tally(await state.refresh());
    state.learn([...state.wanted].slice(0, 200)).catch(() => undefined);
    if (element("wrong").textContent?.startsWith("The server does not answer")) element("wrong").textContent = "";
  } catch (error) {
    complain(error);
  }
}

async function filter() {
  if (!filters) return;
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(filters)) if (value) asked.set(name, String(value));
  try {
    state.show((await api.view(asked)).runs);
  } catch (error) {
    complain(error);
    return;
  }
  const shown = state.view.length;
  element("shown").textContent = shown
    ? `${count(shown)} ${shown === 1 ? "suspect is" : "suspects are"} shown.`
    : "No suspect is like that; choose otherwise above.";
  const label = asked.get("label") ?? "";
  for (const panel of document.querySelectorAll(".panel")) {
    const own = /** @type {HTMLElement} */ (panel).dataset.label;
    /** @type {HTMLElement} */ (panel).hidden = label !== "" ? own !== label : panel !== document.querySelector(".panel");
  }
}

/** @type {Promise<unknown>} */
let under = Promise.resolve();

/**
 * Send what is decided in the order of the keys, one after the other: connections could overtake one another.
 * @template T
 * @param {() => Promise<T>} send
 * @returns {Promise<T>}
 */
function inTurn(send) {
  const sent = under.then(send);
  under = sent.catch(() => undefined);
  return sent;
}

/**
 * @param {import("./api.js").Run[]} runs
 * @param {string} choice
 * @param {number | null} label
 */
async function store(runs, choice, label) {
  const why = /** @type {HTMLInputElement} */ (element("why")).value;
  try {
    const found = await inTurn(() => api.decide(runs, choice, why, label));
    await refresh();
    const what = label === null ? choice : `relabel to ${classChoice().selectedOptions[0]?.textContent ?? ""}`;
    if (found.count) say(`${count(found.count)} ${found.count === 1 ? "sample" : "samples"}: ${what}. Undo takes it back.`);
    if (found.refused) complain(`Not stored for ${count(found.refused)}: ${found.why}`);
  } catch (error) {
    complain(error);
  }
}

/** @param {string} choice */
async function decide(choice) {
  if (!state.view.length) return;
  const label = choice === "relabel" ? await chosenClass() : null;
  if (choice === "relabel" && label === null) return;
  const rows = state.selectedRows;
  const last = state.selected[1];
  // On at once, not when the answer comes: who is quick has chosen the next sample by then.
  state.extending = false;
  pressed();
  state.go(last + 1, false);
  grid?.reveal();
  await store(api.asRuns(rows), choice, label);
}

const classChoice = () => /** @type {HTMLSelectElement} */ (element("relabel-class"));

/** @returns {Promise<number | null>} the class that a person chose, if any */
function chosenClass() {
  const dialog = /** @type {HTMLDialogElement} */ (element("relabel"));
  dialog.returnValue = "";
  dialog.showModal();
  classChoice().focus();
  classChoice().onkeydown = (event) => {
    if (event.key !== "Enter") return; // which would only open the list
    event.preventDefault();
    dialog.close("ok");
  };
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        list?.focus({ preventScroll: true });
        resolve(dialog.returnValue === "ok" ? Number(classChoice().value) : null);
      },
      { once: true },
    );
  });
}

async function undo() {
  try {
    const found = await inTurn(api.undo);
    await refresh();
    say(`${count(found.count)} ${found.count === 1 ? "decision was" : "decisions were"} taken back.`);
  } catch (error) {
    complain(error);
  }
}

function pressed() {
  element("extend").setAttribute("aria-pressed", String(state.extending));
}

function extend() {
  state.extending = !state.extending;
  pressed();
  if (state.extending) state.select(state.current, state.current);
  say(state.extending ? "A run begins here: go on to its end, then decide." : "The run ends here.");
}

/** @param {number} step */
function otherClass(step) {
  if (!filters) return;
  const choice = /** @type {HTMLSelectElement} */ (filters.elements.namedItem("label"));
  choice.selectedIndex = Math.max(0, Math.min(choice.options.length - 1, choice.selectedIndex + step));
  filter().then(() => say(`Class ${choice.selectedOptions[0]?.textContent ?? ""}.`));
}

function nextOpen() {
  const { view, current } = state;
  for (let step = 1; step <= view.length; step++) {
    const place = (current + step) % view.length;
    if (state.codes[view[place]] === 0) {
      state.extending = false;
      state.go(place, false);
      grid?.reveal();
      return;
    }
  }
  say("Everybody of those shown is decided.");
}

function wholeAlarm() {
  const alarmed = state.view.findIndex((row) => !inAlarm(row));
  const last = alarmed < 0 ? state.view.length - 1 : alarmed - 1;
  if (last < 0) say("These suspects belong to no alarm.");
  else {
    state.select(0, last);
    say(`${count(last + 1)} selected: all that belong to the alarm.`);
  }
}

/** @param {number} row */
function inAlarm(row) {
  const button = document.querySelector(".panel:not([hidden]) [data-all]");
  if (!(button instanceof HTMLElement)) return false;
  return row >= Number(button.dataset.start) && row < Number(button.dataset.end);
}

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const KEYS = {
  k: () => decide("keep"),
  r: () => decide("remove"),
  l: () => decide("relabel"),
  u: () => decide("unsure"),
  z: () => undo(),
  v: () => extend(),
  n: () => nextOpen(),
  a: (event) => (event.ctrlKey || event.metaKey ? state.select(0, state.view.length - 1) : wholeAlarm()),
  "[": () => otherClass(-1),
  "]": () => otherClass(1),
  "/": () => /** @type {HTMLElement} */ (filters?.elements.namedItem("text")).focus(),
  "?": () => /** @type {HTMLDialogElement} */ (element("keys")).showModal(),
  Enter: () => sample.enlarge("suspect"),
  Escape: () => {
    state.extending = false;
    pressed();
    state.go(state.current, false);
  },
  ArrowRight: (event) => move(1, event),
  ArrowLeft: (event) => move(-1, event),
  ArrowDown: (event) => move(grid?.columns ?? 1, event),
  ArrowUp: (event) => move(-(grid?.columns ?? 1), event),
  PageDown: (event) => move(grid?.pageful ?? 1, event),
  PageUp: (event) => move(-(grid?.pageful ?? 1), event),
  Home: (event) => move(-state.view.length, event),
  End: (event) => move(state.view.length, event),
};

/**
 * @param {number} by
 * @param {KeyboardEvent} event
 */
function move(by, event) {
  state.go(state.current + by, event.shiftKey);
  grid?.reveal();
}

/** @param {KeyboardEvent} event */
function typed(event) {
  const action = KEYS[event.key];
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!action || !(plain || event.key === "a")) return;
  event.preventDefault();
  action(event);
}

// On a phone the panel of the sample lies over the page: it shows up once there is a list to decide about.
const panel = document.querySelector(".sample");
if (list && panel) {
  new IntersectionObserver(([seen]) => panel.classList.toggle("away", !seen.isIntersecting)).observe(list);
}

const grid = list ? new Grid(list, state) : null;
const sample = new Sample(state);

if (list && filters) {
  // Single letters act only while the list has the focus, so that who dictates or types elsewhere decides nothing.
  list.addEventListener("keydown", typed);
  filters.addEventListener("submit", (event) => {
    event.preventDefault();
    filter().then(() => list.focus({ preventScroll: true }));
  });
  for (const choice of filters.querySelectorAll("select")) choice.addEventListener("change", () => filter());
  for (const button of document.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => decide(/** @type {HTMLElement} */ (button).dataset.choice ?? ""));
  }
  element("undo").addEventListener("click", () => undo());
  element("extend").addEventListener("click", () => extend());
  element("keys-button").addEventListener("click", () => /** @type {HTMLDialogElement} */ (element("keys")).showModal());
}
for (const button of document.querySelectorAll("[data-all]")) {
  const { all, start, end } = /** @type {HTMLElement} */ (button).dataset;
  button.addEventListener("click", () => store([[Number(start), Number(end)]], all ?? "", null));
}
element("finish").addEventListener("click", async () => {
  try {
    await api.finish();
    window.clearInterval(polling);
    say("The review has ended: you can close this page. The command is above.");
    window.clearTimeout(quiet);
  } catch (error) {
    complain(error);
  }
});
const polling = window.setInterval(() => {
  if (!document.hidden) refresh();
}, OFTEN);
refresh();
filter();

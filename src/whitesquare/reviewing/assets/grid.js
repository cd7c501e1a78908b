// @ts-check
/**
 * The list of suspects: only the tiles in sight exist, and a picture is asked for once the list rests on it.
 * It is a listbox of which one option is current; what assistive technology reads is set on each tile.
 */

import { picture } from "./api.js";

/** @typedef {import("./state.js").State} State */

/** The least width of a tile, and the space between two. */
const WIDE = 150;
const GAP = 8;
/** The greatest width: beyond it a tile would show nothing more. */
const WIDEST = 204;
const HIGH = 132;
/** Rows of tiles beyond the edge of the window. */
const BEYOND = 2;
/** Milliseconds of rest before pictures are asked for. */
const REST = 70;
/** A page cannot be higher than some browsers lay out. */
const HIGHEST = 15_000_000;

export class Grid {
  /**
   * @param {HTMLElement} element
   * @param {State} state
   */
  constructor(element, state) {
    this.element = element;
    this.state = state;
    this.columns = 1;
    this.wide = WIDEST;
    this.shown = 0;
    this.top = 0;
    /** @type {Map<number, HTMLElement>} */
    this.tiles = new Map();
    /** @type {HTMLElement[]} */
    this.spare = [];
    this.resting = 0;
    this.asked = false;
    state.addEventListener("view", () => this.layOut());
    for (const what of ["current", "news", "details"]) state.addEventListener(what, () => this.later());
    window.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.layOut()).observe(element);
    new ResizeObserver(() => this.later(true)).observe(document.body);
    element.addEventListener("click", (event) => this.clicked(event));
    this.layOut();
  }

  /** @returns {number} tiles of a window, for Page Up and Page Down */
  get pageful() {
    return Math.max(1, Math.floor(window.innerHeight / HIGH) - 1) * this.columns;
  }

  layOut() {
    const width = this.element.clientWidth;
    this.columns = Math.max(1, Math.floor((width + GAP) / (WIDE + GAP)));
    this.wide = Math.min(WIDEST, Math.floor((width + GAP) / this.columns));
    this.element.style.setProperty("--wide", `${this.wide - GAP}px`);
    const most = Math.floor(HIGHEST / HIGH) * this.columns;
    this.shown = Math.min(this.state.view.length, most);
    this.element.style.height = `${Math.max(1, Math.ceil(this.shown / this.columns)) * HIGH}px`;
    for (const place of [...this.tiles.keys()]) this.drop(place);
    this.later(true);
  }

  /** @param {boolean} [moved] whether the list may lie elsewhere in the page */
  later(moved) {
    if (moved) this.top = 0;
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    this.top = this.top || this.element.getBoundingClientRect().top + window.scrollY;
    const above = Math.floor((window.scrollY - this.top) / HIGH) - BEYOND;
    const below = Math.ceil((window.scrollY + window.innerHeight - this.top) / HIGH) + BEYOND;
    let first = Math.max(0, above * this.columns);
    let last = Math.min(this.shown, Math.max(0, below * this.columns));
    if (first >= last) {
      // None in sight: who reads by ear still finds a beginning.
      first = 0;
      last = Math.min(this.shown, BEYOND * this.columns);
    }
    for (const place of [...this.tiles.keys()]) if (place < first || place >= last) this.drop(place);
    for (let place = first; place < last; place++) this.paint(place, this.tiles.get(place) ?? this.take(place));
    const current = this.tiles.get(this.state.current);
    if (current) this.element.setAttribute("aria-activedescendant", current.id);
    else this.element.removeAttribute("aria-activedescendant");
    window.clearTimeout(this.resting);
    this.resting = window.setTimeout(() => this.load(), REST);
  }

  /** Ask for the pictures and the details of what is in sight. */
  load() {
    const rows = [...this.tiles.keys()].sort((a, b) => a - b).map((place) => this.state.view[place]);
    for (const tile of this.tiles.values()) {
      for (const image of tile.querySelectorAll("img")) {
        const wanted = picture(Number(tile.dataset.row), image.dataset.kind ?? "");
        if (image.getAttribute("src") !== wanted) {
          image.classList.remove("broken");
          image.src = wanted;
        }
      }
    }
    this.state.learn(rows).catch(() => undefined);
  }

  /** @param {number} place */
  take(place) {
    const tile = this.spare.pop() ?? made();
    const row = this.state.view[place];
    tile.id = `tile-${place}`;
    tile.dataset.row = String(row);
    tile.dataset.place = String(place);
    for (const image of tile.querySelectorAll("img")) image.removeAttribute("src");
    const across = place % this.columns;
    const down = Math.floor(place / this.columns);
    tile.style.transform = `translate(${across * this.wide}px, ${down * HIGH}px)`;
    this.tiles.set(place, tile);
    this.element.append(tile);
    return tile;
  }

  /** @param {number} place */
  drop(place) {
    const tile = this.tiles.get(place);
    if (!tile) return;
    this.tiles.delete(place);
    tile.remove();
    this.spare.push(tile);
  }

  /**
   * @param {number} place
   * @param {HTMLElement} tile
   */
  paint(place, tile) {
    const row = this.state.view[place];
    const standing = this.state.standing(row);
    const known = this.state.details.get(row);
    const [first, last] = this.state.selected;
    const name = known ? known.id : `suspect ${row + 1}`;
    const label = `${name}${known ? `, class ${known.class}, ${known.tier}` : ""}, ${standing === "open" ? "not decided" : standing}`;
    set(tile, "aria-label", label);
    set(tile, "aria-setsize", String(this.state.view.length));
    set(tile, "aria-posinset", String(place + 1));
    set(tile, "aria-selected", String(place >= first && place <= last));
    set(tile, "data-standing", standing);
    tile.classList.toggle("current", place === this.state.current);
    const [shown, mark] = /** @type {HTMLElement[]} */ (Array.from(tile.querySelectorAll(".name, .mark")));
    const short = name.length > 25 ? `…${name.slice(-24)}` : name;
    if (shown.textContent !== short) shown.textContent = short;
    const said = standing === "open" ? "\u00a0" : known ? spoken(standing, known.marks) : standing;
    if (mark.textContent !== said) mark.textContent = said;
  }

  /** Bring the current tile into sight. */
  reveal() {
    const down = Math.floor(this.state.current / this.columns) * HIGH;
    const top = this.element.getBoundingClientRect().top + window.scrollY + down;
    const hidden = window.innerWidth <= 900 ? 300 : 12;
    if (top < window.scrollY + 8) window.scrollTo({ top: top - 24 });
    else if (top + HIGH > window.scrollY + window.innerHeight - hidden) {
      window.scrollTo({ top: top + HIGH - window.innerHeight + hidden });
    }
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const tile = event.target instanceof Element ? event.target.closest(".tile") : null;
    if (!(tile instanceof HTMLElement)) return;
    this.element.focus({ preventScroll: true });
    this.state.go(Number(tile.dataset.place), event.shiftKey);
  }
}

/**
 * @param {string} standing
 * @param {import("./api.js").Mark[]} marks
 */
function spoken(standing, marks) {
  if (standing === "disagreed") return `disagreed: ${marks.map((mark) => mark.choice).join(", ")}`;
  if (standing === "relabel") return `→ ${marks[0]?.label ?? ""}`;
  return standing;
}

function made() {
  const tile = document.createElement("div");
  tile.className = "tile";
  tile.setAttribute("role", "option");
  const two = document.createElement("div");
  two.className = "two";
  for (const kind of ["suspect", "normal"]) {
    const image = document.createElement("img");
    image.className = "pixels";
    image.alt = "";
    image.decoding = "async";
    image.dataset.kind = kind;
    image.addEventListener("error", () => {
      image.classList.add("broken");
    });
    two.append(image);
  }
  const name = document.createElement("bdi");
  name.className = "name";
  const mark = document.createElement("span");
  mark.className = "mark";
  tile.append(two, name, mark);
  return tile;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string} value
 */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

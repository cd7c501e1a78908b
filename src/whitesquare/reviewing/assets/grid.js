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

/**
 * @typedef {{element: HTMLElement, images: HTMLImageElement[], name: HTMLElement, mark: HTMLElement, row: number}} Tile
 */

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
    /** @type {Map<number, Tile>} */
    this.tiles = new Map();
    /** @type {Tile[]} */
    this.spare = [];
    this.resting = 0;
    this.asked = false;
    /** Whether tiles that stay where they are may look otherwise now. */
    this.stale = true;
    state.addEventListener("view", () => this.layOut());
    for (const what of ["current", "news", "details"]) state.addEventListener(what, () => this.later(true));
    window.addEventListener("scroll", () => this.later(false), { passive: true });
    new ResizeObserver(() => this.layOut()).observe(element);
    new ResizeObserver(() => {
      this.top = 0;
      this.later(false);
    }).observe(document.body);
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
    this.spare.push(...this.tiles.values());
    this.tiles.clear();
    this.top = 0;
    this.later(true);
  }

  /** @param {boolean} stale */
  later(stale) {
    this.stale ||= stale;
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
    for (const [place, tile] of this.tiles) {
      if (place >= first && place < last) continue;
      this.tiles.delete(place);
      this.spare.push(tile);
    }
    for (let place = first; place < last; place++) {
      const there = this.tiles.get(place);
      if (!there) this.paint(place, this.take(place));
      else if (this.stale) this.paint(place, there);
    }
    for (const tile of this.spare) tile.element.remove();
    this.stale = false;
    const current = this.tiles.get(this.state.current);
    if (current) set(this.element, "aria-activedescendant", current.element.id);
    else this.element.removeAttribute("aria-activedescendant");
    window.clearTimeout(this.resting);
    this.resting = window.setTimeout(() => this.load(), REST);
  }

  /** Ask for the pictures and the details of what is in sight, and put it in the order in which it is read. */
  load() {
    const places = [...this.tiles.keys()].sort((a, b) => a - b);
    let before = null;
    for (const place of places) {
      const tile = /** @type {Tile} */ (this.tiles.get(place));
      if (tile.element.previousElementSibling !== before) {
        if (before) before.after(tile.element);
        else this.element.prepend(tile.element);
      }
      before = tile.element;
      for (const image of tile.images) {
        const wanted = picture(tile.row, image.dataset.kind ?? "");
        if (image.getAttribute("src") !== wanted) {
          image.classList.remove("broken");
          image.src = wanted;
        }
      }
    }
    this.state.learn(places.map((place) => this.state.view[place])).catch(() => undefined);
  }

  /**
   * Take a tile for a place: one that went out of sight stays in the page and moves.
   * @param {number} place
   * @returns {Tile}
   */
  take(place) {
    const tile = this.spare.pop() ?? made();
    tile.row = this.state.view[place];
    tile.element.id = `tile-${place}`;
    tile.element.dataset.place = String(place);
    for (const image of tile.images) image.removeAttribute("src");
    const down = Math.floor(place / this.columns);
    tile.element.style.transform = `translate(${(place % this.columns) * this.wide}px, ${down * HIGH}px)`;
    this.tiles.set(place, tile);
    if (!tile.element.isConnected) this.element.append(tile.element);
    return tile;
  }

  /**
   * @param {number} place
   * @param {Tile} tile
   */
  paint(place, tile) {
    const { element, row } = tile;
    const standing = this.state.standing(row);
    const known = this.state.details.get(row);
    const [first, last] = this.state.selected;
    const name = known ? known.id : `suspect ${row + 1}`;
    const about = known ? `, class ${known.class}, ${known.tier}` : "";
    set(element, "aria-label", `${name}${about}, ${standing === "open" ? "not decided" : standing}`);
    set(element, "aria-setsize", String(this.state.view.length));
    set(element, "aria-posinset", String(place + 1));
    set(element, "aria-selected", String(place >= first && place <= last));
    set(element, "data-standing", standing);
    element.classList.toggle("current", place === this.state.current);
    element.classList.toggle("stranger", known?.stranger ?? false);
    write(tile.name, name.length > 25 ? `…${name.slice(-24)}` : name);
    write(tile.mark, standing === "open" ? "\u00a0" : known ? spoken(standing, known.marks) : standing);
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

/** @returns {Tile} */
function made() {
  const element = document.createElement("div");
  element.className = "tile";
  element.setAttribute("role", "option");
  const two = document.createElement("div");
  two.className = "two";
  const images = ["suspect", "normal"].map((kind) => {
    const image = document.createElement("img");
    image.className = "pixels";
    image.alt = "";
    image.decoding = "async";
    image.dataset.kind = kind;
    image.addEventListener("error", () => image.classList.add("broken"));
    return image;
  });
  two.append(...images);
  const name = document.createElement("bdi");
  name.className = "name";
  const mark = document.createElement("span");
  mark.className = "mark";
  element.append(two, name, mark);
  return { element, images, name, mark, row: -1 };
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string} value
 */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

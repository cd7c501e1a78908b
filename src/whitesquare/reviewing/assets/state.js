// @ts-check
/** What the page knows: which rows are shown, how each stands, which are selected, and details of those that were seen. */

import * as api from "./api.js";

/** @typedef {import("./api.js").Row} Row */
/** @typedef {import("./api.js").Run} Run */

/** @type {{size: number, standings: string[]}} */
const settings = JSON.parse(document.body.dataset.settings ?? "{}");

/** Details of so many rows are kept; the oldest are forgotten. */
const KEPT = 4000;

export class State extends EventTarget {
  constructor() {
    super();
    this.size = settings.size;
    this.standings = settings.standings;
    this.codes = new Uint8Array(this.size);
    /** Rows that are shown, in order. */
    this.view = new Uint32Array(0);
    this.current = 0;
    this.anchor = 0;
    this.extending = false;
    this.next = 0;
    /** @type {Record<string, number>} */
    this.counts = {};
    /** @type {Map<number, Row>} */
    this.details = new Map();
    /** @type {Set<number>} */
    this.wanted = new Set();
    /** How often something was decided since the page was opened. */
    this.changes = 0;
  }

  /** @param {string} what */
  tell(what) {
    this.dispatchEvent(new Event(what));
  }

  /** @param {Run[]} runs */
  show(runs) {
    const whole = new Uint32Array(runs.reduce((sum, [a, b]) => sum + b - a, 0));
    let place = 0;
    for (const [a, b] of runs) for (let row = a; row < b; row++) whole[place++] = row;
    this.view = whole;
    this.current = this.anchor = 0;
    this.extending = false;
    this.tell("view");
  }

  /** Places in the view that are selected, first and last. */
  get selected() {
    return [Math.min(this.anchor, this.current), Math.max(this.anchor, this.current)];
  }

  /** @returns {number[]} */
  get selectedRows() {
    const [first, last] = this.selected;
    return Array.from(this.view.subarray(first, last + 1));
  }

  /**
   * @param {number} place
   * @param {boolean} extend
   */
  go(place, extend) {
    if (!this.view.length) return;
    this.current = Math.max(0, Math.min(this.view.length - 1, place));
    if (!extend && !this.extending) this.anchor = this.current;
    this.tell("current");
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  select(first, last) {
    this.anchor = Math.max(0, first);
    this.current = Math.min(this.view.length - 1, last);
    this.tell("current");
  }

  /** @param {number} row */
  standing(row) {
    return this.standings[this.codes[row]];
  }

  /** Learn what anybody decided since. */
  async refresh() {
    const found = await api.news(this.next);
    this.next = found.next;
    this.counts = found.counts;
    for (const [a, b, code] of found.changed) {
      this.changes++;
      this.codes.fill(code, a, b);
      for (const row of this.details.keys()) if (row >= a && row < b) this.wanted.add(row);
    }
    this.dispatchEvent(new CustomEvent("news", { detail: found }));
    return found;
  }

  /**
   * Learn the details of rows that are not known yet, or not any more.
   * @param {number[]} rows
   */
  async learn(rows) {
    const lacking = rows.filter((row) => !this.details.has(row) || this.wanted.has(row));
    if (!lacking.length) return;
    const before = this.changes;
    for (const found of await api.rows(lacking)) {
      this.details.set(found.row, found);
      // What was decided while the answer was on its way may lack in it.
      if (this.changes === before) this.wanted.delete(found.row);
      else this.wanted.add(found.row);
    }
    for (const row of this.details.keys()) {
      if (this.details.size <= KEPT) break;
      this.details.delete(row);
    }
    this.tell("details");
    if (this.changes !== before) await this.learn(lacking);
  }
}

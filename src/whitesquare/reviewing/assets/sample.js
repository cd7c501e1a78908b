// @ts-check
/** The sample that a person looks at: its pictures enlarged, what the detector saw, and what was decided about it. */

import { beside, picture } from "./api.js";

/** @typedef {import("./state.js").State} State */

const TOLD = {
  suspect: "The suspect, in its own pixels",
  evidence: "Where in it the evidence lies, in orange",
  residual: "What is left of it without its smooth part, amplified",
  normal: "The normal sample of its class that looks most like it",
  stranger: "The normal sample of another class that looks most like it: of its own class, every sample is flagged",
};

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

export class Sample {
  /** @param {State} state */
  constructor(state) {
    this.state = state;
    this.row = -1;
    this.resting = 0;
    for (const what of ["current", "view", "details", "news"]) state.addEventListener(what, () => this.show());
    for (const button of document.querySelectorAll(".look")) {
      button.addEventListener("click", () => this.enlarge(/** @type {HTMLElement} */ (button).dataset.kind ?? "suspect"));
      const image = /** @type {HTMLImageElement} */ (button.querySelector("img"));
      image.addEventListener("error", () => this.failed(image));
    }
  }

  show() {
    const row = this.state.view[this.state.current];
    const [first, last] = this.state.selected;
    const count = this.state.view.length ? last - first + 1 : 0;
    element("selected").textContent = count > 1 ? `${count.toLocaleString("en")} selected: a decision is about all of them.` : "";
    if (row === undefined) {
      element("sample-id").textContent = "No sample";
      element("sample-facts").textContent = "";
      return;
    }
    const known = this.state.details.get(row);
    element("sample-id").replaceChildren(isolated(known ? known.id : `suspect ${row + 1}`));
    element("sample-facts").replaceChildren(...(known ? facts(known) : []));
    this.marks(known?.marks ?? []);
    const trouble = element("trouble");
    trouble.hidden = !known?.trouble;
    trouble.textContent = known?.trouble ?? "";
    if (row !== this.row) {
      this.row = row;
      window.clearTimeout(this.resting);
      this.resting = window.setTimeout(() => this.load(row), 40);
    }
  }

  /** @param {number} row */
  load(row) {
    this.state.learn([row]).catch(() => undefined);
    this.tellBeside(row).catch(() => undefined);
    for (const button of document.querySelectorAll(".look")) {
      const kind = /** @type {HTMLElement} */ (button).dataset.kind ?? "";
      const image = /** @type {HTMLImageElement} */ (button.querySelector("img"));
      image.alt = /** @type {Record<string, string>} */ (TOLD)[kind];
      image.src = picture(row, kind);
    }
  }

  /** Say which normal sample is shown, and of which class it is where that is another. @param {number} row */
  async tellBeside(row) {
    const button = /** @type {HTMLElement} */ (document.querySelector(".look[data-kind=normal]"));
    const caption = /** @type {HTMLElement} */ (button.parentElement?.querySelector("figcaption"));
    const image = /** @type {HTMLImageElement} */ (button.querySelector("img"));
    button.classList.remove("stranger");
    caption.replaceChildren("normal");
    caption.title = "";
    const found = await beside(row);
    if (row !== this.row) return;
    button.classList.toggle("stranger", found.stranger);
    button.title = found.id;
    if (!found.stranger) return;
    caption.title = found.class;
    caption.replaceChildren("normal, of ", ...(found.class ? ["class ", isolated(found.class)] : ["another class"]));
    image.alt = TOLD.stranger;
  }

  /** Say why there is no picture. @param {HTMLImageElement} image */
  async failed(image) {
    const source = image.getAttribute("src");
    if (!source) return;
    const answer = await fetch(source).catch(() => null);
    const why = answer && !answer.ok ? (await answer.json().catch(() => ({}))).error : "";
    image.alt = `No picture. ${why ?? ""}`;
    const trouble = element("trouble");
    if (why && trouble.hidden) {
      trouble.hidden = false;
      trouble.textContent = why;
    }
  }

  /** @param {import("./api.js").Mark[]} marks */
  marks(marks) {
    const said = new Set(marks.map((mark) => `${mark.choice} ${mark.label}`));
    element("marks").replaceChildren(
      ...marks.map((mark) => {
        const line = document.createElement("li");
        if (said.size > 1) line.className = "differs";
        const choice = mark.label ? `relabel to ${mark.label}` : mark.choice;
        line.append(isolated(mark.by), mark.role ? ` (${mark.role})` : "", `: ${choice}${mark.why ? ` (${mark.why})` : ""}`);
        line.title = mark.at;
        return line;
      }),
    );
    if (said.size > 1) {
      const line = document.createElement("li");
      line.className = "differs";
      line.textContent = "They disagree: it counts as undecided until one of them changes it.";
      element("marks").prepend(line);
    }
  }

  /** @param {string} kind */
  enlarge(kind) {
    const dialog = /** @type {HTMLDialogElement} */ (element("large"));
    const image = /** @type {HTMLImageElement} */ (dialog.querySelector("img"));
    image.src = picture(this.row, kind);
    const shown = /** @type {HTMLImageElement} */ (document.querySelector(`.look[data-kind=${kind}] img`));
    image.alt = shown.alt;
    /** @type {HTMLElement} */ (dialog.querySelector("p")).textContent = `${image.alt}.`;
    dialog.showModal();
  }
}

/** @param {import("./api.js").Row} row */
function facts(row) {
  const p = row.p === null ? "" : ` · as high by chance: p\u00a0=\u00a0${row.p.toPrecision(2)}`;
  return ["class ", isolated(row.class), ` · ${row.tier} · rule `, isolated(row.rule), ` · score ${row.score.toFixed(3)}${p}`];
}

/** @param {string} text a name from the data: whatever its script, what stands around it keeps its order */
function isolated(text) {
  const name = document.createElement("bdi");
  name.textContent = text;
  return name;
}

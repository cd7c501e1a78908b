// @ts-check
/** What the page asks of the server, and in what form it is answered. Addresses are relative: the token is part of them. */

/**
 * @typedef {[number, number]} Run rows from the first up to, and without, the last
 * @typedef {{by: string, role: string, choice: string, label: string, why: string, at: string}} Mark
 * @typedef {{row: number, id: string, class: string, label: number, tier: string, rule: string, score: number,
 *   p: number | null, trouble: string, stranger: boolean, marks: Mark[]}} Row
 * @typedef {{id: string, class: string, stranger: boolean}} Beside
 * @typedef {{changed: [number, number, number][], next: number, counts: Record<string, number>, foreign: number,
 *   unlike: number, unlike_ids: string[]}} News
 * @typedef {{count: number, choice: string, refused: number, why: string}} Stored
 */

/**
 * @param {Response} answer
 * @returns {Promise<any>}
 */
async function read(answer) {
  const found = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
  if (!answer.ok) throw new Error(found.error ?? `The server answered ${answer.status}.`);
  return found;
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer: start `whitesquare review` again and open the address that it prints. " +
      "Every decision that was told as stored is on the disk.");
  }
  return read(answer);
}

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
function post(path, body) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/** @param {number} since @returns {Promise<News>} */
export const news = (since) => ask(`news?since=${since}`);

/** @param {number} row @returns {Promise<Beside>} */
export const beside = (row) => ask(`beside/${row}`);

/** @param {number[]} rows @returns {Promise<Row[]>} */
export const rows = (rows) => ask(`rows?at=${spelled(rows)}`);

/** @param {URLSearchParams} filter @returns {Promise<{runs: Run[]}>} */
export const view = (filter) => ask(`view?${filter}`);

/** @param {Run[]} runs @param {string} choice @param {string} why @param {number | null} label @returns {Promise<Stored>} */
export const decide = (runs, choice, why, label) => post("decide", { rows: runs, choice, why, label });

/** @returns {Promise<Stored>} */
export const undo = () => post("undo", {});

/** @returns {Promise<object>} */
export const finish = () => post("finish", {});

/** @param {number} row @param {string} kind */
export const picture = (row, kind) => `picture/${row}/${kind}`;

/**
 * @param {number[]} rows ascending or not
 * @returns {Run[]}
 */
export function asRuns(rows) {
  /** @type {Run[]} */
  const found = [];
  for (const row of [...rows].sort((a, b) => a - b)) {
    const last = found[found.length - 1];
    if (last && last[1] === row) last[1] = row + 1;
    else found.push([row, row + 1]);
  }
  return found;
}

/** @param {number[]} rows */
function spelled(rows) {
  return asRuns(rows).map(([a, b]) => (b === a + 1 ? `${a}` : `${a}-${b}`)).join(",");
}

/** A cell: a number is written as it is, a text is guarded, null is empty. */
export type Cell = number | string | null;

/** Rows of RFC 4180, each ended by CRLF. */
export const csv = (rows: readonly (readonly Cell[])[]): string =>
  rows.map((row) => `${row.map(cellText).join(",")}\r\n`).join("");

/**
 * A spreadsheet takes a text that begins with one of these for a formula and runs it (OWASP, CSV Injection): it gets
 * an apostrophe in front. Numbers keep their minus sign, and are no text.
 */
const formula = /^[=+\-@\t\r\n]/;

const cellText = (cell: Cell): string => {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const safe = formula.test(cell) ? `'${cell}` : cell;
  return /[",\r\n\t]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { pipeline, type Readable, Transform } from "node:stream";
import { createGunzip } from "node:zlib";
import { parse } from "csv-parse";

/** A recorded series, row by row. */
export type Series = {
  readonly columns: readonly string[];
  /** From 1; the header is none. A fresh pass over the file each time. */
  rows(): AsyncIterable<Row>;
};
export type Row = { readonly number: number; readonly cells: readonly string[] };

export class SeriesError extends Error {
  readonly code = "series_unreadable";
}

/** Opens `.csv`, `.csv.gz`, or `.json` (a list of lists: its columns are called 0, 1, …). SeriesError when it cannot. */
export const openSeries = async (path: string): Promise<Series> => {
  try {
    if (path.endsWith(".json")) return listSeries(JSON.parse(await readFile(path, "utf8")));
    for await (const columns of records(path)) return { columns, rows: () => afterHeader(path) };
  } catch (cause) {
    throw new SeriesError(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  throw new SeriesError(`${path} is empty`);
};

const listSeries = (lists: unknown): Series => {
  if (!Array.isArray(lists) || !lists.every(Array.isArray)) throw new SeriesError("expected a list of lists");
  const width = Math.max(0, ...lists.slice(0, 100).map((list) => list.length));
  return {
    columns: Array.from({ length: width }, (_, index) => String(index)),
    async *rows() {
      let number = 0;
      for (const list of lists) yield { number: ++number, cells: list.map((cell: unknown) => String(cell ?? "")) };
    },
  };
};

async function* afterHeader(path: string): AsyncGenerator<Row> {
  let number = -1;
  for await (const cells of records(path)) {
    if (++number > 0) yield { number, cells };
  }
}

async function* records(path: string): AsyncGenerator<readonly string[]> {
  const parser = parse({ bom: true, relax_column_count: true, relax_quotes: true, skip_empty_lines: true, trim: true });
  const file: Readable = createReadStream(path);
  const text = path.endsWith(".gz")
    ? createGunzip()
    : new Transform({ transform: (chunk, _, done) => done(null, chunk) });
  pipeline(file, text, parser, () => undefined);
  yield* parser as AsyncIterable<readonly string[]>;
}

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** A devices folder is some hundred small files; more is the wrong folder. */
const filesMax = 5_000;
/** 50,000 rows of a fleet file are about 8 MB. */
const fileBytesMax = 16 * 2 ** 20;

export class FilesError extends Error {
  readonly code: "folder_missing" | "too_many_files" | "file_too_large";
  constructor(code: FilesError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The text of every file under `folder` whose path within it (with `/`) is wanted, in order of path. Bounded in files
 * and bytes; throws FilesError beyond the bounds, or where there is no folder.
 */
export const readTextTree = async (
  folder: string,
  wanted: (path: string) => boolean,
): Promise<ReadonlyMap<string, string>> => {
  const paths = (await list(folder, "")).filter(wanted).sort();
  const files = new Map<string, string>();
  for (const path of paths) {
    const { size } = await stat(join(folder, path));
    if (size > fileBytesMax)
      throw new FilesError("file_too_large", `${path} has ${size} bytes, at most ${fileBytesMax}`);
    files.set(path, await readFile(join(folder, path), "utf8"));
  }
  return files;
};

const list = async (folder: string, prefix: string): Promise<string[]> => {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true }).catch((cause: unknown) => {
    throw new FilesError("folder_missing", `cannot read the folder ${join(folder, prefix)}`, { cause });
  });
  const paths: string[] = [];
  for (const entry of entries) {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory()) paths.push(...(await list(folder, path)));
    else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path);
    if (paths.length > filesMax) throw new FilesError("too_many_files", `${folder} holds more than ${filesMax} files`);
  }
  return paths;
};

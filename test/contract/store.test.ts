import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWatermark } from "../../src/platform/watermark.ts";
import { openKnowledge, openStore } from "../../src/store/store.ts";
import { type Opened, storeContract } from "./store.contract.ts";

/** In a folder of its own; `freshMax` says how often observations move from memory and feed into their table. */
const openSqlite = (freshMax: number) => (): Opened => {
  const folder = mkdtempSync(join(tmpdir(), "meizhen-store-"));
  const options = { path: join(folder, "store.db"), watermark: openWatermark(), freshMax };
  let store = openStore(options);
  return {
    store,
    reader: () => openKnowledge(options),
    reopen() {
      store.close();
      store = openStore(options);
      return store;
    },
    close() {
      store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

storeContract("SQLite, every commit merged", openSqlite(1));
storeContract("SQLite, merged now and then", openSqlite(5));
storeContract("SQLite, never merged but at the end", openSqlite(100_000));

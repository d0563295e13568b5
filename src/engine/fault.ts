import { clear, raise } from "./alarming.ts";
import type { Scene } from "./district.ts";
import { faultId, maintenance } from "./maintenance.ts";
import { type Stream, stands } from "./memory.ts";
import { faultText } from "./wording.ts";

/**
 * After each reading in order: a run of flag 4 that lasts the kind's `failAfter` is a broken probe (SEMANTICS 2.4). A
 * missing value neither begins nor ends a run.
 */
export const noteFlag = (scene: Scene, stream: Stream): void => {
  const { quality, frontier } = stream;
  if (quality === 4) {
    stream.failingSince ??= frontier;
    if (frontier - stream.failingSince >= scene.table.kind.failAfter) broken(scene, stream, stream.failingSince);
  } else if (quality !== 9 && stream.failingSince !== null) {
    stream.failingSince = null;
    mend(scene, stream);
  }
};

const broken = (scene: Scene, stream: Stream, since: number): void => {
  const { district, thing, table } = scene;
  if (stands(thing.alarms.get(faultId))) return;
  raise(district, thing, maintenance(table, { limit: faultId, property: stream.property.id, priority: "medium" }), {
    since,
    raisedAt: since + table.kind.failAfter,
    value: stream.value,
    quality: stream.quality,
    text: faultText(table, stream.property, stream.value ?? 0),
    notes: [],
  });
};

/** One alarm for all properties: it goes with the last that has failed for so long. */
const mend = ({ district, thing, table }: Scene, mended: Stream): void => {
  for (const { failingSince, frontier } of thing.streams.values()) {
    if (failingSince !== null && frontier - failingSince >= table.kind.failAfter) return;
  }
  clear(district, thing, faultId, { at: mended.frontier });
};

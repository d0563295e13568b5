import type { ThingId } from "../domain/thing.ts";
import { clear, raise, suppress } from "./alarming.ts";
import { type District, memoryOf, type Scene, touch } from "./district.ts";
import { silentId } from "./maintenance.ts";
import { stands, type ThingMemory } from "./memory.ts";
import { silenceTemplate } from "./silence.ts";
import { cutOffText } from "./wording.ts";

/** SEMANTICS 4.3: 80 % of what is behind a gateway, and at least three. */
const cutOffShare = 0.8;
const cutOffMin = 3;

/** After an entry that silenced something, or brought it back: one alarm for the gateway, or for each thing its own. */
export const settleGateways = (district: District): void => {
  if (district.gateways.size === 0) return;
  const gateways = [...district.gateways].sort();
  district.gateways.clear();
  for (const id of gateways) settleGateway(district, id);
};

const settleGateway = (district: District, id: ThingId): void => {
  const table = district.tables.things.get(id);
  if (table === undefined) return;
  const gateway = memoryOf(district, id);
  gateway.table ??= table;
  const behind = (district.tables.behind.get(id) ?? []).map((thing) => district.things.get(thing));
  const silent = behind.filter((thing) => thing?.silent === true) as ThingMemory[];
  const cutOff = silent.length >= cutOffMin && silent.length >= cutOffShare * behind.length;
  if (cutOff !== gateway.cutOff) touch(district, gateway);
  gateway.cutOff = cutOff;
  const scene = { district, thing: gateway, table };
  if (cutOff) standFor(scene, silent, behind.length);
  else standDown(scene, behind);
};

const standFor = (scene: Scene, silent: readonly ThingMemory[], behind: number): void => {
  const { district, thing: gateway, table } = scene;
  const since = Math.max(...silent.map(({ heardAt }) => Math.max(heardAt ?? 0, district.runningSince)));
  const alarm = raise(district, gateway, silenceTemplate(scene), {
    since,
    raisedAt: district.draft.at,
    value: silent.length,
    quality: null,
    text: cutOffText(table, silent.length, behind),
    notes: [],
  });
  for (const thing of silent) if (stands(thing.alarms.get(silentId))) suppress(district, thing, silentId, alarm.id);
};

/** What is still silent then is silent by itself, and nobody has been told of it. */
const standDown = ({ district, thing: gateway }: Scene, behind: readonly (ThingMemory | undefined)[]): void => {
  const alarm = gateway.alarms.get(silentId);
  if (alarm === undefined) return;
  if (!gateway.silent) clear(district, gateway, silentId, { at: district.draft.at });
  for (const thing of behind) {
    if (thing?.alarms.get(silentId)?.suppressedBy === alarm.id) suppress(district, thing, silentId, null, true);
  }
};

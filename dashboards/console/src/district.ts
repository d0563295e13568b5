import { computed, ref, shallowReactive, shallowRef } from "vue";
import { api, Problem, readiness } from "./api.ts";
import { connection, follow, unfollow } from "./live.ts";
import type { Alarm, Kind, Named, Priority, RawPoint, Readiness, Series, Target, Text, Thing } from "./shapes.ts";

/**
 * What the console knows of the district: read once, then moved by the live stream. A page reads from here and asks the
 * API only for what belongs to it alone (histories, trends, rejections).
 */
export const kinds = shallowReactive(new Map<string, Kind>());
export const things = shallowReactive(new Map<string, Thing>());
/** Active alarms, and those that became normal while somebody looked at them. */
export const alarms = shallowReactive(new Map<string, Alarm>());
export const targets = shallowRef<readonly Target[] | null>(null);
/** Whether the service computes target figures at all. */
export const targetsKnown = ref<"loading" | "known" | "absent">("loading");
type Names = ReadonlyMap<string, Text>;
/** What the register calls streets, grids and people; without it their ids show. */
export const names = shallowRef<{ district: Text | null; street: Names; grid: Names; person: Names }>({
  district: null,
  street: new Map(),
  grid: new Map(),
  person: new Map(),
});
export const ready = shallowRef<Readiness>({ ready: true, causes: [] });
/** `failed` holds why the first reading of the district did not succeed. */
export const loading = ref<"idle" | "loading" | "loaded" | "failed">("idle");
export const loadProblem = shallowRef<Problem | null>(null);

/** Somebody should hear of it now: not shelved, not suppressed, not out of service, not about the past only. */
export const isHeard = (alarm: Alarm): boolean =>
  alarm.shelvedUntil === null && alarm.suppressedBy === null && !alarm.outOfService && !alarm.late;
export const isOpen = (alarm: Alarm): boolean =>
  alarm.state === "unacknowledged" || alarm.state === "returned-unacknowledged";

export const priorities: readonly Priority[] = ["critical", "high", "medium", "low"];
export const rank = (priority: Priority): number => priorities.indexOf(priority);

/** What is heard first, then what nobody has acknowledged, then by priority, then the newest. */
export const byUrgency = (a: Alarm, b: Alarm): number =>
  Number(isHeard(b)) - Number(isHeard(a)) ||
  Number(isOpen(b)) - Number(isOpen(a)) ||
  rank(a.priority) - rank(b.priority) ||
  Date.parse(b.raisedAt) - Date.parse(a.raisedAt) ||
  (a.id < b.id ? -1 : 1);

export const houseId = "house";
const active = computed(() => [...alarms.values()].filter((alarm) => alarm.state !== "normal"));
/** What the district suffers from. */
export const activeAlarms = computed(() => active.value.filter((alarm) => alarm.thing !== houseId));
/** What the system itself suffers from. */
export const houseAlarms = computed(() => active.value.filter((alarm) => alarm.thing === houseId).sort(byUrgency));

/** The most urgent alarm of each thing that is heard of. */
export const worstByThing = computed(() => {
  const worst = new Map<string, Alarm>();
  for (const alarm of activeAlarms.value) {
    if (!isHeard(alarm)) continue;
    const known = worst.get(alarm.thing);
    if (known === undefined || byUrgency(alarm, known) < 0) worst.set(alarm.thing, alarm);
  }
  return worst;
});

const fill = <K, V>(map: Map<K, V>, items: readonly V[], key: (item: V) => K): void => {
  const seen = new Set(items.map(key));
  for (const known of [...map.keys()]) if (!seen.has(known)) map.delete(known);
  for (const item of items) map.set(key(item), item);
};

const readTargets = async (): Promise<void> => {
  try {
    targets.value = await api.targets();
    targetsKnown.value = targets.value.length > 0 ? "known" : "absent";
  } catch {
    targetsKnown.value = "absent";
  }
};

const readNames = async (): Promise<void> => {
  const site = await api.site();
  const entries = (list: readonly Named[]) => list.map((one) => [one.id, one.name] as const);
  names.value = {
    district: site.district?.name ?? null,
    street: new Map(entries(site.streets)),
    grid: new Map(entries(site.grids)),
    person: new Map(entries(site.people)),
  };
};

const readReadiness = async (): Promise<void> => {
  try {
    ready.value = await readiness();
  } catch {
    // no answer at all is told by the live stream's own banner
  }
};

const readAll = async (): Promise<void> => {
  const [allKinds, allThings, active] = await Promise.all([api.kinds(), api.things(), api.activeAlarms()]);
  fill(kinds, allKinds, (kind) => kind.kind);
  fill(things, allThings, (thing) => thing.id);
  fill(alarms, active, (alarm) => alarm.id);
  const readSite = allKinds.some((kind) => kind.attributes !== undefined) ? readNames() : null;
  await Promise.all([readTargets(), readReadiness(), readSite]);
};

const load = async (): Promise<void> => {
  loading.value = "loading";
  try {
    await readAll();
    loading.value = "loaded";
    loadProblem.value = null;
  } catch (error) {
    loading.value = "failed";
    loadProblem.value = error instanceof Problem ? error : new Problem(0, "unknown", String(error));
  }
};

const listeners = new Set<(event: string, data: unknown) => void>();
/** Lets a page hear the events themselves; answers how to stop. */
export const listen = (listener: (event: string, data: unknown) => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

const patchThing = (id: string, patch: (thing: Thing) => Thing): void => {
  const thing = things.get(id);
  if (thing !== undefined) things.set(id, patch(thing));
};

const handlers: Readonly<Record<string, (data: unknown) => void>> = {
  alarm: (data) => takeAlarm(data as Alarm),
  presence: (data) => {
    const thing = data as Thing;
    // the service counts a thing's alarms when it tells of its presence, this page with every alarm event
    things.set(thing.id, thing);
  },
  observation: (data) => {
    const { thing: id, property, unit, points } = data as Series<RawPoint>;
    const point = points.at(-1);
    if (point === undefined) return;
    patchThing(id, (thing) => ({
      ...thing,
      lastSeen: point.time > (thing.lastSeen ?? "") ? point.time : thing.lastSeen,
      latest: { ...thing.latest, [property]: { ...point, unit } },
    }));
  },
  target: (data) => {
    const target = data as Target;
    const known = targets.value ?? [];
    targets.value = known.some((one) => one.id === target.id)
      ? known.map((one) => (one.id === target.id ? target : one))
      : [...known, target];
    targetsKnown.value = "known";
  },
  health: (data) => {
    ready.value = data as Readiness;
  },
  // the service no longer has what was missed: read everything again
  reset: () => void load(),
};

/** A command's answer and a live event both end here. */
export const takeAlarm = (alarm: Alarm): void => {
  const before = alarms.get(alarm.id);
  alarms.set(alarm.id, alarm);
  const was = before !== undefined && before.state !== "normal";
  const is = alarm.state !== "normal";
  if (was === is) return;
  patchThing(alarm.thing, (thing) => ({ ...thing, activeAlarms: Math.max(0, thing.activeAlarms + (is ? 1 : -1)) }));
};

let readinessTimer: ReturnType<typeof setInterval> | undefined;

/** Follows first and reads then, so that nothing falls between the two. */
export const open = async (onUnauthorized: () => void): Promise<void> => {
  follow((event, data) => {
    handlers[event]?.(data);
    for (const listener of listeners) listener(event, data);
  }, onUnauthorized);
  clearInterval(readinessTimer);
  // the live stream tells of a change; this is for when the stream itself is what suffers
  readinessTimer = setInterval(() => {
    if (connection.stream !== "live") void readReadiness();
  }, 15_000);
  await load();
};

export const close = (): void => {
  unfollow();
  clearInterval(readinessTimer);
  for (const map of [kinds, things, alarms]) map.clear();
  targets.value = null;
  loading.value = "idle";
};

export const reload = load;

/** A property as its kind declares it. */
export const propertyOf = (kind: string, property: string) =>
  kinds.get(kind)?.properties.find((one) => one.id === property);
export const limitOf = (kind: string, limit: string) => kinds.get(kind)?.limits.find((one) => one.id === limit);

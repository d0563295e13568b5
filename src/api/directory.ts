import type { Account } from "../domain/access.ts";
import type { Kind, Property } from "../domain/kind.ts";
import type { Registry } from "../domain/registry.ts";
import type { Thing } from "../domain/thing.ts";
import type { ChangeId, Knowledge } from "../ports.ts";

/**
 * What nearly every request needs and nearly nothing changes: the registry and the accounts, kept in memory and
 * forgotten as soon as a committed change says so. It is asked for the cursor each time, so an account that was
 * removed is refused by the next request, not by the next but one.
 */
export type Directory = {
  registry(): Registry | null;
  /** By id, in order. */
  things(): readonly Thing[];
  thing(id: string): Thing | undefined;
  kinds(): readonly Kind[];
  kind(id: string): Kind | undefined;
  property(thing: Thing, id: string): Property | undefined;
  account(username: string): Account | undefined;
};

type Snapshot = {
  readonly registry: Registry | null;
  readonly things: readonly Thing[];
  readonly thingById: ReadonlyMap<string, Thing>;
  readonly kinds: readonly Kind[];
  readonly kindById: ReadonlyMap<string, Kind>;
  readonly accounts: ReadonlyMap<string, Account>;
};

/** After every change of that entry. */
export const afterSeq = (seq: number): ChangeId => ({ seq, n: Number.MAX_SAFE_INTEGER });

export const createDirectory = (knowledge: Knowledge): Directory => {
  let seen = -1;
  let snapshot: Snapshot | null = null;
  /** Within one turn of synchronous work nothing is asked twice: a page of a thousand things asks ten thousand times. */
  let checked = false;
  const current = (): Snapshot => {
    if (checked && snapshot !== null) return snapshot;
    checked = true;
    queueMicrotask(() => {
      checked = false;
    });
    const cursor = knowledge.cursor();
    const stale =
      snapshot === null ||
      (cursor !== seen && knowledge.changesAfter(afterSeq(seen), 1, ["registry", "account"]).length > 0);
    seen = cursor;
    if (stale || snapshot === null) snapshot = take(knowledge);
    return snapshot;
  };
  return {
    registry: () => current().registry,
    things: () => current().things,
    thing: (id) => current().thingById.get(id),
    kinds: () => current().kinds,
    kind: (id) => current().kindById.get(id),
    property: (thing, id) =>
      current()
        .kindById.get(thing.kind)
        ?.properties.find((property) => property.id === id),
    account: (username) => current().accounts.get(username),
  };
};

const byId = (one: { readonly id: string }, other: { readonly id: string }): number => (one.id < other.id ? -1 : 1);

const take = (knowledge: Knowledge): Snapshot => {
  const registry = knowledge.registry();
  const things = [...(registry?.things ?? [])].sort(byId);
  const kinds = [...(registry?.kinds ?? [])].sort(byId);
  return {
    registry,
    things,
    thingById: new Map(things.map((thing) => [thing.id, thing])),
    kinds,
    kindById: new Map(kinds.map((kind) => [kind.id, kind])),
    accounts: new Map(knowledge.accounts().map((account) => [account.username, account])),
  };
};

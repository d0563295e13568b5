import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseTopic } from "../../src/codec/topic.ts";
import { type Alarm, type AlarmState, nextState } from "../../src/domain/alarm.ts";
import type { Journaled } from "../../src/domain/entry.ts";
import { chances, cutBy, happened, steps } from "./happening.ts";
import { knowledge, openHouse, play, playOn } from "./house.ts";
import type { LedgerLine, MemoryStore } from "./memory-store.ts";

// The laws of HOUSE section 1 that the fold keeps, each for anything that may happen; and beside each law a house that
// breaks it, which must be caught.

const runs = { numRuns: 20 };
const folded = (check: (store: MemoryStore, entries: readonly Journaled[]) => void): void => {
  fc.assert(
    fc.property(steps, (happening) => {
      const { entries, store } = happened(happening);
      check(store, entries);
    }),
    runs,
  );
};

describe("law 2: if it is not an entry, it did not happen", () => {
  test("the same entries are the same knowledge, however they are cut into batches and wherever the program is restarted", () => {
    fc.assert(
      fc.property(steps, chances, (happening, chance) => {
        const { entries, store } = happened(happening);
        expect(knowledge(play(entries, cutBy(chance)))).toEqual(knowledge(store));
      }),
      runs,
    );
  });
  test("a store rebuilt from the journal gives every change its id again", () => {
    folded((store, entries) => {
      const again = play(entries, () => "commit");
      expect(again.events.map(({ seq, n, kind }) => [seq, n, kind])).toEqual(
        store.events.map(({ seq, n, kind }) => [seq, n, kind]),
      );
      expect(again.transitions().map(({ alarm }) => alarm.id)).toEqual(
        store.transitions().map(({ alarm }) => alarm.id),
      );
    });
  });
  test("a fold that remembers something beside its state is caught", () => {
    const house = openHouse();
    for (const time of ["10:00", "10:01"]) house.at(time).reads("turbidity", 1.5);
    house.at("10:03");
    const forgetful = play(house.entries(), ({ seq }) => (seq === house.entries().length - 90 ? "restart" : "go on"));
    expect(knowledge(forgetful)).toEqual(knowledge(house.store()));
    // with the state of the thing left out
    const store = play(house.entries().slice(0, -90), () => "go on");
    const amnesiac = { ...store.engineState(), things: [] };
    expect(knowledge(playOn(store, amnesiac, house.entries().slice(-90)))).not.toEqual(knowledge(house.store()));
  });
});

describe("law 5: no clock, no randomness, no I/O", () => {
  test("two folds of the same entries agree to the last character", () => {
    folded((store, entries) => {
      expect(JSON.stringify(knowledge(play(entries, ({ seq }) => (seq % 50 === 0 ? "commit" : "go on"))))).toBe(
        JSON.stringify(knowledge(store)),
      );
    });
  });
  test("nothing is told for an instant beyond the entry that told it, and no seq but its own", () => {
    folded((store, entries) => {
      const at = new Map(entries.map(({ seq, entry }) => [seq, entry.at]));
      for (const event of store.events) expect(event.at).toBe(at.get(event.seq));
      for (const { seq, receivedAt } of store.observations)
        expect(receivedAt).toBeLessThanOrEqual(at.get(seq) as number);
    });
  });
});

describe("law 8: silence is never an all-clear", () => {
  /** Alarms of limits that a tick cleared without the offDelay of readings behind it would show here. */
  const clearedBySilence = (store: MemoryStore, entries: readonly Journaled[]) => {
    const seen = new Map<string, number>();
    const kinds = new Map(entries.map(({ seq, entry }) => [seq, entry]));
    const found: string[] = [];
    for (const event of store.events) {
      if (event.kind === "presence") seen.set(event.thing, event.presence === "silent" ? event.seq : 0);
      if (event.kind !== "alarm" || event.transition.action !== "clear") continue;
      const { alarm } = event.transition;
      const bySilence = kinds.get(event.seq)?.kind === "tick" && (seen.get(alarm.thing) ?? 0) > 0;
      if (bySilence && alarm.setpoint !== null && !alarm.notes.includes("no_longer_applies")) found.push(alarm.id);
    }
    return found;
  };
  test("no alarm of a limit is cleared by a tick while its thing is silent", () => {
    folded((store, entries) => expect(clearedBySilence(store, entries)).toEqual([]));
  });
  test("a thing that stops reporting keeps its alarms and raises one more", () => {
    const house = openHouse();
    for (const time of ["10:00", "10:01", "10:02"]) house.at(time).reads("turbidity", 1.5);
    house.at("18:00");
    expect(
      house
        .store()
        .alarms()
        .map(({ limit, state }) => [limit, state]),
    ).toEqual([
      ["L", "unacknowledged"],
      ["silent", "unacknowledged"],
    ]);
  });
  test("a house in which silence clears is caught", () => {
    const house = openHouse();
    for (const time of ["10:00", "10:01", "10:02"]) house.at(time).reads("turbidity", 1.5);
    house.at("10:06");
    const store = house.store();
    const alarm = store.alarms().find(({ limit }) => limit === "L") as Alarm;
    const { seq, at, transition } = store.events.find((event) => event.kind === "alarm") as Extract<
      MemoryStore["events"][number],
      { kind: "alarm" }
    >;
    const wrong = {
      kind: "alarm",
      seq: house.entries().length,
      n: 0,
      at,
      transition: { ...transition, seq, action: "clear", alarm },
    } as const;
    expect(clearedBySilence({ ...store, events: [...store.events, wrong] }, house.entries())).toEqual([alarm.id]);
  });
});

describe("law 9: the ledger balances", () => {
  const remainders = (lines: ReadonlyMap<string, LedgerLine>): readonly string[] =>
    [...lines]
      .filter(([, { received, stored, duplicate, rejected }]) => received !== stored + duplicate + rejected)
      .map(([key]) => key);
  test("received = stored + duplicate + rejected, per thing and hour, after every commit and every replay", () => {
    folded((_, entries) => {
      for (const cut of [entries.length, Math.floor(entries.length / 2), Math.floor(entries.length / 3)]) {
        expect(remainders(play(entries.slice(0, cut), () => "go on").ledger())).toEqual([]);
      }
    });
  });
  test("every message counts as at least one reading, except births and wills", () => {
    folded((store, entries) => {
      const counted = [...store.ledger().values()].reduce((sum, { received }) => sum + received, 0);
      const messages = entries.filter(
        ({ entry }) => entry.kind === "message" && parseTopic(entry.topic)?.last !== "status",
      ).length;
      expect(counted).toBeGreaterThanOrEqual(messages);
    });
  });
  test.each([
    ["a duplicate counted as stored as well", { stored: 1 }],
    ["a rejection that nobody counts", { received: 1 }],
    ["a reading counted twice where it came", { received: 2, stored: 1 }],
  ] as const)("%s is caught", (_, wrong) => {
    const lines = new Map([["w1 0", { received: 3, stored: 1, duplicate: 1, rejected: 1 }]]);
    expect(remainders(lines)).toEqual([]);
    const line = lines.get("w1 0") as LedgerLine;
    for (const [outcome, count] of Object.entries(wrong)) line[outcome as keyof LedgerLine] += count;
    expect(remainders(lines)).toEqual(["w1 0"]);
  });
});

describe("alarms (SEMANTICS 3)", () => {
  /** Every step of every occurrence, against the table. */
  const illegal = (store: MemoryStore): readonly string[] => {
    const states = new Map<string, AlarmState>();
    const found: string[] = [];
    for (const { action, alarm } of store.transitions()) {
      const before = states.get(alarm.id) ?? "normal";
      const inTable = action === "raise" || action === "clear" || action === "acknowledge";
      const free = action === "late" || action === "unshelve";
      const expected = inTable ? nextState(before, action) : free ? alarm.state : before;
      if (expected !== alarm.state) found.push(`${alarm.id} ${before} ${action} ${alarm.state}`);
      states.set(alarm.id, alarm.state);
    }
    return found;
  };
  test("an occurrence goes only where the table of states lets it", () => {
    folded((store) => expect(illegal(store)).toEqual([]));
  });
  test("its id is derived, and one limit of one thing has one live occurrence at a time", () => {
    folded((store) => {
      const live = new Map<string, string>();
      for (const { action, alarm } of store.transitions()) {
        expect(alarm.id).toBe(`${alarm.thing}.${alarm.limit}.${alarm.since}`);
        // of the past, or about the past
        if (alarm.late || action === "comment") continue;
        const key = `${alarm.thing}.${alarm.limit}`;
        expect([undefined, alarm.id]).toContain(live.get(key));
        if (alarm.state === "normal") live.delete(key);
        else live.set(key, alarm.id);
      }
    });
  });
  test("nobody is paged for what is shelved, suppressed, or of the past", () => {
    folded((store) => {
      for (const { page, action, alarm } of store.transitions()) {
        if (!page) continue;
        expect(alarm.shelvedUntil).toBeNull();
        expect(alarm.suppressedBy === null || action === "unsuppress").toBe(true);
        expect(action).not.toBe("late");
      }
    });
  });
  test("what suppresses stands", () => {
    folded((store) => {
      const states = new Map(store.alarms().map((alarm) => [alarm.id as string, alarm.state]));
      for (const { suppressedBy } of store.alarms()) {
        if (suppressedBy !== null) expect(["unacknowledged", "acknowledged"]).toContain(states.get(suppressedBy));
      }
    });
  });
  test("an occurrence that is raised twice is caught", () => {
    const house = openHouse();
    for (const time of ["10:00", "10:01", "10:02"]) house.at(time).reads("turbidity", 1.5);
    const store = house.store();
    const [raised] = store.transitions();
    const twice = {
      ...store,
      transitions: () => [...store.transitions(), { ...(raised as NonNullable<typeof raised>) }],
    };
    expect(illegal(twice as MemoryStore)).toHaveLength(1);
  });
});

import type { Thing, ThingId } from "../src/domain/thing.ts";
import type { Device, District, Saying } from "./district.ts";
import { openPublisher, type Publisher } from "./publisher.ts";

export type BrokerOptions = {
  readonly url: string;
  /** Secrets by id of the thing or gateway that signs in; null: anonymous, as loopback allows. */
  readonly credentials: ReadonlyMap<string, string> | null;
  /** Told apart from other runs against the same broker; without credentials only. */
  readonly clientPrefix: string;
};

/** The connections of a district: one for each gateway, one for each thing that has none. */
export type Connections = {
  send(device: Device, saying: Saying | readonly Saying[], acknowledged?: () => void): Promise<void>;
  /** Every connection that is not cut: resolves when all it sent is acknowledged. */
  drain(): Promise<void>;
  /** After everything it sent is acknowledged. */
  cut(connection: ThingId): Promise<void>;
  restore(connection: ThingId): void;
  close(): Promise<void>;
};

/** Unacknowledged messages of one connection. A gateway speaks for some ten things, each once a minute. */
const windowMessages = 20;
/** Sockets opened at once: a broker limits what comes from one address. */
const openingAtOnce = 10;

/** Opens them all; rejects when the broker cannot be reached, or lets one of them not in. */
export const openConnections = async (
  district: District,
  broker: BrokerOptions,
  signal: AbortSignal,
): Promise<Connections> => {
  const owners = ownersOf(district);
  const publishers = new Map<ThingId, Publisher>();
  const cuts = new Set<ThingId>();
  const pending = [...owners.values()];
  const open = async (): Promise<void> => {
    for (let owner = pending.pop(); owner !== undefined; owner = pending.pop()) {
      publishers.set(owner.id, await openPublisher({ ...identity(owner, broker), window: windowMessages, signal }));
    }
  };
  const opened = await Promise.allSettled(Array.from({ length: openingAtOnce }, open));
  const close = async () => void (await Promise.allSettled([...publishers.values()].map((one) => one.close())));
  const failed = opened.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  const publisherOf = (connection: ThingId) => publishers.get(connection) as Publisher;
  return {
    send: (device, saying, acknowledged) =>
      publisherOf(device.connection).publish({
        topic: `${topicOf(device.thing)}/readings`,
        payload: payloadOf(saying),
        ...(acknowledged === undefined ? {} : { acknowledged }),
      }),
    drain: async () =>
      void (await Promise.all([...publishers].filter(([id]) => !cuts.has(id)).map(([, one]) => one.drain()))),
    async cut(connection) {
      await publisherOf(connection).drain();
      cuts.add(connection);
      publisherOf(connection).cut();
    },
    restore(connection) {
      cuts.delete(connection);
      publisherOf(connection).restore();
    },
    close,
  };
};

export const topicOf = (thing: Thing): string => `meizhen/${thing.street}/${thing.kind}/${thing.id}`;

/** As SURFACE section 4 wants it: one object, or an array of them. */
export const payloadOf = (saying: Saying | readonly Saying[]): string => {
  if (Array.isArray(saying)) return `[${saying.map(payloadOf).join(",")}]`;
  const one = saying as Saying;
  return "raw" in one ? one.raw : JSON.stringify({ ts: one.at, values: one.values });
};

const ownersOf = ({ devices }: District): ReadonlyMap<ThingId, Thing> => {
  const things = new Map(devices.map(({ thing }) => [thing.id, thing]));
  return new Map(devices.map(({ connection }) => [connection, things.get(connection) as Thing]));
};

const identity = (owner: Thing, { url, credentials, clientPrefix }: BrokerOptions) => {
  const password = credentials?.get(owner.id);
  if (credentials !== null && password === undefined) throw new Error(`no credential for ${owner.id}`);
  return {
    url,
    // A client id is bound to the credential: the id, or `id:suffix`.
    clientId: password === undefined ? `${clientPrefix}-${owner.id}`.slice(0, 64) : `${owner.id}:sim`,
    credential: password === undefined ? null : { username: owner.id as string, password },
    statusTopic: `${topicOf(owner)}/status`,
  };
};

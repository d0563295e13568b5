/** What the API answers (`/api/v1`); times are ISO 8601 in UTC. */
export type Text = { readonly zh: string; readonly en: string };
export type Priority = "critical" | "high" | "medium" | "low";
/** QARTOD: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing. */
export type Quality = 1 | 2 | 3 | 4 | 9;
export type Role = "viewer" | "operator" | "admin" | "auditor";
export type Language = "zh" | "en";
export type User = { readonly username: string; readonly role: Role; readonly language: Language };
export type SignedIn = { readonly token: string; readonly expiresAt: string; readonly user: User };

export type Property = {
  readonly id: string;
  readonly name: Text;
  /** UCUM code. */
  readonly unit: string;
  readonly type: "number" | "boolean";
  /** The sensor's measuring span. */
  readonly span: readonly [low: number, high: number];
};

/** One alarm setpoint; exactly one of `above` and `below` is given. */
export type Limit = {
  readonly id: string;
  readonly name: Text;
  readonly property: string;
  readonly above?: number;
  readonly below?: number;
  readonly deadband: number;
  readonly onDelayMs: number;
  readonly offDelayMs: number;
  readonly priority: Priority;
  readonly when: readonly Condition[];
  readonly compliance: boolean;
  readonly labels: readonly string[];
  readonly standard: string;
  readonly clause: string;
  readonly grade: string;
  readonly statistic: "instant" | "hourlyMean" | "dailyMean";
  readonly advice: Text;
};

/** What must hold for a limit to apply. */
export type Condition =
  | { readonly kind: "attribute"; readonly attribute: string; readonly oneOf: readonly string[] }
  | { readonly kind: "property" | "dry" | "season" };

/** A column of the fleet file; no values: it may say anything. */
export type Attribute = Named & { readonly values: readonly Named[] };
export type Named = { readonly id: string; readonly name: Text };
export type Site = {
  readonly district: (Named & { readonly zone: string }) | null;
  readonly streets: readonly Named[];
  readonly grids: readonly Named[];
  readonly people: readonly Named[];
};

export type Kind = {
  /** A service that has them has `/site` too. */
  readonly attributes?: readonly Attribute[];
  readonly kind: string;
  readonly name: Text;
  /** The reporting interval. */
  readonly everyMs: number;
  readonly properties: readonly Property[];
  readonly limits: readonly Limit[];
};

export type Presence = "online" | "silent" | "offline" | "never";
export type Latest = {
  readonly value: number | null;
  readonly unit: string;
  readonly quality: Quality;
  readonly time: string;
};

export type Thing = {
  readonly id: string;
  readonly kind: string;
  readonly street: string;
  readonly grid: string;
  readonly name: Text;
  readonly location: { readonly longitude: number; readonly latitude: number } | null;
  readonly gateway: string | null;
  readonly attributes: Readonly<Record<string, string>>;
  readonly presence: Presence;
  readonly lastSeen: string | null;
  readonly latest: Readonly<Record<string, Latest>>;
  readonly activeAlarms: number;
};

export type AlarmState = "unacknowledged" | "acknowledged" | "returned-unacknowledged" | "normal";

export type Alarm = {
  readonly id: string;
  readonly thing: string;
  readonly kind: string;
  readonly street: string;
  readonly limit: string;
  readonly property: string;
  readonly priority: Priority;
  readonly state: AlarmState;
  readonly value: number | null;
  readonly setpoint: number | null;
  readonly unit: string;
  readonly quality: Quality | null;
  readonly since: string;
  readonly raisedAt: string;
  readonly receivedAt: string;
  readonly clearedAt: string | null;
  readonly count: number;
  readonly acknowledgedAt: string | null;
  readonly acknowledgedBy: string | null;
  readonly shelvedUntil: string | null;
  readonly outOfService: boolean;
  readonly suppressedBy: string | null;
  readonly late: boolean;
  readonly notes: readonly string[];
  readonly standard: string;
  readonly clause: string;
  readonly grade: string;
  readonly text: Text;
  readonly advice: Text;
  readonly responsible: readonly { readonly person: string; readonly role: string }[];
};

export type AlarmStep = {
  readonly at: string;
  readonly action: string;
  readonly by: string | null;
  readonly text: string;
  readonly state: AlarmState;
  readonly value: number | null;
};
export type Delivery = {
  readonly at: string;
  readonly channel: string;
  readonly to: string;
  readonly outcome: string;
  readonly detail: string;
};
export type AlarmDetail = Alarm & {
  readonly history: readonly AlarmStep[];
  readonly deliveries: readonly Delivery[];
};

export type Target = {
  readonly id: string;
  readonly name: Text;
  readonly clause: string;
  readonly quote: string;
  readonly goal: number;
  readonly unit: string;
  readonly value: number | null;
  readonly capture: number | null;
  readonly state: "met" | "missed" | "unknown";
  readonly expected: number;
  readonly received: number;
  readonly valid: number;
  readonly streets: readonly {
    readonly street: string;
    readonly value: number | null;
    readonly capture: number | null;
    readonly state: "met" | "missed" | "unknown";
  }[];
};

export type RawPoint = { readonly time: string; readonly value: number | null; readonly quality: Quality };
export type Bucket = {
  readonly time: string;
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
  readonly good: number;
};
export type Series<P> = {
  readonly thing: string;
  readonly property: string;
  readonly unit: string;
  readonly points: readonly P[];
  readonly next: string | null;
};

export type Rejection = {
  readonly id: string;
  readonly receivedAt: string;
  readonly topic: string;
  readonly thing: string;
  readonly reason: string;
  readonly path: string;
  readonly detail: string;
  readonly raw: string;
  /** base64 where the bytes are no UTF-8. */
  readonly rawEncoding: "utf8" | "base64";
  readonly rawTruncated: boolean;
  readonly replayedAt: string | null;
};

export type LedgerCount = {
  readonly received: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly rejected: number;
  readonly remainder: number;
};
export type LedgerHour = LedgerCount & { readonly hour: string };
export type Ledger = LedgerCount & {
  readonly pending: number;
  readonly pendingComplete: boolean;
  readonly hours: readonly LedgerHour[];
};

export type Cause = { readonly code: string; readonly detail: string; readonly since: string | null };
/** `/readyz` and the live event `health`: what the service itself suffers from. */
export type Readiness = { readonly ready: boolean; readonly causes: readonly Cause[] };

export type Page<T> = { readonly items: readonly T[]; readonly next: string | null };

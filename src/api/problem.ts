import { z } from "zod";

/** Every way in which a request can fail, by its stable `code`. RFC 9457 problem details carry them. */
export const problems = {
  shape: { status: 400, title: "The request does not have the shape that is documented" },
  unauthenticated: { status: 401, title: "There is no session" },
  sign_in_failed: { status: 401, title: "User name or password is wrong" },
  forbidden: { status: 403, title: "The role of this account does not allow it" },
  cross_site: { status: 403, title: "The request comes from another site, or cannot show that it does not" },
  shelving_too_long: { status: 403, title: "Only an administrator shelves an alarm for more than 8 hours" },
  not_found: { status: 404, title: "There is no such thing, or not for this account" },
  method_not_allowed: { status: 405, title: "The address does not answer this method" },
  request_timeout: { status: 408, title: "The request did not arrive in time" },
  alarm_state: { status: 409, title: "The state of the alarm forbids it" },
  already_replayed: { status: 409, title: "The rejection has been replayed already" },
  body_too_large: { status: 413, title: "The body is larger than is taken" },
  media_type: { status: 415, title: "A body is application/json" },
  rate: { status: 429, title: "Too many requests" },
  locked_out: { status: 429, title: "Too many failed sign-ins" },
  live_per_user: { status: 429, title: "This account has as many live streams as it may" },
  headers_too_large: { status: 431, title: "The header fields are larger than is taken" },
  internal: { status: 500, title: "A fault of this service" },
  not_journaling: { status: 503, title: "Nothing can be journaled now; it may be carried out later all the same" },
  not_applied: { status: 503, title: "Journaled, and not yet applied: it will be carried out" },
  unavailable: { status: 503, title: "The store can't be read now" },
  busy: { status: 503, title: "Too much of this is under way" },
  live_full: { status: 503, title: "There are as many live streams as there may be" },
  not_ready: { status: 503, title: "The service is not ready" },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ProblemCode = keyof typeof problems;
export const problemCodes = Object.keys(problems) as [ProblemCode, ...ProblemCode[]];
export const problemType = "application/problem+json";

/** One field that is wrong: `query.limit`, `body.until`. */
export type Fault = { readonly field: string; readonly message: string };

type ProblemOptions = {
  readonly faults?: readonly Fault[];
  /** Seconds until it is worth trying again. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
};

/** The one error that handlers throw; anything else is `internal`. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly faults: readonly Fault[];
  readonly retryAfter: number | null;
  constructor(code: ProblemCode, detail?: string, options: ProblemOptions = {}) {
    super(detail ?? problems[code].title, { cause: options.cause });
    this.code = code;
    this.faults = options.faults ?? [];
    this.retryAfter = options.retryAfter ?? null;
  }
}

/** The body of an answer that failed. */
export const problemBody = ({ code, message, faults }: Pick<Problem, "code" | "message" | "faults">) => ({
  type: `urn:meizhen:problem:${code}`,
  title: problems[code].title,
  status: problems[code].status,
  detail: message,
  code,
  ...(faults.length === 0 ? {} : { faults }),
});

/** What `problemBody` gives for one of these codes, as the OpenAPI document shows it. */
export const problemSchema = (codes: readonly ProblemCode[]) =>
  z.strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(codes as [ProblemCode, ...ProblemCode[]]),
    faults: z.array(z.strictObject({ field: z.string(), message: z.string() })).optional(),
  });

/** A field that is well formed and yet cannot be meant, as an unknown property. */
export const fault = (field: string, message: string): Problem =>
  new Problem("shape", `${field}: ${message}`, { faults: [{ field, message }] });

export const notFound = (what: string): Problem => new Problem("not_found", `there is no ${what}`);

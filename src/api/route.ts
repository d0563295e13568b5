import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { type Role, roles } from "../domain/access.ts";
import type { Principal } from "./principal.ts";
import { type ProblemCode, problemSchema, problems, problemType } from "./problem.ts";

/** Who may: everybody without a session, or the roles named. */
export type Access = "public" | readonly Role[];

export const everyRole: Access = roles;
export const commanding: Access = ["operator", "admin"];

/** What a handler works with; all of it has been checked. */
export type Call<Params, Query, Body> = {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** On a public route, an account that sees nothing. */
  readonly principal: Principal;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
};

type Answer<A> = A | FastifyReply | Promise<A | FastifyReply>;

/** One row of the table of routes: address, who may, shapes, failures, and what is done. */
export type Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> = {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly access: Access;
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** null: 204, no content. */
  readonly answer: Reply | null;
  /** Other media types that it may answer with. */
  readonly media?: readonly string[];
  /** Failures beyond those that come with the method, the access and the shapes. */
  readonly errors?: readonly ProblemCode[];
  readonly handle: (
    call: Call<z.output<Params>, z.output<Query>, z.output<Body>>,
  ) => Answer<z.output<Reply>> | Promise<void>;
};

/** Checks that the handler fits the shapes, and forgets them. */
export const route = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  row: Route<P, Q, B, A>,
): Route => row as unknown as Route;

/** Every code that this route can answer with. */
export const errorsOf = (row: Route): readonly ProblemCode[] => {
  const codes = new Set<ProblemCode>(["shape", "rate", "internal", "unavailable", ...(row.errors ?? [])]);
  if (row.access !== "public") for (const code of ["unauthenticated", "forbidden"] as const) codes.add(code);
  if (row.method !== "GET")
    for (const code of ["cross_site", "body_too_large", "media_type", "request_timeout"] as const) codes.add(code);
  return [...codes];
};

/** Fastify's schema of a row: shapes for the validator, and all answers for the OpenAPI document. */
export const schemaOf = (row: Route) => ({
  summary: row.summary,
  operationId: operationId(row),
  ...(row.access === "public" ? { security: [] } : {}),
  ...(row.params === undefined ? {} : { params: row.params }),
  ...(row.query === undefined ? {} : { querystring: row.query }),
  ...(row.body === undefined ? {} : { body: row.body }),
  response: { ...success(row), ...failures(errorsOf(row)) },
});

const operationId = ({ method, path }: Route): string =>
  [method.toLowerCase(), ...path.split(/[^a-zA-Z]+/).filter((word) => word !== "" && word !== "api" && word !== "v")]
    .map((word, index) => (index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join("");

const success = (row: Route) => {
  if (row.answer === null) return { 204: z.null().describe("done") };
  const json = { "application/json": { schema: row.answer } };
  const media = Object.fromEntries((row.media ?? []).map((type) => [type, { schema: z.string() }]));
  const own = row.media?.length === 1 && row.answer instanceof z.ZodString;
  return { 200: { description: row.summary, content: own ? media : { ...json, ...media } } };
};

const failures = (codes: readonly ProblemCode[]) => {
  const byStatus = Map.groupBy(codes, (code) => problems[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      {
        description: of.map((code) => `\`${code}\`: ${problems[code].title}`).join("; "),
        content: { [problemType]: { schema: problemSchema(of) } },
      },
    ]),
  );
};

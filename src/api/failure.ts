import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { Telemetry } from "../platform/telemetry.ts";
import { type Fault, fault, Problem, type ProblemCode, problemBody, problems, problemType } from "./problem.ts";

/** Every failed answer has one form, whoever noticed the failure. */
export const sendProblem = (reply: FastifyReply, problem: Problem): FastifyReply => {
  if (problem.retryAfter !== null) reply.header("retry-after", problem.retryAfter);
  if (problem.code === "unauthenticated") reply.header("www-authenticate", 'Bearer realm="meizhen"');
  return reply.code(problems[problem.code].status).type(problemType).send(problemBody(problem));
};

/** Fastify's error handler. What is nobody's fault but ours is told to the log, and to the client only that. */
export const failureHandler =
  (telemetry: Telemetry) =>
  (error: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = problemOf(error);
    if (problem.code === "internal") {
      const { url: route, method } = request.routeOptions;
      // the address as it is in the table: what stands in the request's may be anybody's
      telemetry.roomFailed({ room: "api", route, method, error: error.stack ?? String(error) });
    }
    return sendProblem(reply, problem);
  };

/** What fastify and its plugins call it, in our words. */
const byFastifyCode: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "body_too_large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "media_type",
  FST_ERR_BAD_URL: "shape",
};
const byStatus: Readonly<Record<number, ProblemCode>> = {
  400: "shape",
  404: "not_found",
  413: "body_too_large",
  415: "media_type",
  429: "rate",
};

const problemOf = (error: FastifyError | Problem): Problem => {
  if (error instanceof Problem) return error;
  // the store's words, by their codes: an adapter's classes are none of this room's
  if (error.code === "cursor_invalid") return fault("query.cursor", "is none that this list gave");
  if ("retry" in error && error.retry === true) return new Problem("unavailable", undefined, { retryAfter: 5 });
  if (hasZodFastifySchemaValidationErrors(error)) {
    const place = error.validationContext === "querystring" ? "query" : (error.validationContext ?? "request");
    return shapeProblem(error.validation.map((one) => fieldFault(place, one)));
  }
  const code = byFastifyCode[error.code] ?? byStatus[error.statusCode ?? 500] ?? "internal";
  return code === "internal" ? new Problem("internal", undefined, { cause: error }) : new Problem(code, error.message);
};

const fieldFault = (
  place: string,
  { instancePath, message, params }: { instancePath: string; message?: string; params?: unknown },
): Fault => {
  const path = instancePath.split("/").filter((part) => part !== "");
  const keys = (params as { keys?: readonly string[] } | undefined)?.keys;
  // what is not known is named too, cut short: it is the client's text
  const unknown = keys === undefined ? [] : [keys.map((key) => key.slice(0, 64).toWellFormed()).join(", ")];
  return { field: [place, ...path, ...unknown].join("."), message: message ?? "is not of this shape" };
};

const shapeProblem = (faults: readonly Fault[]): Problem =>
  new Problem("shape", faults.map(({ field, message }) => `${field}: ${message}`).join("; "), { faults });

/** What is no HTTP, or does not come in time, is answered on the bare socket. */
export const answerBareSocket = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const code: ProblemCode =
    error.code === "HPE_HEADER_OVERFLOW"
      ? "headers_too_large"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "request_timeout"
        : "shape";
  const { status, title } = problems[code];
  const body = JSON.stringify(problemBody({ code, message: title, faults: [] }));
  const head = [
    `HTTP/1.1 ${status} ${code}`,
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  // whoever does not take even this answer is not waited for
  socket.destroySoon();
};

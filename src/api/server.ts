import type { AddressInfo } from "node:net";
import cookie from "@fastify/cookie";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { jsonSchemaTransform, validatorCompiler } from "fastify-type-provider-zod";
import { minute, second } from "../domain/time.ts";
import { createCommands } from "./command.ts";
import { serveConsole } from "./console-files.ts";
import type { Desk, ServerOptions, ServerSettings } from "./desk.ts";
import { createDirectory } from "./directory.ts";
import { answerBareSocket, failureHandler, sendProblem } from "./failure.ts";
import { createFeed } from "./feed.ts";
import { createGuard, sessionCookie } from "./guard.ts";
import { livePath } from "./live.ts";
import { createLockout } from "./lockout.ts";
import { nobody } from "./principal.ts";
import { Problem } from "./problem.ts";
import { type Call, type Route, schemaOf } from "./route.ts";
import { routes } from "./routes.ts";
import { createSessionBook } from "./session-book.ts";

/** Bounds of one request and of one process (RELIABILITY T19). */
const bodyBytesMax = 64 * 1024;
const headerBytesMax = 16 * 1024;
/** Node looks every `connectionsCheckingInterval` whether a request is late; a live stream has been received long ago. */
export const arrivalDefault = {
  headersTimeout: 10 * second,
  requestTimeout: 15 * second,
  connectionsCheckingInterval: 5 * second,
};
/** A socket on which nothing moves; live streams beat more often. */
const idleSocketMax = minute;
const keptAliveFor = 30 * second;
const connectionsMax = 2_000;
const requestsPerSocketMax = 10_000;
const requestsPerMinuteDefault = 6_000;
/** After it a request under way is cut when the server closes. */
const closeWithin = 2 * second;

export type Server = {
  /** The port that it listens on. @throws when the address is taken */
  listen(): Promise<{ readonly port: number }>;
  /** Refuses what is new, ends the live streams, lets what is under way finish for two seconds. Twice without harm. */
  close(): Promise<void>;
};

/** The HTTP side of the house (SURFACE section 5). Nothing happens before `listen`. */
export const createServer = (options: ServerOptions): Server => {
  const stop = new AbortController();
  let app: FastifyInstance | null = null;
  let feeding: Promise<void> = Promise.resolve();
  let desk: Desk | null = null;
  return {
    async listen() {
      desk = createDesk(options);
      app = await createApp(desk);
      await app.listen({ host: options.settings.host, port: options.settings.port });
      feeding = desk.feed.run(stop.signal);
      return { port: (app.server.address() as AddressInfo).port };
    },
    async close() {
      if (app === null) return;
      stop.abort(new Error("the server closes"));
      await feeding;
      const { server } = app;
      const closed = app.close();
      const patience = new AbortController();
      void options.clock.sleep(closeWithin, patience.signal).then(
        () => server.closeAllConnections(),
        () => {},
      );
      await closed;
      patience.abort();
      await desk?.sessions.settled();
      app = null;
    },
  };
};

const createDesk = (options: ServerOptions): Desk => {
  const directory = createDirectory(options.knowledge);
  const sessions = createSessionBook({ ...options, directory });
  return {
    ...options,
    directory,
    sessions,
    lockout: createLockout(),
    guard: createGuard(sessions, options.settings.publicUrl),
    commands: createCommands(options),
    feed: createFeed({ ...options, directory, sessions }),
  };
};

/** Fastify with everything on it, not listening yet. */
const createApp = async (desk: Desk): Promise<FastifyInstance> => {
  const table = routes(desk);
  const app = open(desk.settings);
  app.setValidatorCompiler(validatorCompiler);
  // the shapes of answers are the tests' business: a field too many must not cost an operator the answer
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.setErrorHandler(failureHandler(desk.telemetry));
  app.decorateRequest("principal", null);
  takeJsonOnly(app);
  await protect(app, desk.settings);
  await describe(app);
  measure(app, desk);
  app.addHook("onRequest", async (request, reply) => refuseMethod(table, request, reply));
  for (const row of table) mount(app, row, desk);
  app.get("/api/openapi.json", { schema: { hide: true } }, () => app.swagger());
  const pages = await serveConsole(app, desk.consoleFolder);
  app.get("/", { schema: { hide: true } }, (_request, reply) => pages.page(reply));
  app.setNotFoundHandler((request, reply) =>
    pages.isPage(request) ? pages.page(reply) : sendProblem(reply, new Problem("not_found")),
  );
  await app.ready();
  return app;
};

const open = (settings: ServerSettings): FastifyInstance => {
  const { tls, trustedProxies } = settings;
  const { requestTimeout, ...arrival } = settings.arrival ?? arrivalDefault;
  const bounds = { ...arrival, maxHeaderSize: headerBytesMax };
  const common = {
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout,
    connectionTimeout: idleSocketMax,
    keepAliveTimeout: keptAliveFor,
    maxRequestsPerSocket: requestsPerSocketMax,
    forceCloseConnections: "idle",
    exposeHeadRoutes: false,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: answerBareSocket,
    frameworkErrors: (error: Error, _request: unknown, reply: unknown) => {
      sendProblem(reply as Parameters<typeof sendProblem>[0], new Problem("shape", error.message));
    },
  } as const;
  const app =
    tls === null
      ? fastify({ ...common, http: bounds })
      : (fastify({ ...common, https: { ...bounds, ...tls, minVersion: "TLSv1.2" } }) as unknown as FastifyInstance);
  app.server.maxConnections = connectionsMax;
  return app;
};

/** JSON and nothing else: what a form of another site can send is not even read. No body counts as absent. */
const takeJsonOnly = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, undefined);
    else void parse(request, body as string, done);
  });
};

const protect = async (app: FastifyInstance, settings: ServerSettings): Promise<void> => {
  const encrypted = settings.tls !== null;
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        scriptSrcAttr: ["'none'"],
        // the component kit and ECharts set styles on elements
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", "data:", "blob:"],
        fontSrc: ["'self'", "data:"],
        connectSrc: ["'self'"],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: encrypted,
    referrerPolicy: { policy: "no-referrer" },
  });
  await app.register(cookie);
  await app.register(rateLimit, {
    max: settings.requestsPerMinute ?? requestsPerMinuteDefault,
    timeWindow: minute,
    cache: 10_000,
    errorResponseBuilder: (_request, { ttl }) =>
      new Problem("rate", undefined, { retryAfter: Math.ceil(ttl / second) }),
  });
};

const describe = async (app: FastifyInstance): Promise<void> => {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Meizhen",
        version: "1",
        description:
          "Times are ISO 8601, in UTC on the way out. Failures are RFC 9457 problem details with a stable `code`. A write with the session cookie needs the header `X-CSRF-Token` with the value of the cookie `meizhen_csrf`.",
      },
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer" },
          cookie: { type: "apiKey", in: "cookie", name: sessionCookie },
        },
      },
      security: [{ bearer: [] }, { cookie: [] }],
    },
    transform: jsonSchemaTransform,
  });
};

const measure = (app: FastifyInstance, { telemetry }: Desk): void => {
  app.addHook("onResponse", async (request, reply) => {
    const { url: route = "none" } = request.routeOptions;
    // a stream lasts as long as somebody watches, which is no time of a request
    if (route === livePath && reply.statusCode === 200) return;
    telemetry.requestServed({ route, status: reply.statusCode, value: reply.elapsedTime / second });
  });
};

/** Who may is asked before the body is read; what is asked is checked before the handler sees it. */
const mount = (app: FastifyInstance, row: Route, { guard }: Desk): void => {
  app.route({
    method: row.method,
    url: row.path,
    schema: schemaOf(row),
    onRequest: async (request, reply) => {
      if (row.path.startsWith("/api/")) reply.header("cache-control", "no-store");
      request.principal = guard.admit(request, row.access);
    },
    handler: async (request, reply) => {
      const { params, query, body } = request;
      const call: Call<unknown, unknown, unknown> = {
        ...{ params, query, body, request, reply },
        principal: request.principal ?? nobody,
      };
      return await row.handle(call);
    },
  });
};

/** Before the body is read: an address of ours that is asked in a way which it does not answer. */
const refuseMethod = (table: readonly Route[], request: FastifyRequest, reply: FastifyReply): void => {
  if (!request.is404) return;
  const allowed = methodsOf(table, request.url);
  if (allowed.length === 0) return;
  reply.header("allow", allowed.join(", "));
  throw new Problem("method_not_allowed");
};

/** The methods that the table has for an address. */
const methodsOf = (table: readonly Route[], url: string): readonly string[] => {
  const path = url.split("?")[0] ?? "";
  const fits = (pattern: string) => new RegExp(`^${pattern.replace(/:\w+/g, "[^/]+")}$`).test(path);
  return table.filter((row) => fits(row.path)).map(({ method }) => method);
};

import type { Hono } from "hono";
import type { Waiting } from "../core/ports.ts";
import { createApp } from "./app.ts";
import { dashboardReply } from "./dashboard/page.ts";
import type { ApiDeps, ApiOptions } from "./deps.ts";
import type { ApiEnv } from "./http/request-signal.ts";
import { Listener } from "./listener.ts";

/** Clients send images inside their JSON. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;
/** Each is in memory about four times while it is answered. */
const BODIES_BYTES_MAX = 128 * 1024 * 1024;

/** The HTTP side of a node: the API, and the dashboard on a port of its own. */
export class Api implements AsyncDisposable {
  readonly app: Hono<ApiEnv>;
  readonly #isDraining: () => boolean;
  readonly #beginDrain: () => void;
  #listeners: readonly Listener[] = [];

  private constructor(options: ApiOptions, deps: ApiDeps) {
    let draining = false;
    this.#isDraining = () => draining;
    this.#beginDrain = () => {
      draining = true;
    };
    const readiness = () => [{ name: "api", ready: !draining }, ...deps.readiness()];
    this.app = createApp({ ...deps, options, readiness }, this.#isDraining);
  }

  static async open(
    options: Omit<ApiOptions, "bodyBytesMax" | "bodiesBytesMax"> & {
      readonly bodyBytesMax?: number;
      readonly bodiesBytesMax?: number;
    },
    deps: ApiDeps,
  ): Promise<Api> {
    const { host, port, webHost, webPort } = options;
    const limits = { bodyBytesMax: BODY_BYTES_MAX, bodiesBytesMax: BODIES_BYTES_MAX };
    const api = new Api({ ...limits, ...options }, deps);
    await using stack = new AsyncDisposableStack();
    const main = stack.use(
      await Listener.open({ host, port, variable: "OLLAMA_API_PORT" }, api.app.fetch),
    );
    // The page calls the API of its own origin, so both answer there.
    const web = stack.use(
      await Listener.open(
        { host: webHost, port: webPort, variable: "OLLAMA_WEB_PORT" },
        (request, env) => dashboardReply(request) ?? api.app.fetch(request, env),
      ),
    );
    stack.move();
    api.#listeners = [main, web];
    return api;
  }

  get url(): string {
    return this.#listeners[0]?.url ?? "";
  }

  get webUrl(): string {
    return this.#listeners[1]?.url ?? "";
  }

  /** New requests are sent elsewhere; resolves when the running ones have ended, or the signal aborts. */
  async drain(o: Waiting): Promise<void> {
    this.#beginDrain();
    await Promise.all(this.#listeners.map((listener) => listener.idle(o)));
  }

  /** Closes what is still open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#beginDrain();
    await Promise.all(this.#listeners.map((listener) => listener[Symbol.asyncDispose]()));
  }
}

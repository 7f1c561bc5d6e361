import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AppError } from "../core/errors.ts";

export class MetricsError extends AppError<"PORT_TAKEN" | "ADDRESS_UNUSABLE"> {}

interface Source {
  readonly contentType: string;
  text(): Promise<string>;
}

/** Serves GET /metrics to Prometheus, on a port of its own: who may scrape is not who may ask models. */
export class MetricsServer implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, host: string) {
    const { port } = server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${port}/metrics`;
    this.#server = server;
  }

  static async open(
    { host, port }: { readonly host: string; readonly port: number },
    source: Source,
  ): Promise<MetricsServer> {
    const server = createServer((request, response) => {
      const path = request.url?.split("?")[0];
      if (path !== "/metrics") return end(response, 404, "text/plain", "see /metrics\n");
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("Allow", "GET, HEAD");
        return end(response, 405, "text/plain", "only GET\n");
      }
      source.text().then(
        (text) => end(response, 200, source.contentType, text),
        () => end(response, 500, "text/plain", "the metrics cannot be read\n"),
      );
    });
    server.listen({ host, port, exclusive: true });
    try {
      await once(server, "listening");
    } catch (error) {
      throw listenError(error, host, port);
    }
    return new MetricsServer(server, host);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function end(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, { "Content-Type": contentType }).end(text);
}

function listenError(error: unknown, host: string, port: number): MetricsError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "EADDRINUSE") {
    return new MetricsError(
      "PORT_TAKEN",
      `port ${port} is in use on ${host}, and the metrics need it: stop what holds it, or set OLLAMA_METRICS_PORT to another port`,
      { cause: error },
    );
  }
  return new MetricsError("ADDRESS_UNUSABLE", `cannot serve metrics on ${host}:${port} (${code})`, {
    cause: error,
  });
}

import { createServer } from "node:net";
import { RegistryError } from "../errors.ts";

/** The wanted port if it is free, or a free one of 0. */
export async function choosePort(host: string, wanted: number): Promise<number> {
  const port = await bindOnce(host, wanted);
  if (port !== undefined) return port;
  throw new RegistryError(
    "PORT_TAKEN",
    `port ${wanted} is in use on ${host}, and the embedded Postgres needs it: stop what holds it, or set OLLAMA_DB_PORT to another port`,
  );
}

function bindOnce(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === "object" && address ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}

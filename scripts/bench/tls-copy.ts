// The plain copy that replication is compared with: a file over one TLS socket from one process to another. `receive` prints
// its port, takes one connection and writes what comes to a file, or nowhere; `send` reads a file.
import { createReadStream, createWriteStream } from "node:fs";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import tls from "node:tls";

// The cipher of the mesh's own links; the key is of no account here.
const TLS = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  ciphers: "PSK-AES128-GCM-SHA256",
} as const;
const KEY = Buffer.alloc(32, 7);
const CHUNK_BYTES = 1024 * 1024;

const [role, file = "", port] = process.argv.slice(2);
if (role === "receive") {
  const server = tls.createServer({ ...TLS, pskCallback: () => KEY }, async (socket) => {
    const startedMs = performance.now();
    await pipeline(socket, file === "-" ? nowhere() : createWriteStream(file));
    process.send?.({ tookMs: performance.now() - startedMs });
    server.close();
    process.disconnect?.();
  });
  server.listen(0, "127.0.0.1", () => process.send?.(server.address() ?? {}));
} else {
  const socket = tls.connect({
    ...TLS,
    host: "127.0.0.1",
    port: Number(port),
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ identity: "bench", psk: KEY }),
  });
  await pipeline(createReadStream(file, { highWaterMark: CHUNK_BYTES }), socket);
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

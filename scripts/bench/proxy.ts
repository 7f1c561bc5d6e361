// The yardstick: the least that forwards a request, a node:http proxy with connections kept open. Its target is the first
// argument; it tells its parent its URL.
import http from "node:http";
import type { AddressInfo } from "node:net";

const target = new URL(process.argv[2] ?? "");
const agent = new http.Agent({ keepAlive: true });

const server = http.createServer((incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const forwarded = http.request(
    { host: target.hostname, port: target.port, agent, method, path: url, headers },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    },
  );
  forwarded.on("error", () => outgoing.destroy());
  outgoing.on("close", () => forwarded.destroy());
  incoming.pipe(forwarded);
});

server.listen(0, "127.0.0.1", () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.on("disconnect", () => process.exit(0));

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import t from "tap";
import { call } from "../../test/fixtures/http.ts";
import { MetricsServer } from "./metrics-server.ts";
import { Prometheus } from "./prometheus.ts";

const linesOf = (text: string, name: string): string[] =>
  text.split("\n").filter((line) => line.startsWith(name));

t.test("counters, histograms and gauges in Prometheus's text", async (t) => {
  const metrics = new Prometheus();
  const counter = metrics.counter({
    name: "ollamamax_things_total",
    help: "Things.",
    labels: ["kind"],
  });
  counter.add({ kind: "a" });
  counter.add({ kind: "a" }, 2);
  counter.add({ kind: "b" });
  const histogram = metrics.histogram({
    name: "ollamamax_wait_seconds",
    help: "Waits.",
    buckets: [0.1, 1],
  });
  histogram.observe({}, 0.5);
  let nodes: [{ state: string }, number][] = [
    [{ state: "alive" }, 3],
    [{ state: "failed" }, 1],
  ];
  metrics.gauge({ name: "ollamamax_nodes", help: "Nodes.", labels: ["state"] }, () => nodes);

  const text = await metrics.text();
  t.same(linesOf(text, "ollamamax_things_total"), [
    'ollamamax_things_total{kind="a"} 3',
    'ollamamax_things_total{kind="b"} 1',
  ]);
  t.same(linesOf(text, "ollamamax_wait_seconds_bucket"), [
    'ollamamax_wait_seconds_bucket{le="0.1"} 0',
    'ollamamax_wait_seconds_bucket{le="1"} 1',
    'ollamamax_wait_seconds_bucket{le="+Inf"} 1',
  ]);
  t.match(text, /^# HELP ollamamax_nodes Nodes\.$/m);
  t.equal(linesOf(text, "process_resident_memory_bytes").length, 1);
  t.ok(linesOf(text, "nodejs_eventloop_lag_seconds").length >= 1);
  t.equal(linesOf(text, "nodejs_eventloop_lag_p99_seconds").length, 0);
  t.equal(linesOf(text, "ollamamax_event_loop_delay_seconds").length, 3);

  nodes = [[{ state: "alive" }, 4]];
  t.same(linesOf(await metrics.text(), "ollamamax_nodes"), ['ollamamax_nodes{state="alive"} 4']);
});

t.test("labels that nobody bounded cost no more memory than a few", async (t) => {
  const metrics = new Prometheus();
  const counter = metrics.counter({ name: "ollamamax_wild_total", help: "Wild.", labels: ["id"] });
  for (let i = 0; i < 10_000; i++) counter.add({ id: `${i}` });
  const lines = linesOf(await metrics.text(), "ollamamax_wild_total");
  t.equal(lines.length, 501);
  t.ok(lines.includes('ollamamax_wild_total{id="other"} 9500'));
});

t.test("served on a port of its own", async (t) => {
  const metrics = new Prometheus();
  await using server = await MetricsServer.open({ host: "127.0.0.1", port: 0 }, metrics);
  const answer = await call(server.url);
  t.equal(answer.status, 200);
  t.match(answer.headers["content-type"], /^text\/plain; version=0\.0\.4/);
  t.match(answer.text, /^process_cpu_seconds_total /m);
  t.equal((await call(new URL("/", server.url).href)).status, 404);
  t.equal((await call(server.url, {})).status, 405);
});

t.test("a taken port is told with the setting that changes it", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  await t.rejects(MetricsServer.open({ host: "127.0.0.1", port }, new Prometheus()), {
    code: "PORT_TAKEN",
    message: /OLLAMA_METRICS_PORT/,
  });
  await t.rejects(MetricsServer.open({ host: "192.0.2.1", port: 0 }, new Prometheus()), {
    code: "ADDRESS_UNUSABLE",
  });
  await new Promise((resolve) => taken.close(resolve));
});

import { monitorEventLoopDelay } from "node:perf_hooks";
import client from "prom-client";
import type { Counter, Histogram, Labels, MetricSpec, Metrics } from "../core/metrics.ts";

/** Series of one metric; what comes beyond is counted under `other`, so that a mistake with a label costs no memory. */
const SERIES_MAX = 500;

/** The library's default of 10 ms wakes an idle node a hundred times a second. */
const EVENT_LOOP_LOOK_INTERVAL_MS = 100;
/** The library's own figures of it, which hold the interval between two looks too. */
const EVENT_LOOP_FIGURES = /^nodejs_eventloop_lag_(min|max|mean|stddev|p\d\d)_seconds$/;
const NANOSECONDS_PER_SECOND = 1e9;

/** The node's metrics, its process's and event loop's among them, in Prometheus's text format. */
export class Prometheus implements Metrics {
  readonly #registry = new client.Registry();
  readonly contentType = this.#registry.contentType;

  constructor() {
    client.collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_INTERVAL_MS,
    });
    for (const { name } of this.#registry.getMetricsAsArray()) {
      if (EVENT_LOOP_FIGURES.test(name)) this.#registry.removeSingleMetric(name);
    }
    this.#watchEventLoop();
  }

  async text(): Promise<string> {
    return await this.#registry.metrics();
  }

  counter(spec: MetricSpec): Counter {
    const counter = new client.Counter(this.#configuration(spec));
    const bounded = boundedLabels(spec);
    return { add: (labels, value = 1) => counter.inc(bounded(labels), value) };
  }

  histogram(spec: MetricSpec & { readonly buckets: readonly number[] }): Histogram {
    const buckets = [...spec.buckets];
    const histogram = new client.Histogram({ ...this.#configuration(spec), buckets });
    const bounded = boundedLabels(spec);
    return { observe: (labels, value) => histogram.observe(bounded(labels), value) };
  }

  gauge(spec: MetricSpec, read: () => Iterable<readonly [labels: Labels, value: number]>): void {
    new client.Gauge({
      ...this.#configuration(spec),
      collect() {
        // What is not there any more is not told any more.
        this.reset();
        for (const [labels, value] of read()) this.set({ ...labels }, value);
      },
    });
  }

  #watchEventLoop(): void {
    const delays = monitorEventLoopDelay({ resolution: EVENT_LOOP_LOOK_INTERVAL_MS });
    delays.enable();
    const seconds = (nanoseconds: number): number =>
      Math.max(0, nanoseconds / NANOSECONDS_PER_SECOND - EVENT_LOOP_LOOK_INTERVAL_MS / 1_000);
    this.gauge(
      {
        name: "ollamamax_event_loop_delay_seconds",
        help: "How late the event loop came to what was due, since the last scrape.",
        labels: ["quantile"],
      },
      () => {
        const [median, high, worst] = [delays.percentile(50), delays.percentile(99), delays.max];
        delays.reset();
        return [
          [{ quantile: "0.5" }, seconds(median)],
          [{ quantile: "0.99" }, seconds(high)],
          [{ quantile: "1" }, seconds(worst)],
        ];
      },
    );
  }

  #configuration({ name, help, labels = [] }: MetricSpec) {
    return { name, help, labelNames: [...labels], registers: [this.#registry] };
  }
}

function boundedLabels({ labels: names = [] }: MetricSpec): (labels: Labels) => Labels {
  const seen = new Set<string>();
  const others = Object.fromEntries(names.map((name) => [name, "other"]));
  return (labels) => {
    const key = names.map((name) => labels[name]).join("\n");
    if (seen.has(key)) return labels;
    if (seen.size >= SERIES_MAX) return others;
    seen.add(key);
    return labels;
  };
}

import client from "prom-client";
import type { Counter, Histogram, Labels, MetricSpec, Metrics } from "../core/metrics.ts";

/** Series of one metric; what comes beyond is counted under `other`, so that a mistake with a label costs no memory. */
const SERIES_MAX = 500;

/** Its default of 10 ms wakes an idle node a hundred times a second. */
const EVENT_LOOP_LOOK_INTERVAL_MS = 100;

/** The node's metrics, its process's and event loop's among them, in Prometheus's text format. */
export class Prometheus implements Metrics {
  readonly #registry = new client.Registry();
  readonly contentType = this.#registry.contentType;

  constructor() {
    client.collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_INTERVAL_MS,
    });
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

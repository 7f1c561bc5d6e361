/**
 * What components count. Names follow Prometheus (https://prometheus.io/docs/practices/naming/): `ollamamax_` in front, the
 * unit at the end, `_total` for what only grows. A label's values are few and known: never an id, a path or a model's name
 * that a client chose.
 */
export interface Metrics {
  counter(spec: MetricSpec): Counter;
  histogram(spec: MetricSpec & { readonly buckets: readonly number[] }): Histogram;
  /** Read when somebody asks; never waits. */
  gauge(spec: MetricSpec, read: () => Iterable<readonly [labels: Labels, value: number]>): void;
}

export type Labels = Readonly<Record<string, string>>;

export interface MetricSpec {
  readonly name: `ollamamax_${string}`;
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface Counter {
  add(labels: Labels, value?: number): void;
}

export interface Histogram {
  observe(labels: Labels, value: number): void;
}

/** Seconds, from a request within this machine to a model that thinks for minutes. */
export const LATENCY_BUCKETS_SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];

/** For tests and commands, which nobody scrapes. */
export const noMetrics: Metrics = {
  counter: () => ({ add: () => {} }),
  histogram: () => ({ observe: () => {} }),
  gauge: () => {},
};

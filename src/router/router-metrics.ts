import {
  type Counter,
  type Histogram,
  LATENCY_BUCKETS_SECONDS,
  type Metrics,
} from "../core/metrics.ts";

/** What the router counts; outcomes are "ok" or a code of core's INFERENCE_ERRORS. */
export interface RouterMetrics {
  /** One for each node that was asked. */
  readonly attempts: Counter;
  /** From the request's arrival to its first text, whichever node it came from. */
  readonly firstText: Histogram;
  readonly tokens: Counter;
}

export function routerMetrics(metrics: Metrics): RouterMetrics {
  return {
    attempts: metrics.counter({
      name: "ollamamax_inference_attempts_total",
      help: "Nodes asked for an answer, by where they are and how it went.",
      labels: ["where", "outcome"],
    }),
    firstText: metrics.histogram({
      name: "ollamamax_inference_first_text_seconds",
      help: "Time from a request's arrival to the first text of its answer.",
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
    tokens: metrics.counter({
      name: "ollamamax_inference_tokens_total",
      help: "Tokens of prompts and of answers.",
      labels: ["kind"],
    }),
  };
}

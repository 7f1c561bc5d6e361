import type { EngineStatus } from "../core/inference.ts";
import type { Metrics } from "../core/metrics.ts";

/** What the models of this node do now. */
export function measureEngine(metrics: Metrics, status: () => EngineStatus): void {
  metrics.gauge(
    {
      name: "ollamamax_engine_requests",
      help: "Requests on this node's models, by whether they run or wait for a slot.",
      labels: ["state"],
    },
    () => {
      const { running, queued } = status();
      return [
        [{ state: "running" }, running],
        [{ state: "queued" }, queued],
      ];
    },
  );
  metrics.gauge(
    { name: "ollamamax_engine_slots", help: "Requests that a loaded model runs at once." },
    () => [[{}, status().slots]],
  );
  metrics.gauge({ name: "ollamamax_engine_models_loaded", help: "Models in memory." }, () => [
    [{}, status().loaded.length],
  ]);
  metrics.gauge(
    { name: "ollamamax_engine_models_bytes", help: "Memory that the loaded models take." },
    () => [[{}, status().loaded.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)]],
  );
}

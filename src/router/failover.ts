import type { Clock } from "../core/clock.ts";
import type { GenerateRequest, RoutedEvent } from "../core/inference.ts";
import type { Waiting } from "../core/ports.ts";
import type { Attempts } from "./attempts.ts";
import type { RouterMetrics } from "./router-metrics.ts";
import type { Watchdog } from "./watchdog.ts";
import { watched } from "./watched.ts";

/**
 * One answer out of as many nodes as it takes. Before the first text another node begins anew; after it, another one goes
 * on from what the client already has: the engine never sends that again and counts its tokens once.
 */
export async function* generateWithFailover(
  request: GenerateRequest,
  attempts: Attempts,
  deps: { readonly watchdog: Watchdog; readonly clock: Clock; readonly metrics: RouterMetrics },
  o: Waiting,
): AsyncIterable<RoutedEvent> {
  let text = request.resume?.text ?? "";
  let tokens = request.resume?.tokens ?? 0;
  let started = false;
  const arrivedMs = deps.clock.nowMs();
  for (;;) {
    const { route, engine, attempt } = attempts.next();
    using _turn = attempt;
    yield { type: "routed", ...route };
    try {
      const resumed = text === "" ? request : { ...request, resume: { text, tokens } };
      for await (const event of watched(engine, resumed, deps.watchdog, deps.clock, o)) {
        if (event.type === "text") {
          if (text === "")
            deps.metrics.firstText.observe({}, (deps.clock.nowMs() - arrivedMs) / 1_000);
          text += event.text;
          tokens += event.tokens;
          attempt.served();
        }
        if (event.type === "end") {
          attempt.served();
          deps.metrics.tokens.add({ kind: "prompt" }, event.promptTokens);
          deps.metrics.tokens.add({ kind: "output" }, event.tokens);
        }
        // The client's answer started once, whichever node goes on with it.
        if (event.type === "started" && started) continue;
        started ||= event.type === "started";
        yield event; // A reader leaves at the end: nothing after it may be needed.
        if (event.type === "end") return;
      }
      throw new Error("the engine ended without an end");
    } catch (error) {
      attempts.failed(error, text !== "", attempt, o);
    }
  }
}

import type { Clock } from "../core/clock.ts";
import { InferenceError } from "../core/errors.ts";
import type { EndedRequest, Recorder } from "../core/history.ts";
import type { GenerateInput, RoutedEvent } from "../core/inference.ts";
import type { NodeId } from "../core/node-id.ts";

export type AccountOf = Pick<
  EndedRequest,
  "requestId" | "kind" | "userId" | "model" | "modelName"
> & {
  /** Looked at when the request has ended. */
  readonly prompt: () => readonly string[];
  readonly parts: number;
};

const LEFT = { code: "CANCELLED", message: "the client did not wait for the end" };

/** Follows one request, and has it recorded, once, when it is disposed. */
export class Account implements Disposable {
  readonly #of: AccountOf;
  readonly #recorder: Recorder;
  readonly #clock: Clock;
  readonly #arrivedMs: number;
  readonly #arrivedAtMs: number;
  readonly #nodes = new Set<NodeId>();
  #attempts = 0;
  #responseLength = 0;
  #promptTokens = 0;
  #outputTokens = 0;
  #failure: EndedRequest["failure"] = LEFT;

  constructor(of: AccountOf, { recorder, clock }: { recorder: Recorder; clock: Clock }) {
    this.#of = of;
    this.#recorder = recorder;
    this.#clock = clock;
    this.#arrivedMs = clock.nowMs();
    this.#arrivedAtMs = clock.wallMs();
  }

  asked(node: NodeId): void {
    this.#attempts++;
    this.#nodes.add(node);
  }

  saw(event: RoutedEvent): void {
    if (event.type === "text") {
      this.#responseLength += event.text.length;
      this.#outputTokens += event.tokens;
    } else if (event.type === "routed") this.asked(event.node);
    else if (event.type === "end") this.answered(event.promptTokens, event.tokens);
  }

  answered(promptTokens: number, outputTokens: number): void {
    this.#promptTokens = promptTokens;
    this.#outputTokens = outputTokens;
    this.#failure = undefined;
  }

  failed(error: unknown): void {
    this.#failure = failureOf(error);
  }

  [Symbol.dispose](): void {
    const { prompt, parts, ...of } = this.#of;
    this.#recorder.record({
      ...of,
      prompt: prompt(),
      responseLength: this.#responseLength,
      promptTokens: this.#promptTokens,
      outputTokens: this.#outputTokens,
      nodes: [...this.#nodes],
      attempts: this.#attempts,
      strategy: parts > 1 ? "data" : this.#attempts > 1 ? "failover" : "single",
      arrivedAtMs: this.#arrivedAtMs,
      durationMs: this.#clock.nowMs() - this.#arrivedMs,
      failure: this.#failure,
    });
  }
}

/** Their messages quote what the client sent, which may be the prompt. */
const QUOTING: readonly string[] = ["INVALID_REQUEST", "INVALID_OPTION"];

function failureOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof InferenceError)) return { code: "INTERNAL", message: "" };
  return { code: error.code, message: QUOTING.includes(error.code) ? "" : error.message };
}

/** What people call the prompt: texts, neither roles nor images. */
export function promptTexts(input: GenerateInput): readonly string[] {
  if (input.kind === "messages") return input.messages.map(({ content }) => content);
  return input.suffix === undefined ? [input.prompt] : [input.prompt, input.suffix];
}

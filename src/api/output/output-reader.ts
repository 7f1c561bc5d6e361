import type { GenerateRequest, Logprob, RoutedEvent } from "../../core/inference.ts";
import type { Random } from "../../core/random.ts";
import { OutputParser } from "./output-parser.ts";
import type { OutputPart } from "./output-part.ts";
import { type Tools, toolsOf } from "./tools.ts";

/** What came to an answer, in its order. */
export interface Output {
  readonly parts: readonly OutputPart[];
  /** Of the tokens since the last output, marks included. */
  readonly logprobs: readonly Logprob[];
}

const ID_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 8;

/**
 * Reads the events of one answer, whichever API it is for: made anew for each, at the node where the client is, so that it
 * goes on when another node does. Every call has an id.
 */
export class OutputReader {
  readonly #tools: Tools;
  readonly #random: Random;
  #parser: OutputParser | undefined;
  #logprobs: Logprob[] = [];
  /** Those given out: some models number their calls anew in each list. */
  readonly #ids = new Set<string>();

  constructor({ input }: Pick<GenerateRequest, "input">, random: Random) {
    this.#tools = input.kind === "messages" ? toolsOf(input.tools ?? []) : toolsOf([]);
    this.#random = random;
  }

  /** What the event adds; undefined when it adds nothing, or nothing yet. The end brings what was held back. */
  read(event: RoutedEvent): Output | undefined {
    if (event.type === "started")
      this.#parser ??= new OutputParser(event.output ?? {}, this.#tools);
    if (event.type !== "text" && event.type !== "end") return undefined;
    this.#parser ??= new OutputParser({}, this.#tools);
    if (event.type === "text") this.#logprobs.push(...(event.logprobs ?? []));
    const parts = event.type === "text" ? this.#parser.push(event.text) : this.#parser.end();
    const logprobs = this.#logprobs;
    if (parts.length === 0 && (event.type === "text" || logprobs.length === 0)) return undefined;
    this.#logprobs = [];
    return { parts: parts.map((part) => this.#withId(part)), logprobs };
  }

  #withId(part: OutputPart): OutputPart {
    if (part.type !== "call") return part;
    const { id = this.#newId(), ...call } = part.call;
    const unique = this.#ids.has(id) ? this.#newId() : id;
    this.#ids.add(unique);
    return { type: "call", call: { id: unique, ...call } };
  }

  #newId(): string {
    let id = "call_";
    for (let count = 0; count < ID_LENGTH; count++) {
      id += ID_CHARS.charAt(Math.floor(this.#random.next() * ID_CHARS.length));
    }
    return id;
  }
}

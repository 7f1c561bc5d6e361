import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Waiting } from "../../core/ports.ts";
import { Changes } from "../changes.ts";
import { childEnvironment } from "../child-environment.ts";
import { type FromQuantizer, isFromQuantizer, type QuantizeTask } from "./protocol.ts";
import { QuantizerOutput } from "./quantizer-output.ts";
import { quantizingFailure } from "./quantizing-failure.ts";

const MAIN = path.join(import.meta.dirname, "main.ts");

/** A child process that quantizes one file: it parses what may come from anybody, and takes cores for hours. */
export class QuantizeProcess implements AsyncDisposable {
  readonly #task: QuantizeTask;
  readonly #child: ChildProcess;
  readonly #log: Logger;
  readonly #ended: Promise<void>;
  readonly #changes = new Changes();
  readonly #output = new QuantizerOutput();
  #heard: FromQuantizer | undefined;
  #end: Readonly<Record<string, unknown>> | undefined;

  private constructor(task: QuantizeTask, child: ChildProcess, log: Logger) {
    this.#task = task;
    this.#child = child;
    this.#log = log.child({ quantizerPid: child.pid });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#output.push(text);
      this.#changes.notify();
    });
    child.on("message", (message: unknown) => {
      if (isFromQuantizer(message)) this.#heard = message;
      this.#changes.notify();
    });
    child.on("error", (error) => this.#ends({ problem: messageOf(error) }));
    this.#ended = once(child, "close").then(
      ([code, signal]) => this.#ends({ code, signal }),
      // It could not even be started, which its error event has told.
      () => {},
    );
  }

  static spawn(task: QuantizeTask, { log }: { readonly log: Logger }): QuantizeProcess {
    const child = fork(MAIN, [], {
      execPath: process.execPath,
      execArgv: [],
      env: childEnvironment(process.env),
      detached: true,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    // When it dies before it has read that, its end will tell.
    child.send(task, () => {});
    const { quantization, threads } = task;
    log.info({ quantizerPid: child.pid, quantization, threads }, "quantizing");
    return new QuantizeProcess(task, child, log);
  }

  /** How many values are done, from 0 on, whenever it is more. Ends when the output is whole. */
  async *progress(o: Waiting): AsyncIterable<number> {
    for (let told: number | undefined; ; ) {
      o.signal.throwIfAborted();
      const done = told === undefined ? 0 : this.#output.valuesDone;
      if (this.#begun && done !== told) {
        told = done;
        yield told;
      } else if (this.#end) return this.#expectDone(this.#end);
      else await this.#changes.next(o);
    }
  }

  /** It holds nothing but memory and a file that its caller owns. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  get #begun(): boolean {
    return this.#heard !== undefined && this.#heard.type !== "unavailable";
  }

  #ends(how: Readonly<Record<string, unknown>>): void {
    this.#end ??= how;
    this.#changes.notify();
  }

  #expectDone(how: Readonly<Record<string, unknown>>): void {
    const { tail, reason } = this.#output;
    const failure = quantizingFailure({ heard: this.#heard, reason, how }, this.#task);
    if (!failure) return;
    this.#log.warn({ ...how, ...this.#heard, stderr: tail }, "quantizing failed");
    throw failure;
  }
}

import t from "tap";
import { merged, type Source } from "./merged.ts";

/** Values that the test lets out one by one. */
class Tap {
  readonly #values: string[] = [];
  #wake = (): void => {};
  started = false;
  ended = false;
  aborted = false;

  readonly source: Source<string> = (signal) => this.#run(signal);

  async *#run(signal: AbortSignal): AsyncGenerator<string> {
    this.started = true;
    signal.addEventListener("abort", () => {
      this.aborted = true;
      this.#wake();
    });
    try {
      for (;;) {
        const value = this.#values.shift();
        if (value === "end") return;
        if (value === "fail") throw new Error("it failed");
        if (value !== undefined) yield value;
        else {
          signal.throwIfAborted();
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.ended = true;
    }
  }

  let(...values: readonly string[]): void {
    this.#values.push(...values);
    this.#wake();
  }
}

async function listOf(sources: readonly Source<string>[], atOnceMax: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const { index, value } of merged(sources, atOnceMax)) seen.push(`${index}${value}`);
  return seen;
}

t.test("all values of all sources, each source's in order", async (t) => {
  const taps = [new Tap(), new Tap(), new Tap()];
  taps[0]?.let("a", "b", "end");
  taps[1]?.let("end");
  taps[2]?.let("a", "b", "c", "end");
  const seen = await listOf(
    taps.map(({ source }) => source),
    2,
  );
  t.strictSame(seen.toSorted(), ["0a", "0b", "2a", "2b", "2c"]);
  t.strictSame(
    seen.filter((value) => value.startsWith("2")),
    ["2a", "2b", "2c"],
  );
  t.strictSame(await listOf([], 2), []);
});

t.test("no more than so many run, and a slow one holds up no other", async (t) => {
  const taps = [new Tap(), new Tap(), new Tap()];
  const values = merged(
    taps.map(({ source }) => source),
    2,
  );
  taps[1]?.let("a");
  t.strictSame((await values.next()).value, { index: 1, value: "a" });
  t.strictSame(
    taps.map(({ started }) => started),
    [true, true, false],
  );
  taps[2]?.let("a", "end");
  taps[1]?.let("end");
  t.strictSame((await values.next()).value, { index: 2, value: "a" });
  taps[0]?.let("a", "end");
  t.strictSame((await values.next()).value, { index: 0, value: "a" });
  t.equal((await values.next()).done, true);
});

t.test("a failure and a reader who leaves end them all", async (t) => {
  for (const leave of [false, true]) {
    const taps = [new Tap(), new Tap(), new Tap()];
    const values = merged(
      taps.map(({ source }) => source),
      2,
    );
    taps[0]?.let("a", ...(leave ? [] : ["fail"]));
    await values.next();
    if (leave) await values.return(undefined);
    else await t.rejects(values.next(), { message: "it failed" });
    t.strictSame(
      taps.map(({ started, ended }) => [started, ended]),
      [
        [true, true],
        [true, true],
        [false, false],
      ],
    );
    t.ok(taps[1]?.aborted);
  }
});

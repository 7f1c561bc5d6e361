import { shutdownSignal } from "../../node/shutdown.ts";
import { ProgressBar } from "../progress-bar.ts";
import type { ApiClient, Json } from "./api-client.ts";

const STOP_MS = 2_000;

/** Shows what a long call says of itself: a bar for each part that has a size, a line for each other word. */
export async function followStatus(
  client: ApiClient,
  path: string,
  body: Json,
  asJson: boolean,
  outputGone: AbortSignal,
): Promise<void> {
  using stopping = shutdownSignal({ deadlineMs: STOP_MS });
  const signal = AbortSignal.any([stopping, outputGone]);
  const isTerminal = process.stderr.isTTY;
  let bar: { readonly label: string; readonly progress: ProgressBar } | undefined;
  try {
    for await (const item of client.stream(path, { ...body, stream: true }, signal)) {
      if (asJson) {
        console.log(JSON.stringify(item));
        continue;
      }
      const label = `${item["status"] ?? ""}`;
      if (bar?.label !== label) {
        bar?.progress.end();
        bar = { label, progress: new ProgressBar(label, isTerminal) };
        // Where nobody sees bars, and of what has none, the word itself.
        if (!isTerminal || typeof item["total"] !== "number") console.error(label);
      }
      const { total, completed = 0 } = item;
      if (typeof total === "number") bar.progress.show(Number(completed), total);
    }
  } finally {
    bar?.progress.end();
  }
}

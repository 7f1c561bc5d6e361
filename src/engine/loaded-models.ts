import type { ManifestDigest } from "../core/digest.ts";

/** What a runner takes beside the model: Node, the library, buffers. */
export const PROCESS_BYTES = 128 * 1024 * 1024;

/** A loaded model, as far as the decisions below need it. */
export interface ModelUse {
  readonly model: ManifestDigest;
  /** Of its whole runner. */
  readonly memoryBytes: number;
  readonly running: number;
  /** How long it stays when idle. Infinity: for ever. */
  readonly keepAliveMs: number;
  /** When its last request ended; of no meaning while it has some. */
  readonly idleSinceMs: number;
}

/** The timer runs while the model is idle; a model in use has all of its time before it. */
export function expiresInMs(
  use: Pick<ModelUse, "running" | "keepAliveMs" | "idleSinceMs">,
  nowMs: number,
): number {
  if (use.running > 0) return use.keepAliveMs;
  return Math.max(0, use.idleSinceMs + use.keepAliveMs - nowMs);
}

/** Which model goes first: an idle one, with the shortest time left; else the one in use with the shortest keep-alive. */
export function firstToGo(loaded: readonly ModelUse[], nowMs: number): ModelUse | undefined {
  const idle = loaded.filter((use) => use.running === 0);
  const candidates = idle.length > 0 ? idle : loaded;
  return candidates.toSorted((a, b) => {
    const [left, right] = [expiresInMs(a, nowMs), expiresInMs(b, nowMs)];
    return left === right ? a.idleSinceMs - b.idleSinceMs : left - right;
  })[0];
}

export type LoadStep =
  | { readonly kind: "load" }
  /** At once if it is idle; else it takes no new requests and goes when the running ones have ended. */
  | { readonly kind: "unload"; readonly model: ManifestDigest }
  | { readonly kind: "refuse"; readonly message: string };

/** The next step towards loading a model that needs so much memory. */
export function nextLoadStep(state: {
  readonly needBytes: number;
  readonly freeBytes: number;
  readonly loaded: readonly ModelUse[];
  readonly loadedMax: number;
  readonly nowMs: number;
}): LoadStep {
  const { needBytes, freeBytes, loaded } = state;
  const freedBytes = loaded.reduce((sum, use) => sum + use.memoryBytes, 0);
  if (needBytes > freeBytes + freedBytes) {
    const message =
      `model requires more system memory (${formatBytes(needBytes)}) ` +
      `than is available (${formatBytes(freeBytes + freedBytes)})`;
    return { kind: "refuse", message };
  }
  if (needBytes <= freeBytes && loaded.length < state.loadedMax) return { kind: "load" };
  const victim = firstToGo(loaded, state.nowMs);
  return victim ? { kind: "unload", model: victim.model } : { kind: "load" };
}

function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

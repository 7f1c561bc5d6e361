import type { MessageStream } from "@libp2p/interface";
import { afterThisTurn } from "../core/after-this-turn.ts";

type Sent = Parameters<MessageStream["send"]>[0];

/**
 * Yamux gives back window after each frame, however small (chainsafe/libp2p-yamux 8.0.1, stream.ts, handleData). Grants
 * below these bounds wait for something that goes the same way: a sender has at least 256 KiB of window to live on.
 */
const HELD_GRANT_BYTES_MAX = 64 * 1_024;
const HELD_GRANTS_MAX = 64;
/** So much at once is not made to wait for more. */
const JOINED_BYTES_MAX = 64 * 1_024;

/**
 * Sends what libp2p writes in one turn of the event loop as one message of noise and one write to the socket. Left alone,
 * every frame of every stream is two writes (noise's length, then its ciphertext), each of which wakes the other side.
 */
export function joinWrites(raw: MessageStream, secured: MessageStream): void {
  const write = raw.send.bind(raw);
  const close = raw.close.bind(raw);
  const encrypt = secured.send.bind(secured);
  let queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let isScheduled = false;
  let accepts = true;
  let grants = 0;
  let grantBytes = 0;

  const flush = (): void => {
    isScheduled = false;
    grants = 0;
    grantBytes = 0;
    const joined = Buffer.concat(queue, queuedBytes);
    queue = [];
    queuedBytes = 0;
    if (joined.length === 0 || secured.status !== "open") return;
    try {
      accepts = encrypt(joined);
    } catch {
      // It has aborted itself, which everybody who waits on it is told.
      accepts = false;
    }
  };

  raw.send = (data) => write(data.subarray());
  raw.close = async (options) => {
    flush();
    await close(options);
  };
  secured.addEventListener("drain", () => {
    accepts = true;
  });
  secured.send = (data) => {
    // Its users learn of the end by its event. Yamux opens a stream in a microtask of its own (muxer.ts, onCreateStream):
    // what this threw there would end the process.
    if (secured.status !== "open") return false;
    if (data instanceof Uint8Array) queue.push(data);
    else queue.push(...data);
    queuedBytes += data.byteLength;
    const granted = grantedBytes(data);
    if (granted !== undefined) {
      grants++;
      grantBytes += granted;
      if (grants < HELD_GRANTS_MAX && grantBytes < HELD_GRANT_BYTES_MAX) return accepts;
    }
    if (queuedBytes > JOINED_BYTES_MAX) flush();
    else if (!isScheduled) {
      isScheduled = true;
      afterThisTurn(flush);
    }
    return accepts;
  };
}

const GRANT_BYTES = 12;
const WINDOW_UPDATE = 0x0001_0000;

/**
 * What a frame that is nothing but a window update gives back; undefined of every other frame. Yamux's header: version 0,
 * type (1: window update), flags, stream, length (hashicorp/yamux, spec.md).
 */
function grantedBytes(data: Sent): number | undefined {
  if (data.byteLength !== GRANT_BYTES || !(data instanceof Uint8Array)) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return view.getUint32(0) === WINDOW_UPDATE ? view.getUint32(8) : undefined;
}

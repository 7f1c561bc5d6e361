import type { Stream } from "@libp2p/interface";

interface YamuxWindow {
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate: () => void;
}

/** chainsafe/libp2p-yamux 8.0.1, stream.ts, StreamState. */
const ESTABLISHED = 3;

/**
 * Yamux gives back window after each frame, however small: a frame of its own, which the other side has to take apart. Here
 * it does so once half of the window is used, as hashicorp's own does (yamux, stream.go, sendWindowUpdate). What opens a
 * stream goes out as ever, and a stream of another kind stays as it is.
 */
export function thriftyWindow(stream: Stream): void {
  if (!isYamux(stream)) return;
  const send = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    const { state, recvWindow, recvWindowCapacity } = stream;
    if (state !== ESTABLISHED || recvWindowCapacity < recvWindow / 2) send();
  };
}

function isYamux(stream: object): stream is YamuxWindow {
  return "sendWindowUpdate" in stream && "recvWindow" in stream && "recvWindowCapacity" in stream;
}

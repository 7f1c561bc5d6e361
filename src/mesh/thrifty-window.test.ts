import type { Stream } from "@libp2p/interface";
import t from "tap";
import { thriftyWindow } from "./thrifty-window.ts";

const INIT = 0;
const ESTABLISHED = 3;

function windowOf(state: number, recvWindowCapacity: number) {
  const stream = { state, recvWindow: 100, recvWindowCapacity, sent: 0, sendWindowUpdate() {} };
  stream.sendWindowUpdate = () => {
    stream.sent++;
  };
  thriftyWindow(stream as unknown as Stream);
  return stream;
}

t.test("gives back window when half of it is used, and opens streams as ever", (t) => {
  const rows: readonly (readonly [state: number, capacity: number, sent: number])[] = [
    [ESTABLISHED, 100, 0],
    [ESTABLISHED, 50, 0],
    [ESTABLISHED, 49, 1],
    [ESTABLISHED, 0, 1],
    [INIT, 100, 1],
  ];
  for (const [state, capacity, sent] of rows) {
    const stream = windowOf(state, capacity);
    stream.sendWindowUpdate();
    t.equal(stream.sent, sent, `state ${state}, ${capacity} left`);
  }
  t.end();
});

t.test("leaves alone what is no stream of yamux", (t) => {
  const other = {};
  thriftyWindow(other as Stream);
  t.same(other, {});
  t.end();
});

import type { PeerId } from "@libp2p/interface";
import t from "tap";
import { Gater } from "./gater.ts";

const peer = (id: string) => ({ toString: () => id }) as unknown as PeerId;

t.test("the denied are turned away both ways, from when they are denied", (t) => {
  const gater = new Gater(["evil"]);
  const verdicts = (id: string): readonly boolean[] => [
    gater.isDenied(id),
    gater.denyDialPeer(peer(id)),
    gater.denyInboundEncryptedConnection(peer(id)),
    gater.denyOutboundEncryptedConnection(peer(id)),
  ];
  t.same(verdicts("evil"), [true, true, true, true]);
  t.same(verdicts("good"), [false, false, false, false]);
  gater.deny("good");
  t.same(verdicts("good"), [true, true, true, true]);
  t.equal(gater.denyDialMultiaddr(), false, "private addresses are what a mesh lives on");
  t.end();
});

import t from "tap";
import { parseNodeId } from "../core/node-id.ts";
import { ExchangeLimits } from "./exchange-limits.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";

const peer = (number: number) => {
  const id = parseNodeId(`12D3Koo${String(number).replaceAll("0", "A").padStart(45, "B")}`);
  if (!id) throw new Error("not a node id");
  return id;
};

t.test("so many for each peer, and so many in all", (t) => {
  const { exchangesPerPeerMax, exchangesMax } = PROTOCOL_POLICIES.blob;
  const limits = new ExchangeLimits();
  const takeAll = (number: number): number => {
    let taken = 0;
    while (limits.tryTake("blob", peer(number))) taken++;
    return taken;
  };
  t.equal(takeAll(1), exchangesPerPeerMax);
  for (let number = 2; number <= exchangesMax / exchangesPerPeerMax; number++) takeAll(number);
  t.equal(takeAll(9_999), 0, "nothing is left for another peer");
  t.ok(limits.tryTake("probe", peer(1)), "another protocol has its own");
  limits.release("blob", peer(1));
  t.equal(takeAll(9_999), 1);
  t.equal(takeAll(1), 0);
  t.end();
});

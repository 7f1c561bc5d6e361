import t from "tap";
import { silentLog } from "../../src/core/log.ts";
import type { NodeId } from "../../src/core/node-id.ts";
import { engineContract } from "../../src/engine/engine.contract.ts";
import { RemoteEngine } from "../../src/router/remote-engine.ts";
import { servePeers } from "../../src/router/serve-peers.ts";
import { demoModel, localModels } from "../fixtures/demo-model.ts";
import { nodeOf } from "../fixtures/fake-cluster.ts";
import { MemoryPeers } from "../fixtures/peer-streams.ts";
import { testEngine } from "../fixtures/test-engine.ts";

const HERE = "here" as NodeId;
const THERE = "there" as NodeId;

/** A real engine on another node, asked through the protocol. */
engineContract(t, async () => {
  const { engine, model, ...tested } = await testEngine();
  const peers = new MemoryPeers();
  const serving = servePeers({
    streams: peers.node(THERE),
    engine,
    models: { ...localModels([demoModel()]), describe: async () => undefined },
    log: silentLog,
  });
  const remote = new RemoteEngine(THERE, {
    streams: peers.node(HERE),
    // What the peer's heartbeat would say, without the time that it takes.
    view: () => {
      const { loaded, ...load } = engine.status();
      return nodeOf({ id: THERE, load, loaded });
    },
  });
  return {
    engine: remote,
    model,
    [Symbol.asyncDispose]: async () => {
      serving[Symbol.dispose]();
      await tested[Symbol.asyncDispose]();
      if (peers.open > 0) throw new Error(`${peers.open} ends of exchanges were left open`);
    },
  };
});

import { createPrivateKey, type KeyObject } from "node:crypto";
import type { ModelStore } from "../blobs/model-store.ts";
import type { StoreKeeper } from "../blobs/store-keeper.ts";
import type { Identity } from "../mesh/identity.ts";
import { OciDistribution, userAgentOf } from "../oci/oci-distribution.ts";
import type { NodeDeps } from "./deps.ts";
import { OLLAMA_VERSION, VERSION } from "./version.ts";

/** Registries know this node by the key that its peers know it by. */
export function openDistribution(
  models: ModelStore,
  shelf: StoreKeeper,
  identity: Identity,
  deps: NodeDeps,
): OciDistribution {
  return new OciDistribution({
    ...deps,
    shelf,
    blobs: models,
    pieces: models,
    userAgent: userAgentOf(OLLAMA_VERSION, VERSION),
    identity: keyObjectOf(identity),
  });
}

/** libp2p keeps the seed and the public half one after the other; RFC 8037 names them `d` and `x`. */
function keyObjectOf({ privateKey }: Identity): KeyObject {
  const d = Buffer.from(privateKey.raw.subarray(0, 32)).toString("base64url");
  const x = Buffer.from(privateKey.publicKey.raw).toString("base64url");
  return createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x }, format: "jwk" });
}

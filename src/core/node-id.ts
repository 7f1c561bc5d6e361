/** A node's libp2p peer id, in its base58 text form. */
export type NodeId = string & { readonly brand: "NodeId" };

/** Ed25519 peer ids (12D3Koo…, 52 characters) are what nodes of this cluster have; others are refused. */
const PEER_ID = /^12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/;

export function parseNodeId(text: string): NodeId | undefined {
  return PEER_ID.test(text) ? (text as NodeId) : undefined;
}

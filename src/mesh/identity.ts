import { mkdir } from "node:fs/promises";
import path from "node:path";
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { Ed25519PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { messageOf } from "../core/errors.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import { MeshError } from "./errors.ts";
import { readStateFile, writeStateFile } from "./state-file.ts";

/** Who a node is to its peers: stays the same for as long as its data folder does. */
export interface Identity {
  readonly nodeId: NodeId;
  readonly privateKey: Ed25519PrivateKey;
}

const IDENTITY_FILE = "identity.key";
const IDENTITY_BYTES_MAX = 1_024;

/** libp2p's own encoding (a protobuf with key type and key), so that other libp2p tools can read the file. */
export async function loadOrCreateIdentity(dataDir: string): Promise<Identity> {
  const file = path.join(dataDir, IDENTITY_FILE);
  const bytes = await readIdentity(file);
  if (bytes) return parseIdentity(file, bytes);
  const privateKey = await generateKeyPair("Ed25519");
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await writeStateFile(file, privateKeyToProtobuf(privateKey));
  } catch (error) {
    throw new MeshError(
      "IDENTITY_UNREADABLE",
      `cannot write this node's identity to ${file} (${messageOf(error)}): make the folder writable, or set OLLAMA_DATA_DIR to another one`,
      { cause: error },
    );
  }
  return toIdentity(privateKey);
}

async function readIdentity(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readStateFile(file, IDENTITY_BYTES_MAX);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function parseIdentity(file: string, bytes: Uint8Array): Identity {
  try {
    const key = privateKeyFromProtobuf(bytes);
    if (key.type !== "Ed25519") throw new Error(`a key of type ${key.type}, not Ed25519`);
    return toIdentity(key);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function toIdentity(privateKey: Ed25519PrivateKey): Identity {
  const nodeId = parseNodeId(peerIdFromPrivateKey(privateKey).toString());
  if (!nodeId) throw new Error("an Ed25519 key has a peer id of another form");
  return { nodeId, privateKey };
}

function unreadable(file: string, cause: unknown): MeshError {
  return new MeshError(
    "IDENTITY_UNREADABLE",
    `this node's identity ${file} cannot be read (${messageOf(cause)}): restore it from a backup, or move it away and the node joins as a new one`,
    { cause },
  );
}

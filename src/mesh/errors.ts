import { AppError } from "../core/errors.ts";

/** What keeps a mesh from opening. Each message names the cause and the next step. */
export type MeshErrorCode =
  | "IDENTITY_UNREADABLE"
  | "CLUSTER_KEY_INVALID"
  | "STATE_UNREADABLE"
  | "PORT_TAKEN"
  | "LISTEN_FAILED"
  | "ADDRESS_INVALID"
  | "RECORD_INVALID";

export class MeshError extends AppError<MeshErrorCode> {}

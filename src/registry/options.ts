export type SslMode = "disable" | "prefer" | "require" | "verify-full";

/** Where the registry is. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
}

export interface PoolOptions extends DatabaseAddress {
  readonly sslMode: SslMode;
  readonly connectionsMax: number;
  readonly idleTimeoutMs: number;
  readonly lifetimeMaxMs: number;
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
  /** A statement that takes longer is logged by its name; 1 s unless told otherwise. */
  readonly slowStatementMs?: number;
}

export interface RegistryOptions extends PoolOptions {
  /** False: only check that the schema is the one this version knows. */
  readonly migrate: boolean;
  /** "retry": open at once, and connect in the background while the database is away. */
  readonly whenUnreachable: "fail" | "retry";
}

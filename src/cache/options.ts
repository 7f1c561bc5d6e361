export interface RedisOptions {
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
  readonly tls: boolean;
  /** A command that takes longer is given up, and what it was for is made; unset: ANSWER_TIMEOUT_MS. */
  readonly answerTimeoutMs?: number;
}

export interface CacheOptions {
  /** Unset: values are kept in this process only. */
  readonly redis?: RedisOptions;
}

/** Many times what Redis needs on a local network, and little beside the query that it saves. */
export const ANSWER_TIMEOUT_MS = 250;

/** Of what one process keeps in its own memory. */
export const ENTRIES_MAX = 2_000;
export const BYTES_MAX = 16 * 2 ** 20;
/** A larger value is made each time. */
export const VALUE_BYTES_MAX = 256 * 2 ** 10;
/** Keys that are being made at once; a further one is made for its caller alone. */
export const FLIGHTS_MAX = 1_000;
/** Commands that wait for Redis at once; a further one is skipped. */
export const COMMANDS_MAX = 1_000;

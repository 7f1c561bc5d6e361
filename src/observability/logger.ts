import { isatty } from "node:tty";
import { pino } from "pino";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Loaded where a person looks on: it is more than half of a logger. */
const pretty = isatty(1) ? (await import("pino-pretty")).default : undefined;
/** Fields that may hold a secret are masked wherever they stand, in case somebody logs a whole object. */
const SECRET_FIELDS = ["password", "clusterKey", "authorization", "token", "prompt"];

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly environment: string;
  readonly node: string;
}

/** JSON lines on standard output; readable lines when a person looks on. */
export function openLogger(options: LoggerOptions): pino.Logger {
  const destination =
    pretty?.({ sync: true, ignore: "service,environment,node,pid,hostname" }) ??
    pino.destination({ dest: 1, sync: true });
  return pino(
    {
      level: options.level,
      base: { service: "ollamamax", environment: options.environment, node: options.node },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]),
        censor: "[secret]",
      },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    destination,
  );
}

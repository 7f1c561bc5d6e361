import type { Clock } from "../core/clock.ts";
import { systemClock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { Random } from "../core/random.ts";
import { systemRandom } from "../core/random.ts";
import { openLogger } from "../observability/logger.ts";
import type { Config } from "./config/config.ts";

/** What a node takes from outside. */
export interface NodeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Aborts when the process is asked to stop: a start that is under way is given up. */
  readonly stopping: AbortSignal;
}

export function nodeLogger(config: Config): Logger {
  return openLogger({
    level: config.OLLAMA_LOG_LEVEL,
    environment: config.OLLAMA_ENVIRONMENT,
    node: config.OLLAMA_NODE_NAME,
  });
}

export function systemNodeDeps(log: Logger, stopping: AbortSignal): NodeDeps {
  return { clock: systemClock, random: systemRandom, log, stopping };
}

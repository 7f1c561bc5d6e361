import { ROLES } from "../core/auth.ts";
import { AppError } from "../core/errors.ts";
import {
  createKey,
  type ListedKey,
  listKeys,
  type MadeKey,
  revokeKey,
} from "../node/administer-keys.ts";
import { type Config, loadConfig } from "../node/config/config.ts";
import { plain } from "./cells.ts";
import type { Arguments, Command } from "./command.ts";
import { formatTable } from "./table.ts";

interface Action {
  /** The name of its argument; undefined: it takes none. */
  readonly argument: string | undefined;
  /** Beside --json. */
  readonly options: readonly string[];
  run(config: Config, argument: string, options: Arguments["options"]): Promise<void>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  create: { argument: "NAME", options: ["role", "user", "expires", "as"], run: create },
  list: { argument: undefined, options: [], run: list },
  revoke: { argument: "KEY", options: ["as"], run: revoke },
};

export const keyCommand: Command = {
  usage: "create NAME | list | revoke KEY",
  help: [
    "Makes, lists and revokes the keys that clients need where OLLAMA_AUTH_MODE is required. It writes to",
    "the database of OLLAMA_DB_HOST, else the embedded one; the nodes read it within five seconds.",
    "",
    "  create NAME      prints the new key, this once: what is kept of it is a hash",
    `    --role ROLE      ${ROLES.join(", ")}; user unless told otherwise`,
    "    --user NAME      whose key it is, by NAME unless told otherwise; a new user has no password",
    "    --expires TIME   such as 12h or 90d; never unless told otherwise",
    "  list             all keys, the latest first",
    "  revoke KEY       by its id, its prefix, or the key itself",
    "",
    "  --as USER        whom the audit log names for it",
    "  --json           one JSON value in place of text",
  ].join("\n"),
  options: {
    role: { type: "string" },
    user: { type: "string" },
    expires: { type: "string" },
    as: { type: "string" },
    json: { type: "boolean" },
  },
  positionals: ["ACTION"],
  optionalPositionals: ["NAME or KEY"],
  run: async ({ options, positionals: [name = "", argument] }) => {
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (!action) throw usage(`key knows ${Object.keys(ACTIONS).join(", ")}, not "${name}"`);
    if ((argument === undefined) !== (action.argument === undefined)) {
      throw usage(`key ${name} takes ${action.argument ?? "no arguments"}`);
    }
    const odd = Object.keys(options).find((key) => key !== "json" && !action.options.includes(key));
    if (odd !== undefined) throw usage(`key ${name} does not take --${odd}`);
    await action.run(loadConfig(process.env).config, argument ?? "", options);
    return 0;
  },
};

function usage(problem: string): AppError {
  return new AppError("USAGE", `${problem}. See ollamamax key --help.`);
}

async function create(
  config: Config,
  name: string,
  { role: wanted = "user", user = name, expires, as, json }: Arguments["options"],
): Promise<void> {
  const role = ROLES.find((known) => known === wanted);
  if (!role) throw usage(`--role takes one of ${ROLES.join(", ")}`);
  const expiresInMs = typeof expires === "string" ? lifetimeMs(expires) : undefined;
  const wish = { name: named("NAME", name), user: named("--user", user), role, expiresInMs };
  const made = await createKey(config, { ...wish, actor: actorOf(as) });
  console.log(json ? JSON.stringify(made) : madeText(made, config));
}

async function list(
  config: Config,
  _argument: string,
  { json }: Arguments["options"],
): Promise<void> {
  const keys = await listKeys(config);
  if (json) console.log(JSON.stringify(keys));
  else if (keys.length > 0) console.log(formatTable([HEADING, ...keys.map(rowOf)]));
  else console.log("there are no keys yet: ollamamax key create NAME makes one");
}

async function revoke(
  config: Config,
  key: string,
  { as, json }: Arguments["options"],
): Promise<void> {
  const revoked = await revokeKey(config, { key, actor: actorOf(as) });
  if (json) return console.log(JSON.stringify(revoked));
  const { prefix, name, user, wasRevoked } = revoked;
  const what = `key omx_${prefix} (${plain(name)}, of ${plain(user)})`;
  if (wasRevoked) console.log(`${what} was revoked before`);
  else console.log(`${what} is revoked: every node refuses it within five seconds`);
}

const NAME_LENGTH_MAX = 255;

/** They are shown in tables, and kept in columns of this length. */
function named(option: string, value: unknown): string {
  const text = typeof value === "string" ? value.trim() : "";
  if (text !== "" && text.length <= NAME_LENGTH_MAX && text === plain(text)) return text;
  throw usage(`${option} takes 1 to ${NAME_LENGTH_MAX} characters that can be shown`);
}

function actorOf(value: unknown): string | undefined {
  return value === undefined ? undefined : named("--as", value);
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const LIFETIME_MAX_MS = 3_650 * 86_400_000;

function lifetimeMs(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,9})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS_MS[unit] ?? 0);
  if (ms > 0 && ms <= LIFETIME_MAX_MS) return ms;
  throw usage(`--expires takes minutes, hours or days up to ten years, such as 30m, 12h or 90d`);
}

const HEADING = ["KEY", "NAME", "USER", "ROLE", "STATE", "CREATED", "EXPIRES", "LAST USED", "ID"];

function rowOf(key: ListedKey): readonly string[] {
  const { id, prefix, name, user, role, state, createdAt, expiresAt, lastUsed } = key;
  const times = [minute(createdAt), expiresAt ? minute(expiresAt) : "never"];
  const used = lastUsed ? minute(lastUsed) : "never";
  return [`omx_${prefix}`, name, user, role, state, ...times, used, id];
}

/** Of an ISO time, what fits into a table. */
function minute(iso: string): string {
  return `${iso.slice(0, 16)}Z`;
}

function madeText(made: MadeKey, { OLLAMA_HOST: { host }, OLLAMA_API_PORT: port }: Config): string {
  const end = made.expiresAt ? `until ${minute(made.expiresAt)}` : "until it is revoked";
  const reached = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const url = `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}/api/tags`;
  return [
    `a key of role ${made.role} for ${plain(made.user)}, valid ${end}; it is shown this once:`,
    "",
    `  ${made.key}`,
    "",
    "Try it:",
    `  curl ${url} -H "Authorization: Bearer ${made.key}"`,
  ].join("\n");
}

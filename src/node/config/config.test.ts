import { writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { ConfigError, loadConfig } from "./config.ts";
import { hostForm } from "./parsers.ts";

t.test("defaults are the design's", (t) => {
  const { config } = loadConfig({});
  t.match(config, {
    OLLAMA_HOST: { host: "127.0.0.1" },
    OLLAMA_API_PORT: 11434,
    OLLAMA_WEB_PORT: 11435,
    OLLAMA_METRICS_PORT: 11436,
    OLLAMA_P2P_PORT: 4001,
    OLLAMA_DB_HOST: undefined,
    OLLAMA_DB_PORT: 15432,
    OLLAMA_DB_MAX_CONNECTIONS: 25,
    OLLAMA_DB_IDLE_TIMEOUT: 30_000,
    OLLAMA_DB_MAX_LIFETIME: 300_000,
    OLLAMA_DB_SLOW_QUERY: 1_000,
    OLLAMA_NUM_PARALLEL: 4,
    OLLAMA_MAX_QUEUE: 512,
    OLLAMA_KEEP_ALIVE: 300_000,
    OLLAMA_REPLICAS: 2,
    OLLAMA_AUTH_MODE: "off",
    OLLAMA_DB_SSL_MODE: "prefer",
    OLLAMA_LOG_LEVEL: "info",
  });
  t.equal(config.OLLAMA_MODELS, path.join(config.OLLAMA_DATA_DIR, "models"));
  t.end();
});

t.test("Ollama's forms of OLLAMA_HOST", (t) => {
  const rows: readonly [string, object | undefined][] = [
    ["0.0.0.0", { host: "0.0.0.0" }],
    ["0.0.0.0:1234", { host: "0.0.0.0", port: 1234 }],
    [":1234", { host: "127.0.0.1", port: 1234 }],
    ["http://example.com", { host: "example.com", port: 80 }],
    ["https://example.com", { host: "example.com", port: 443 }],
    ["http://example.com:99/ollama", { host: "example.com", port: 99 }],
    ["::1", { host: "::1" }],
    ["[::1]:1234", { host: "::1", port: 1234 }],
    ["'0.0.0.0' ", { host: "0.0.0.0" }],
    ['" :1234 "', { host: "127.0.0.1", port: 1234 }],
    ["", { host: "127.0.0.1" }],
    ["host:99999", undefined],
    ["tcp://host", undefined],
    ["u:p@host", undefined],
    ["ftp://host", undefined],
    ["a b", undefined],
  ];
  for (const [text, form] of rows) t.same(hostForm(text), form, text);
  t.equal(loadConfig({ OLLAMA_HOST: ":5000" }).config.OLLAMA_API_PORT, 5000);
  t.equal(
    loadConfig({ OLLAMA_HOST: ":5000", OLLAMA_API_PORT: "6000" }).config.OLLAMA_API_PORT,
    6000,
  );
  t.end();
});

t.test("a mistake names the variable, its value and what is allowed", (t) => {
  const rows: readonly [NodeJS.ProcessEnv, RegExp][] = [
    [{ OLLAMA_API_PORT: "abc" }, /^OLLAMA_API_PORT="abc" is not valid: .* 0 .* 65535$/],
    [{ OLLAMA_API_PORT: "70000" }, /OLLAMA_API_PORT="70000"/],
    [{ OLLAMA_NUM_PARALLEL: "0" }, /OLLAMA_NUM_PARALLEL="0" .* from 1 to 64/],
    [{ OLLAMA_NUM_PARALEL: "4" }, /OLLAMA_NUM_PARALEL="4".*Did you mean OLLAMA_NUM_PARALLEL\?/],
    [{ OLLAMA_NONSENSE_SETTING: "4" }, /not a variable of OllamaMax\. See ollamamax config --help/],
    [{ OLLAMA_DB_SSL_MODE: "maybe" }, /disable, prefer, require or verify-full/],
    [{ OLLAMA_KEEP_ALIVE: "soon" }, /OLLAMA_KEEP_ALIVE="soon" .* duration/],
    [{ OLLAMA_BOOTSTRAP_PEERS: "10.0.0.1:4001" }, /multiaddrs/],
    [{ OLLAMA_DB_PASSWORD_FILE: "/does/not/exist" }, /OLLAMA_DB_PASSWORD_FILE=.*cannot be read/],
    [{ OLLAMA_CLUSTER_KEY: "short" }, /^OLLAMA_CLUSTER_KEY=\(secret\) is not valid: .*32 random/],
    [{ OLLAMA_AUTH_MODE: "maybe" }, /OLLAMA_AUTH_MODE="maybe" .* off or required/],
    [
      { OLLAMA_ENVIRONMENT: "production", OLLAMA_AUTH_MODE: "off", OLLAMA_HOST: "0.0.0.0" },
      /OLLAMA_HOST="0.0.0.0" is not allowed in production .* or set OLLAMA_AUTH_MODE=required$/,
    ],
  ];
  for (const [env, message] of rows) {
    t.throws(() => loadConfig(env), { name: "ConfigError", message }, JSON.stringify(env));
  }
  t.end();
});

t.test("who may call: production asks for keys unless it is told otherwise", (t) => {
  const rows: readonly [NodeJS.ProcessEnv, mode: string][] = [
    [{}, "off"],
    [{ OLLAMA_AUTH_MODE: "required" }, "required"],
    [{ OLLAMA_HOST: "0.0.0.0" }, "off"],
    [{ OLLAMA_ENVIRONMENT: "production" }, "required"],
    [{ OLLAMA_ENVIRONMENT: "production", OLLAMA_HOST: "0.0.0.0" }, "required"],
    [{ OLLAMA_ENVIRONMENT: "production", OLLAMA_AUTH_MODE: "off" }, "off"],
    [{ OLLAMA_ENVIRONMENT: "production", OLLAMA_AUTH_MODE: "off", OLLAMA_HOST: "::1" }, "off"],
  ];
  for (const [env, mode] of rows) {
    t.equal(loadConfig(env).config.OLLAMA_AUTH_MODE, mode, JSON.stringify(env));
  }
  t.end();
});

t.test("all mistakes are told at once", (t) => {
  try {
    loadConfig({ OLLAMA_API_PORT: "x", OLLAMA_WEB_PORT: "y", OLLAMA_TYPO: "z" });
    t.fail("accepted");
  } catch (error) {
    t.ok(error instanceof ConfigError);
    t.equal(error instanceof ConfigError && error.message.split("\n").length, 3);
  }
  t.end();
});

t.test(
  "values are trimmed of spaces and quotes, empty is unset, Ollama's own names are let be",
  (t) => {
    const { config, settings } = loadConfig({
      OLLAMA_API_PORT: ' "1234" ',
      OLLAMA_WEB_PORT: "",
      OLLAMA_FLASH_ATTENTION: "1",
      OLLAMA_KEEP_ALIVE: "-1",
      OTHER: "x",
    });
    t.equal(config.OLLAMA_API_PORT, 1234);
    t.equal(config.OLLAMA_WEB_PORT, 11435);
    t.equal(config.OLLAMA_KEEP_ALIVE, Number.POSITIVE_INFINITY);
    t.equal(settings.find(({ name }) => name === "OLLAMA_API_PORT")?.source, "environment");
    t.equal(settings.find(({ name }) => name === "OLLAMA_WEB_PORT")?.source, "default");
    t.end();
  },
);

t.test("ports that are the same, and a secret that is given twice, are refused", (t) => {
  t.throws(() => loadConfig({ OLLAMA_API_PORT: "4001" }), {
    message: "OLLAMA_API_PORT and OLLAMA_P2P_PORT are both 4001: give each a port of its own",
  });
  t.doesNotThrow(() => loadConfig({ OLLAMA_API_PORT: "0", OLLAMA_WEB_PORT: "0" }));
  const file = path.join(tempFolder(t, { password: "p" }), "password");
  t.throws(() => loadConfig({ OLLAMA_DB_PASSWORD: "x", OLLAMA_DB_PASSWORD_FILE: file }), {
    message: "OLLAMA_DB_PASSWORD_FILE and OLLAMA_DB_PASSWORD are both set: unset one of them",
  });
  t.end();
});

t.test("a secret comes from its file and never shows in an error", (t) => {
  const file = path.join(tempFolder(t), "password");
  writeFileSync(file, "hunter2\n");
  const { config, settings } = loadConfig({ OLLAMA_DB_PASSWORD_FILE: file });
  t.equal(config.OLLAMA_DB_PASSWORD, "hunter2");
  t.match(
    settings.find(({ name }) => name === "OLLAMA_DB_PASSWORD"),
    { source: "file", secret: true },
  );
  t.end();
});

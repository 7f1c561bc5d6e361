import t from "tap";
import { loadConfig } from "../config/config.ts";
import { nodeFolder, nodePorts, planNodes } from "./plan.ts";

const DATABASE = { host: "127.0.0.1", port: 15432, database: "d", user: "u", password: "p" };

t.test("node i has every port + 10·i and a folder of its own; the rest is handed on", (t) => {
  const env = { OLLAMA_DATA_DIR: "/data", OLLAMA_API_PORT: "1000", OLLAMA_NUM_PARALLEL: "2" };
  const { config } = loadConfig(env);
  const plans = planNodes(config, { ...env, OTHER: "x" }, 3, DATABASE);
  t.same(
    plans.map(({ name, folder }) => [name, folder]),
    [1, 2, 3].map((number) => [`node-${number}`, nodeFolder("/data", number)]),
  );
  t.match(plans[2]?.env, {
    OLLAMA_API_PORT: "1020",
    OLLAMA_WEB_PORT: "11455",
    OLLAMA_METRICS_PORT: "11456",
    OLLAMA_P2P_PORT: "4021",
    OLLAMA_DATA_DIR: "/data/node-3",
    OLLAMA_MODELS: "/data/node-3/models",
    OLLAMA_NODE_NAME: "node-3",
    OLLAMA_DB_HOST: "127.0.0.1",
    OLLAMA_DB_PORT: "15432",
    OLLAMA_DB_PASSWORD: "p",
    OLLAMA_NUM_PARALLEL: "2",
    OTHER: "x",
  });
  for (const plan of plans) t.doesNotThrow(() => loadConfig(plan.env), plan.name);
  t.end();
});

t.test("the mesh keeps to this machine unless others can be meant to join", (t) => {
  const rows: readonly (readonly [env: Record<string, string>, host: string])[] = [
    [{}, "127.0.0.1"],
    [{ OLLAMA_DB_HOST: "db" }, "0.0.0.0"],
    [{ OLLAMA_P2P_HOST: "10.0.0.1" }, "10.0.0.1"],
    [{ OLLAMA_P2P_HOST: "::", OLLAMA_DB_HOST: "db" }, "::"],
  ];
  for (const [env, host] of rows) {
    const [plan] = planNodes(loadConfig(env).config, env, 1, DATABASE);
    t.equal(plan?.env["OLLAMA_P2P_HOST"], host);
  }
  t.end();
});

t.test("production asks for TLS only from a database that the user named", (t) => {
  const rows: readonly (readonly [env: Record<string, string>, mode: string])[] = [
    [{}, "disable"],
    [{ OLLAMA_DB_HOST: "db" }, "require"],
  ];
  for (const [given, mode] of rows) {
    const env = { ...given, OLLAMA_ENVIRONMENT: "production" };
    const [plan] = planNodes(loadConfig(env).config, env, 1, DATABASE);
    t.equal(loadConfig(plan?.env ?? {}).config.OLLAMA_DB_SSL_MODE, mode, JSON.stringify(given));
  }
  t.end();
});

t.test("port 0 stays any free port on every node", (t) => {
  const { config } = loadConfig({ OLLAMA_API_PORT: "0" });
  t.equal(nodePorts(config, 2).OLLAMA_API_PORT, 0);
  t.end();
});

t.test("a host with a port in OLLAMA_HOST gives every node its own", (t) => {
  const env = { OLLAMA_HOST: "0.0.0.0:2000" };
  const plans = planNodes(loadConfig(env).config, env, 2, DATABASE);
  t.match(plans[1]?.env, { OLLAMA_HOST: "0.0.0.0", OLLAMA_API_PORT: "2010" });
  t.end();
});

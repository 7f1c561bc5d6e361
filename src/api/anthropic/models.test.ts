import t from "tap";
import { fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest", ["completion"], 5_900),
  recordOf("registry.ollama.ai/apple/OpenELM:3b", ["completion"], 9_000),
];
const ASKED = { headers: { "anthropic-version": "2023-06-01" } };

t.test("models, to those who say that they are Anthropic's clients", async (t) => {
  const app = createApp(fakeCluster({ records: RECORDS }), () => false);
  const llama = { type: "model", created_at: "1970-01-01T00:00:05.900Z", lifecycle: "active" };
  t.match(await (await app.request("/v1/models", ASKED)).json(), {
    data: [
      { id: "apple/OpenELM:3b", display_name: "apple/OpenELM:3b" },
      { ...llama, id: "llama:latest", display_name: "llama:latest" },
    ],
    has_more: false,
    first_id: "apple/OpenELM:3b",
    last_id: "llama:latest",
  });
  t.match(await (await app.request("/v1/models/llama", ASKED)).json(), { ...llama, id: "llama" });
  const missing = await app.request("/v1/models/nobody", ASKED);
  t.equal(missing.status, 404);
  t.match(await missing.json(), { type: "error", error: { type: "not_found_error" } });
  const none = createApp(fakeCluster({ records: [] }), () => false);
  const empty = { data: [], has_more: false, first_id: null, last_id: null };
  t.strictSame(await (await none.request("/v1/models", ASKED)).json(), empty);
});

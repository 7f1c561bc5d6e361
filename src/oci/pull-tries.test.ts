import t from "tap";
import { type Fault, OciRegistry } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient } from "../../test/fixtures/registry-client.ts";
import { at, cut, halfAnswer, status } from "../../test/fixtures/registry-faults.ts";
import { patternBytes, serveModel } from "../../test/fixtures/registry-model.ts";
import { PIECE_BYTES } from "../core/pieces.ts";

const MODEL = patternBytes(2.5 * PIECE_BYTES);

type MakeFault = (registry: OciRegistry) => Fault;

/** What another try mends; how many tries it takes. */
const MENDED: readonly [what: string, make: MakeFault, questions: number][] = [
  ["a cut before the first byte", (r) => at("cdn", cut(r, 0), 5), 6],
  ["a cut in the first piece", (r) => at("cdn", cut(r, 1_000_000), 1), 2],
  ["a cut after a piece", (r) => at("cdn", cut(r, 1.5 * PIECE_BYTES), 1), 2],
  ["500 and then fine", () => at("cdn", status(500, "oops"), 5), 6],
  ["too many requests", () => at("cdn", status(429), 2), 3],
  ["a link that has expired", () => at("cdn", status(403, "expired"), 2), 3],
  ["500 of the registry itself", () => at("blob", status(500, "oops"), 2), 1],
  ["a registry that hangs up", () => at("blob", ({ response }) => response.destroy(), 2), 1],
];

t.test("a transfer goes on after what passes", async (t) => {
  for (const [what, make, questions] of MENDED) {
    t.test(what, async (t) => {
      const registry = await OciRegistry.open(t);
      const { digests } = serveModel(registry, "a/b:c", { model: MODEL });
      registry.faults.push(make(registry));
      const client = new RegistryClient();
      const { store } = client;
      t.equal((await client.pull(registry)).at(-1)?.status, "success");
      const model = registry.calls.filter(
        ({ place, url }) => place === "cdn" && url.pathname.endsWith(digests[0] ?? "none"),
      );
      t.equal(model.length, questions);
      t.equal(store.open, 0);
    });
  }
});

t.test("tries that bring something are not counted", async (t) => {
  const registry = await OciRegistry.open(t);
  const model = patternBytes(10 * PIECE_BYTES);
  serveModel(registry, "a/b:c", { model });
  registry.faults.push(at("cdn", cut(registry, 1.5 * PIECE_BYTES), 9));
  const client = new RegistryClient();
  t.equal((await client.pull(registry)).at(-1)?.status, "success");
  t.same(
    registry.ranges("cdn").slice(0, 3),
    [0, 1, 2].map((piece) => `bytes=${piece * PIECE_BYTES}-${model.length - 1}`),
    "each asks for what is missing",
  );
});

t.test("pauses grow, and differ by chance", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  registry.faults.push(at("cdn", status(503), 5));
  const client = new RegistryClient();
  await client.pull(registry);
  const pausesMs = client.clock.pausesMs.filter((ms) => ms !== 60);
  t.equal(pausesMs.length, 5);
  for (const [index, pauseMs] of pausesMs.entries()) {
    const middleMs = 1_000 * 2 ** index;
    t.ok(Math.abs(pauseMs - middleMs) <= 0.2 * middleMs, `pause ${index} of ${pauseMs} ms`);
  }
});

t.test("a stall is not counted, however often", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  const client = new RegistryClient();
  let stalled = 0;
  registry.faults.push(
    at(
      "cdn",
      halfAnswer(registry, 5, () => stalled++),
      8,
    ),
  );
  const passing = setInterval(() => {
    if (stalled > 0 && stalled < 9) client.clock.pass(30_000);
  }, 5);
  t.teardown(() => clearInterval(passing));
  registry.faults.push(({ place }) => {
    if (place === "cdn") stalled = 9;
    return false;
  });
  t.equal((await client.pull(registry)).at(-1)?.status, "success");
});

t.test("slow bytes are no fault", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  registry.faults.push(
    at(
      "cdn",
      ({ response }) => {
        response.writeHead(206, {
          "Content-Range": `bytes 0-${MODEL.length - 1}/${MODEL.length}`,
        });
        let sent = 0;
        const more = (): void => {
          const part = MODEL.subarray(sent, sent + 100_003);
          sent += part.length;
          if (part.length === 0) response.end();
          else response.write(part, () => setImmediate(more));
        };
        more();
      },
      1,
    ),
  );
  t.equal((await new RegistryClient().pull(registry)).at(-1)?.status, "success");
});

t.test("a server that knows no ranges is asked once for all, and what is here stays", async (t) => {
  const registry = await OciRegistry.open(t);
  const model = patternBytes(60 * PIECE_BYTES);
  serveModel(registry, "a/b:c", { model });
  registry.faults.push(({ place, request }) => {
    if (place === "cdn") delete request.headers.range;
    return false;
  });
  const client = new RegistryClient();
  const { store } = client;
  const digest = store.put(model);
  store.blobs.delete(digest);
  store.partial.set(digest, new Map([[7, model.subarray(7 * PIECE_BYTES, 8 * PIECE_BYTES)]]));
  const written: number[] = [];
  store.onWrite = (piece) => written.push(piece);
  t.equal((await client.pull(registry)).at(-1)?.status, "success");
  t.notOk(written.includes(7));
  t.ok(Buffer.compare(store.blobs.get(digest) ?? Buffer.alloc(0), model) === 0);
});

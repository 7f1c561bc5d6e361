import t from "tap";
import { manifestDigestOf } from "../core/digest.ts";
import { expiresInMs, firstToGo, type ModelUse, nextLoadStep } from "./loaded-models.ts";

const NOW_MS = 1_000;
const model = (name: string) => manifestDigestOf(Buffer.from(name));
const use = (name: string, changes: Partial<ModelUse> = {}): ModelUse => ({
  model: model(name),
  memoryBytes: 100,
  running: 0,
  keepAliveMs: 500,
  idleSinceMs: NOW_MS,
  ...changes,
});

t.test("keep-alive counts from the end of the last request", (t) => {
  const rows: readonly [Partial<ModelUse>, number][] = [
    [{}, 500],
    [{ idleSinceMs: 800 }, 300],
    [{ idleSinceMs: 0 }, 0],
    [{ idleSinceMs: 0, running: 1 }, 500],
    [{ keepAliveMs: 0 }, 0],
    [{ keepAliveMs: Number.POSITIVE_INFINITY }, Number.POSITIVE_INFINITY],
  ];
  for (const [changes, expected] of rows) {
    t.equal(expiresInMs(use("a", changes), NOW_MS), expected, JSON.stringify(changes));
  }
  t.end();
});

t.test("who goes first", (t) => {
  const forever = { keepAliveMs: Number.POSITIVE_INFINITY };
  const rows: readonly [string, readonly ModelUse[], string | undefined][] = [
    ["nobody", [], undefined],
    ["the shortest time left", [use("a"), use("b", { idleSinceMs: 900 })], "b"],
    ["idle before used", [use("a", { running: 1, keepAliveMs: 1 }), use("b")], "b"],
    ["for ever last", [use("a", forever), use("b")], "b"],
    ["even that", [use("a", forever)], "a"],
    ["of two the older", [use("a", forever), use("b", { ...forever, idleSinceMs: 1 })], "b"],
    ["all in use", [use("a", { running: 1 }), use("b", { running: 2, keepAliveMs: 9 })], "b"],
  ];
  for (const [name, loaded, expected] of rows) {
    t.equal(firstToGo(loaded, NOW_MS)?.model, expected && model(expected), name);
  }
  t.end();
});

t.test("the steps towards a load", (t) => {
  const step = (needBytes: number, freeBytes: number, loaded: readonly ModelUse[], loadedMax = 3) =>
    nextLoadStep({ needBytes, freeBytes, loaded, loadedMax, nowMs: NOW_MS });
  t.same(step(50, 60, []), { kind: "load" });
  t.same(step(50, 60, [use("a")]), { kind: "load" });
  t.same(step(50, 40, [use("a")]), { kind: "unload", model: model("a") });
  t.same(step(50, 60, [use("a")], 1), { kind: "unload", model: model("a") });
  t.same(step(141, 40, [use("a")]), {
    kind: "refuse",
    message: "model requires more system memory (141 B) than is available (140 B)",
  });
  t.same(step(5.5 * 2 ** 30, 2 ** 30, []), {
    kind: "refuse",
    message: "model requires more system memory (5.5 GiB) than is available (1.0 GiB)",
  });
  t.same(step(5, -10, []).kind, "refuse", "over the limit already");
  t.end();
});

import t from "tap";
import { Changes, unlessAborted } from "./changes.ts";

t.test("everybody who waits is told, once", async (t) => {
  const changes = new Changes();
  const { signal } = new AbortController();
  const waiting = Promise.all([changes.next({ signal }), changes.next({ signal })]);
  changes.notify();
  await waiting;
  const abort = new AbortController();
  const later = changes.next(abort);
  abort.abort(new Error("enough"));
  await t.rejects(later, { message: "enough" }, "an earlier change does not count");
});

t.test("an aborted wait leaves nothing that could go wrong later", async (t) => {
  const { promise, reject } = Promise.withResolvers<never>();
  await t.rejects(unlessAborted(promise, AbortSignal.abort()), { name: "AbortError" });
  reject(new Error("nobody listens, and the process lives on"));
  await new Promise<void>((resolve) => setImmediate(resolve));
  t.equal(await unlessAborted(Promise.resolve(1), new AbortController().signal), 1);
});

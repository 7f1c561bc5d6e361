import { PassThrough } from "node:stream";
import t from "tap";
import { brokenOutput } from "./broken-output.ts";

const failure = (code: string): Error => Object.assign(new Error(code), { code });

t.test("a reader that has gone is told, and nothing is lost", (t) => {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const lost: Error[] = [];
  const gone = brokenOutput((error) => lost.push(error), [out, err]);
  t.equal(gone.aborted, false);
  out.emit("error", failure("EPIPE"));
  t.equal(gone.aborted, true);
  err.emit("error", failure("EPIPE"));
  t.same(lost, []);
  t.end();
});

t.test("a full disk loses what was written, and is told once", (t) => {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const lost: Error[] = [];
  const gone = brokenOutput((error) => lost.push(error), [out, err]);
  for (const stream of [out, err]) stream.emit("error", failure("ENOSPC"));
  t.match(lost, [{ code: "ENOSPC" }]);
  t.equal(gone.aborted, true);
  t.end();
});

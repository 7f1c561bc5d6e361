import { PassThrough } from "node:stream";
import t from "tap";
import { brokenOutput } from "./broken-output.ts";

const failure = (code: string): Error => Object.assign(new Error(code), { code });

t.test("a reader that has gone is told, other errors are not held back", (t) => {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const gone = brokenOutput([out, err]);
  t.throws(() => out.emit("error", failure("ENOSPC")), { code: "ENOSPC" });
  t.equal(gone.aborted, false);
  out.emit("error", failure("EPIPE"));
  t.equal(gone.aborted, true);
  err.emit("error", failure("EPIPE"));
  t.end();
});

import { existsSync, statSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { RotatingFile } from "./rotating-file.ts";

const MEBIBYTE = 1024 * 1024;

t.test("keeps two files of 10 MiB at most, also over restarts", async (t) => {
  const file = path.join(tempFolder(t), "node.log");
  for (let run = 0; run < 3; run++) {
    using log = RotatingFile.open(file);
    for (let line = 0; line < 9; line++) log.write(Buffer.alloc(MEBIBYTE, "x"));
  }
  t.equal(statSync(file).size, 7 * MEBIBYTE);
  t.equal(statSync(`${file}.1`).size, 10 * MEBIBYTE);
  t.notOk(existsSync(`${file}.2`));
});

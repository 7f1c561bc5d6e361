import path from "node:path";
import t from "tap";
import { digestOf, recordOf } from "../../test/fixtures/fake-cluster.ts";
import { nodeJob } from "../../test/fixtures/node-jobs.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { AppError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import type { ModelRecord } from "../core/model.ts";
import { formatFullName } from "../core/model-name.ts";
import { doNodeJob } from "./node-work.ts";
import { PlacedModels } from "./placed-models.ts";

const o = new AbortController();
const TINY = "registry.ollama.ai/library/tiny:latest";
const record: ModelRecord = { ...recordOf(TINY), manifest: digestOf("one") };

async function open(here: readonly ModelRecord[], failure?: Error) {
  const folder = tempFolder(t);
  const file = path.join(folder, "placed.json");
  const placed = await PlacedModels.open(file, { log: silentLog });
  let list = [...here];
  const done: string[] = [];
  const deps = {
    placed,
    models: { list: () => list },
    copies: {
      copy: async (): Promise<void> => {
        if (failure) throw failure;
        done.push("copied");
        list.push(record);
      },
    },
    keeper: {
      remove: async (name: Parameters<typeof formatFullName>[0]): Promise<boolean> => {
        done.push(`removed ${formatFullName(name)}`);
        list = [];
        return true;
      },
    },
  };
  return { deps, done, placed, again: () => PlacedModels.open(file, { log: silentLog }) };
}

const copyJob = nodeJob(TINY, { model: record.manifest });
const removeJob = { ...copyJob, kind: "remove" as const };

t.test("a copy is made once, and remembered as the cluster's", async (t) => {
  const { deps, done, placed, again } = await open([]);
  t.equal(await doNodeJob(copyJob, deps, o), undefined);
  t.equal(await doNodeJob(copyJob, deps, o), undefined);
  t.same(done, ["copied"]);
  t.ok(placed.has(record));
  t.ok((await again()).has(record), "also after a restart");
  t.notOk(placed.has({ ...record, manifest: digestOf("two") }));
});

t.test("what was here before is its owner's", async (t) => {
  const { deps, done, placed } = await open([record]);
  await doNodeJob(copyJob, deps, o);
  t.same(done, []);
  t.notOk(placed.has(record));
});

t.test("a removal takes the model that is meant, and no other of that name", async (t) => {
  const first = await open([record]);
  await doNodeJob(removeJob, first.deps, o);
  await doNodeJob(removeJob, first.deps, o);
  t.same(first.done, [`removed ${TINY}`]);
  const second = await open([{ ...record, manifest: digestOf("two") }]);
  await doNodeJob(removeJob, second.deps, o);
  t.same(second.done, []);
});

t.test("what will not be better next time is refused, the rest is tried again", async (t) => {
  for (const code of ["DISK_FULL", "MODELS_DIR_NOT_WRITABLE", "MANIFEST_INVALID", "NOT_WANTED"]) {
    const final = await open([], new AppError(code, "it says why"));
    t.same(await doNodeJob(copyJob, final.deps, o), { refused: "it says why" }, code);
  }
  const alone = await open([], new AppError("NO_SOURCE", "nobody has it"));
  await t.rejects(doNodeJob(copyJob, alone.deps, o), { code: "NO_SOURCE" });
  const bad = await doNodeJob({ ...copyJob, name: "../x" }, alone.deps, o);
  t.match(bad, { refused: /no model/ });
});

import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { jobsIn, passTime } from "../fixtures/jobs.ts";
import { leadingNode } from "../fixtures/leading-node.ts";
import { onEachPostgres, openPool, until } from "../fixtures/postgres.ts";

const PROGRAM = path.join(import.meta.dirname, "../fixtures/serve-jobs.ts");

onEachPostgres((t, server) => {
  t.test(
    "nodes that start together on an empty database: the leader's jobs, then the next one's",
    async (t) => {
      const options = await server.emptyDatabase();
      await using pool = openPool(options);
      const ran: number[] = [];
      const open = (number: number) =>
        leadingNode(options, { number, work: async () => void ran.push(number) });
      const nodes = await Promise.all([1, 2, 3].map(open));
      while (nodes.length > 0) {
        ran.length = 0;
        await until(
          () => ran.length > 0 && nodes.some(({ leader }) => leader.token() !== undefined),
        );
        const leading = nodes.findIndex(({ leader }) => leader.token() !== undefined);
        const [node] = nodes.splice(leading, 1);
        await until(async () => (await jobsIn(pool.sql, "active")) === 0);
        await node?.[Symbol.asyncDispose]();
        t.equal(new Set(ran).size, 1, "only the leader works");
        t.same(
          node?.log.lines.filter(({ level }) => level === "warn" || level === "error"),
          [],
        );
        await passTime(pool.sql);
      }
      const [lease] = await pool.sql<
        { token: bigint }[]
      >`select token from leases where name = 'leader'`;
      t.ok((lease?.token ?? 0n) >= 3n);
    },
  );

  t.test("a process that did jobs ends by itself", async (t) => {
    const options = await server.database();
    const { stdout } = await promisify(execFile)(process.execPath, [
      PROGRAM,
      JSON.stringify(options),
    ]);
    t.equal(stdout, "closed\n");
  });
});

import { onEachPostgres, openPool } from "../../test/fixtures/postgres.ts";
import { testNodeId, testNodeView } from "../../test/fixtures/registry-rows.ts";
import type { Sql } from "./connect.ts";
import { acquire, release } from "./leases.ts";
import { livePeers, markNode, type NodeRow, nodeStatuses, upsertNode } from "./nodes.ts";

const LEASE = { name: "leader", holder: "tester", ttlMs: 600_000 };
const LONE_SURROGATE = "\ud800";

function nodeRow(number: number, changes: Partial<NodeRow> = {}): NodeRow {
  return { ...testNodeView(number), status: "active", ...changes };
}

async function stored(sql: Sql): Promise<Record<string, unknown> | undefined> {
  const [row] = await sql`
    select name, region, zone, host(address) as address, port, to_json(multiaddrs) as multiaddrs, api_url, version,
      resources, status, incarnation from nodes`;
  return row && { ...row };
}

onEachPostgres((t, server) => {
  t.test("the first word inserts, later ones update the same row", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const id = await upsertNode(sql, nodeRow(1));
    t.match(id, /^[0-9a-f-]{36}$/);
    t.same(await stored(sql), {
      name: "node-1",
      region: "eu",
      zone: "a",
      address: "10.0.0.1",
      port: 4001,
      multiaddrs: ["/ip4/10.0.0.1/tcp/4001"],
      api_url: "http://10.0.0.1:11434",
      version: "1.2.3",
      resources: { freeMemoryBytes: 8 * 1024 ** 3, freeDiskBytes: 64 * 1024 ** 3 },
      status: "active",
      incarnation: 1n,
    });
    const changed = nodeRow(1, { name: "renamed", status: "draining", multiaddrs: [] });
    t.equal(await upsertNode(sql, changed), id);
    const row = { name: "renamed", status: "draining", multiaddrs: [], address: null, port: null };
    t.match(await stored(sql), row);
  });

  t.test("an older incarnation changes nothing, its heartbeat included", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const newest = 2n ** 63n - 1n;
    await upsertNode(sql, nodeRow(1, { incarnation: newest }));
    const before = await sql`select * from nodes`;
    const older = nodeRow(1, { incarnation: newest - 1n, name: "ghost", status: "offline" });
    t.equal(await upsertNode(sql, older), undefined);
    t.same([...(await sql`select * from nodes`)], [...before]);
  });

  t.test("of many writers at once, the newest incarnation stays", async (t) => {
    await using pool = openPool(await server.database());
    const writers = Array.from({ length: 20 }, (_, number) => BigInt((number * 7) % 20));
    const ids = await Promise.all(
      writers.map((incarnation) =>
        upsertNode(pool.sql, nodeRow(1, { incarnation, name: `life-${incarnation}` })),
      ),
    );
    t.match(await stored(pool.sql), { incarnation: 19n, name: "life-19" });
    t.equal(new Set(ids.filter(Boolean)).size, 1);
  });

  t.test("text that Postgres does not take is cut to what it takes", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const nasty = `a\0b${LONE_SURROGATE}'"\\{},;--${"😀".repeat(300)}`;
    const clean = `ab\ufffd'"\\{},;--${"😀".repeat(300)}`;
    const multiaddrs = ['/dns4/{"a",b}/tcp/1', "/dns4/a\0\\b/tcp/2", LONE_SURROGATE, "NULL", ""];
    const fields = { name: nasty, region: nasty, zone: nasty, apiUrl: nasty, version: nasty };
    t.ok(await upsertNode(sql, nodeRow(1, { ...fields, multiaddrs })));
    const cut = (length: number): string => Array.from(clean).slice(0, length).join("");
    t.same(await stored(sql), {
      ...{ name: cut(255), region: cut(100), zone: cut(100), api_url: clean, version: clean },
      multiaddrs: ['/dns4/{"a",b}/tcp/1', "/dns4/a\\b/tcp/2", "\ufffd", "NULL", ""],
      ...{ address: null, port: null, status: "active", incarnation: 1n },
      resources: { freeMemoryBytes: 8 * 1024 ** 3, freeDiskBytes: 64 * 1024 ** 3 },
    });
    t.same(await livePeers(sql), [
      {
        id: testNodeId(1),
        multiaddrs: ['/dns4/{"a",b}/tcp/1', "/dns4/a\\b/tcp/2", "\ufffd", "NULL", ""],
      },
    ]);
  });

  t.test("the address is the first that another machine can reach", async (t) => {
    await using pool = openPool(await server.database());
    const table: readonly [multiaddrs: string[], address: string | null, port: number | null][] = [
      [["/ip4/127.0.0.1/tcp/1", "/ip4/10.1.2.3/tcp/2", "/ip4/10.1.2.4/tcp/3"], "10.1.2.3", 2],
      [["/ip6/::1/tcp/1", "/ip6/fd00::1/tcp/2/p2p/x"], "fd00::1", 2],
      [["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/2"], "127.0.0.1", 1],
      [["/ip4/999.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/0", "/ip4/10.0.0.1/tcp/65536"], null, null],
      [["/ip4/10.0.0.1/tcp/99999999999999999999", "/ip4/1'; drop table nodes/tcp/1"], null, null],
      [["/ip6/fe80::1%eth0/tcp/1", "/ip4/10.0.0.2/tcp/5"], "10.0.0.2", 5],
      [["/dns4/host/tcp/1", "/ip4/10.0.0.1/udp/1/quic-v1", "garbage", ""], null, null],
      [[], null, null],
    ];
    for (const [multiaddrs, address, port] of table) {
      t.ok(await upsertNode(pool.sql, nodeRow(1, { multiaddrs })), String(multiaddrs));
      t.match(await stored(pool.sql), { address, port }, String(multiaddrs));
    }
  });

  t.test(
    "peers to dial: those heard in the last week, the latest first, offline ones left out",
    async (t) => {
      await using pool = openPool(await server.database());
      const { sql } = pool;
      const ages: readonly [number, NodeRow["status"], age: string][] = [
        [1, "active", "8 days"],
        [2, "active", "2 hours"],
        [3, "offline", "1 second"],
        [4, "failed", "6 days"],
        [5, "draining", "1 minute"],
      ];
      for (const [number, status, age] of ages) {
        await upsertNode(sql, nodeRow(number, { status }));
        await sql`update nodes set last_heartbeat = now() - ${age}::interval
        where peer_id = ${testNodeId(number)}`;
      }
      await sql`insert into nodes (peer_id, last_heartbeat) values ('not a peer id', now())`;
      await sql`insert into nodes (peer_id) values (${testNodeId(6)})`;
      t.same(
        (await livePeers(sql)).map(({ id }) => id),
        [5, 2, 4].map(testNodeId),
      );
      const statuses = await nodeStatuses(sql);
      t.same(
        statuses.map(({ id }) => id),
        [1, 2, 3, 4, 5, 6].map(testNodeId),
      );
      const [eldest] = statuses;
      t.ok((eldest?.heartbeatAgeMs ?? 0) >= 8 * 86_400_000);
      t.match(statuses[5], { status: "active", incarnation: 0n, heartbeatAgeMs: undefined });
    },
  );

  t.test("at most 5,000 peers are read", async (t) => {
    await using pool = openPool(await server.database());
    await pool.sql`
      insert into nodes (peer_id, last_heartbeat)
      select '12D3Koo' || lpad(translate(n::text, '0', 'A'), 45, 'W'), now() - n * interval '1 s'
      from generate_series(1, 5001) as n`;
    const peers = await livePeers(pool.sql);
    t.equal(peers.length, 5_000);
    t.equal(peers[0]?.id, testNodeId(1));
    t.equal((await nodeStatuses(pool.sql)).length, 5_000);
  });

  t.test("only the leader of now marks others, and only what it knows", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await upsertNode(sql, nodeRow(1, { incarnation: 5n }));
    const decision = { id: testNodeId(1), status: "failed", incarnation: 5n } as const;
    const mark = async (token: bigint, incarnation = 5n): Promise<boolean> =>
      await markNode(sql, { ...decision, incarnation }, { name: "leader", token });

    t.equal(await mark(1n), false, "nobody leads");
    const stale = (await acquire(sql, "leader", LEASE)) ?? 0n;
    await release(sql, "leader", stale);
    t.equal(await mark(stale), false, "the term has ended");
    const token = (await acquire(sql, "leader", LEASE)) ?? 0n;
    t.equal(await mark(stale), false, "another one leads");
    t.equal(await mark(token + 1n), false, "a token that nobody has");
    t.equal(await mark(token, 4n), false, "the node has said something newer");
    t.match(await stored(sql), { status: "active" });
    t.equal(await mark(token), true);
    t.match(await stored(sql), { status: "failed", incarnation: 5n });

    t.ok(await upsertNode(sql, nodeRow(1, { incarnation: 5n })), "it lives after all");
    t.match(await stored(sql), { status: "active" });
    const other = { name: "other", token };
    t.equal(await markNode(sql, decision, other), false, "a lease of another name");
  });
});

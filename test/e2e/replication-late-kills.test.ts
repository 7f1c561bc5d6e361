import t from "tap";
import { PIECE_BYTES } from "../../src/core/pieces.ts";
import {
  LATE_BYTES,
  metric,
  openLargeModel,
  RECEIVED,
  readyOn,
  SENT,
  SIZE_BYTES,
  SLOWER,
  untilReceived,
} from "../fixtures/bad-days.ts";
import { until } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";

// They spend their time waiting for a copy that is held back.
t.jobs = 3;

/** After a kill near the end: what had not come, and three pieces at most whose record was not on the disk yet. */
const REST_BYTES_MAX = SIZE_BYTES - LATE_BYTES + 3 * PIECE_BYTES;

t.test(
  "the source is killed near the end: the rest comes when it is back",
  { buffered: true },
  async (t) => {
    const { cluster, isWholeOn } = await openLargeModel(t, "a");
    const source = cluster.start("a", SLOWER);
    await source.ready();
    const b = await cluster.start("b", SLOWER).ready();
    await untilReceived(b, SIZE_BYTES / 2);
    await untilReceived(b, LATE_BYTES);
    await source.kill("SIGKILL");
    const again = await cluster.start("a", SLOWER).ready();
    await until(`${b.apiUrl}/api/cluster/replicas`, readyOn("a", "b"));
    t.ok(isWholeOn("b"));
    const received = await metric(b, RECEIVED);
    t.ok(received <= SIZE_BYTES + 3 * PIECE_BYTES, `${received} bytes came`);
    const sent = await metric(again, SENT);
    t.ok(sent <= REST_BYTES_MAX, `${sent} bytes were sent after the restart`);
  },
);

t.test(
  "the receiver is killed near the end: it goes on where it was",
  { buffered: true },
  async (t) => {
    const { cluster, isWholeOn } = await openLargeModel(t, "a");
    const a = await cluster.start("a", SLOWER).ready();
    const receiver = cluster.start("b", SLOWER);
    const b = await receiver.ready();
    await untilReceived(b, 1);
    await using command = new TestDaemon({ OLLAMA_HOST: b.apiUrl }, ["transfers"]);
    await untilReceived(b, SIZE_BYTES / 2);
    await untilReceived(b, LATE_BYTES);
    t.match(await command.ended, { code: 0 });
    t.match(
      command.output,
      /^MODEL +TO +PROGRESS .*\ntiny-chat\S* +b +[█░]{20} \d+ % +[\d.]+ \S+ of 64 MB +[\d.]+ \S+\/s .* a\n$/,
    );
    await receiver.kill("SIGKILL");
    const again = await cluster.start("b", SLOWER).ready();
    await until(`${a.apiUrl}/api/cluster/replicas`, readyOn("a", "b"));
    t.ok(isWholeOn("b"));
    const received = await metric(again, RECEIVED);
    t.ok(received <= REST_BYTES_MAX, `${received} bytes came after the restart`);
  },
);

t.test(
  "source and receiver are killed near the end: they go on where they were",
  { buffered: true },
  async (t) => {
    const { cluster, isWholeOn } = await openLargeModel(t, "a");
    const daemons = ["a", "b"].map((name) => cluster.start(name, SLOWER));
    const [, b] = await Promise.all(daemons.map((daemon) => daemon.ready()));
    if (!b) throw new Error("two were started");
    await untilReceived(b, SIZE_BYTES / 2);
    await untilReceived(b, LATE_BYTES);
    await Promise.all(daemons.map((daemon) => daemon.kill("SIGKILL")));
    const [source, receiver] = await Promise.all(
      ["a", "b"].map((name) => cluster.start(name, SLOWER).ready()),
    );
    if (!source || !receiver) throw new Error("two were started");
    await until(`${receiver.apiUrl}/api/cluster/replicas`, readyOn("a", "b"));
    t.ok(isWholeOn("b"));
    const received = await metric(receiver, RECEIVED);
    t.ok(received <= REST_BYTES_MAX, `${received} bytes came after the restart`);
    const sent = await metric(source, SENT);
    t.ok(sent <= REST_BYTES_MAX, `${sent} bytes were sent after the restart`);
  },
);

import t from "tap";
import { FailedTries, networkOf } from "./failed-tries.ts";

t.test("so many at once, then one each few seconds", (t) => {
  const tries = new FailedTries();
  for (let number = 1; number <= 20; number++) t.equal(tries.count("10.0.0.1", 0), 0, `${number}`);
  t.equal(tries.count("10.0.0.1", 0), 3_000);
  t.equal(tries.count("10.0.0.1", 1_000), 2_000);
  t.equal(tries.count("10.0.0.2", 1_000), 0, "another address");
  t.equal(tries.count("10.0.0.1", 3_000), 0);
  t.equal(tries.count("10.0.0.1", 3_000), 3_000);
  for (let number = 1; number <= 20; number++) tries.count("10.0.0.1", 600_000);
  t.equal(tries.count("10.0.0.1", 600_000), 3_000, "it fills no higher than it was");
  t.end();
});

t.test("who fails all the time is let try as often as anybody", (t) => {
  const tries = new FailedTries();
  let answered = 0;
  for (let nowMs = 0; nowMs < 300_000; nowMs += 100) {
    if (tries.count("10.0.0.1", nowMs) === 0) answered++;
  }
  t.ok(answered >= 118 && answered <= 121, String(answered));
  t.end();
});

t.test("many addresses take no more room than there is", (t) => {
  const tries = new FailedTries();
  for (let number = 0; number < 21; number++) tries.count("first", 0);
  t.not(tries.count("first", 0), 0);
  for (let number = 0; number < 9_999; number++) tries.count(`a${number}`, 0);
  t.not(tries.count("first", 0), 0, "still known");
  for (let number = 0; number < 10_000; number++) tries.count(`b${number}`, 0);
  t.equal(tries.count("first", 0), 0, "forgotten");
  t.end();
});

t.test("whose an address is", (t) => {
  const rows: readonly [address: string, network: string][] = [
    ["", ""],
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ];
  for (const [address, network] of rows) t.equal(networkOf(address), network, address);
  t.end();
});

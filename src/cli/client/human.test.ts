import t from "tap";
import { humanBytes, humanDuration, humanTime } from "./human.ts";

t.test("sizes", (t) => {
  const rows = [
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1 KB"],
    [1_996_581, "2.0 MB"],
    [14_000_000, "14 MB"],
    [4_683_087_332, "4.7 GB"],
    [42_520_398_873, "42 GB"],
    [1.5e12, "1.5 TB"],
  ] as const;
  for (const [bytes, words] of rows) t.equal(humanBytes(bytes), words);
  t.end();
});

t.test("times", (t) => {
  const now = Date.UTC(2026, 0, 31);
  const day = 86_400;
  const rows = [
    [0, "Less than a second ago"],
    [-1, "1 second ago"],
    [-59, "59 seconds ago"],
    [-61, "About a minute ago"],
    [-600, "10 minutes ago"],
    [-3_700, "About an hour ago"],
    [-7_200, "2 hours ago"],
    [-3 * day, "3 days ago"],
    [-20 * day, "2 weeks ago"],
    [-90 * day, "3 months ago"],
    [-800 * day, "2 years ago"],
    [270, "4 minutes from now"],
    [100 * 365 * day, "Forever"],
  ] as const;
  for (const [seconds, words] of rows) {
    t.equal(humanTime(new Date(now + seconds * 1_000).toISOString(), now), words);
  }
  for (const none of [undefined, "", "soon", 7]) t.equal(humanTime(none, now), "Never");
  t.end();
});

t.test("durations", (t) => {
  const rows = [
    [0, "0ms"],
    [3_812_000, "3.812ms"],
    [661_100_000, "661.1ms"],
    [2_500_000_000, "2.5s"],
    [303_000_000_000, "5m3s"],
    [undefined, "0s"],
  ] as const;
  for (const [ns, words] of rows) t.equal(humanDuration(ns), words);
  t.end();
});

import t from "tap";
import type { NodeId } from "../core/node-id.ts";
import { Breakers } from "./breaker.ts";

const A = "a" as NodeId;
const B = "b" as NodeId;

function failing(times: number, nowMs = 0): Breakers {
  const breakers = new Breakers();
  for (let i = 0; i < times; i++) breakers.failed(A, nowMs);
  return breakers;
}

t.test("three failures in a row open it, for a second", (t) => {
  t.notOk(failing(2).isOpen(A, 0));
  const breakers = failing(3);
  t.ok(breakers.isOpen(A, 0));
  t.ok(breakers.isOpen(A, 999));
  t.notOk(breakers.isOpen(A, 1_000));
  t.notOk(breakers.isOpen(B, 0), "another node's is its own");
  t.end();
});

t.test("a success in between starts the count anew", (t) => {
  const breakers = failing(2);
  breakers.succeeded(A);
  breakers.failed(A, 0);
  breakers.failed(A, 0);
  t.notOk(breakers.isOpen(A, 0));
  t.end();
});

t.test("one request tries; its failure doubles the pause, up to half a minute", (t) => {
  const breakers = failing(3);
  let nowMs = 0;
  for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    t.ok(breakers.isOpen(A, nowMs + pauseMs - 1), `open for ${pauseMs}`);
    nowMs += pauseMs;
    t.notOk(breakers.isOpen(A, nowMs));
    breakers.asked(A);
    t.ok(breakers.isOpen(A, nowMs + 99_999), "nobody else meanwhile");
    breakers.failed(A, nowMs);
  }
  t.end();
});

t.test("the try's success closes it", (t) => {
  const breakers = failing(3);
  breakers.asked(A);
  breakers.succeeded(A);
  t.notOk(breakers.isOpen(A, 0));
  breakers.failed(A, 0);
  t.notOk(breakers.isOpen(A, 0), "as if nothing had been");
  t.end();
});

t.test("a try that tells nothing lets the next one try", (t) => {
  const breakers = failing(3);
  breakers.asked(A);
  breakers.undecided(A);
  t.notOk(breakers.isOpen(A, 1_000));
  breakers.undecided(B);
  t.notOk(breakers.isOpen(B, 0));
  t.end();
});

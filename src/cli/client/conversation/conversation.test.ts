import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { json } from "node:stream/consumers";
import t, { type Test } from "tap";
import { hasPseudoTerminals, PseudoTerminal } from "../../../../test/fixtures/pseudo-terminal.ts";
import { tempFolder } from "../../../../test/fixtures/temp-folder.ts";
import { until } from "../../../../test/fixtures/until.ts";

/** Whatever asks as Ollama's clients do gets the answers that the test writes. */
class AnswerByHand {
  readonly asked: { readonly messages: readonly object[] }[] = [];
  readonly #answers: ServerResponse[] = [];

  static async open(t: Test): Promise<{ byHand: AnswerByHand; host: string }> {
    const byHand = new AnswerByHand();
    const server = createServer(async (request, response) => {
      const body = await json(request);
      if (request.url === "/api/show") return response.end('{"capabilities":["vision"]}');
      if (request.url !== "/api/chat") return response.end("{}");
      byHand.asked.push(body as { messages: object[] });
      byHand.#answers.push(response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.teardown(() => server.closeAllConnections());
    t.teardown(() => server.close());
    return { byHand, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  say(content: string): void {
    this.#answers.at(-1)?.write(`${JSON.stringify({ message: { content } })}\n`);
  }

  end(): void {
    this.#answers.at(-1)?.end(`${JSON.stringify({ done: true })}\n`);
  }
}

/** One pixel. */
const GIF = "R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
const LEFT = "\x1b[D";
const CTRL_C = "\x03";
const CTRL_Z = "\x1a";
const PASTE = (text: string): string => `\x1b[200~${text}\x1b[201~`;
const PROMPT = ">>> \x1b[5G";

t.test("in a terminal", { skip: !hasPseudoTerminals() }, async (t) => {
  const picture = path.join(tempFolder(t, { "a.gif": Buffer.from(GIF, "base64") }), "a.gif");
  const { byHand, host } = await AnswerByHand.open(t);
  await using terminal = new PseudoTerminal(["run", "m", "-v"], { OLLAMA_HOST: host });
  const [, pid] = /pid (\d+)/.exec(await terminal.shows(PROMPT)) ?? [];

  terminal.type(PASTE("one\r/* two"));
  await terminal.shows("/* two");
  terminal.type(" */\r");
  await until(() => byHand.asked.length === 1);
  t.same(byHand.asked[0]?.messages, [{ role: "user", content: "one\n/* two */" }], "one message");

  byHand.say("the answer ");
  await terminal.shows("the answer ");
  terminal.type(`next${LEFT}`);
  // Shown by the terminal itself.
  await terminal.shows("next^[[D");
  byHand.say("goes on");
  t.notMatch(await terminal.shows("goes on"), "\x1b[0J", "no key wipes out what was answered");
  byHand.end();
  t.equal(await terminal.shows("total duration"), "\r\n\r\ntotal duration");
  await terminal.shows(PROMPT);
  await terminal.shows("next");
  terminal.type("!\r");
  await until(() => byHand.asked.length === 2);
  t.match(byHand.asked[1]?.messages, [{}, { content: "the answer goes on" }, { content: "nex!t" }]);

  byHand.end();
  await terminal.shows(PROMPT);
  terminal.type(`/no/such.gif\r`);
  await terminal.shows("Unknown command '/no/such.gif'");
  await terminal.shows(PROMPT);
  terminal.type(`${picture} this?\r`);
  await until(() => byHand.asked.length === 3);
  const seen = { role: "user", content: "this?", images: [GIF] };
  t.same(byHand.asked[2]?.messages.at(-1), seen, "a path is no command");

  byHand.say("\x1b[2Jhalf");
  await terminal.shows("␛[2Jhalf");
  terminal.type(CTRL_C);
  await terminal.shows(PROMPT);
  terminal.type(CTRL_Z);
  let isBack = false;
  const back = terminal.shows("\x1b[?2004h").then(() => {
    isBack = true;
  });
  await until(() => {
    // The shell's fg, as often as it takes: one that comes before Ctrl-Z does nothing.
    if (!isBack) process.kill(Number(pid), "SIGCONT");
    return isBack;
  });
  await back;
  terminal.type("/bye\r");
  t.equal(await terminal.ended, 0);
});

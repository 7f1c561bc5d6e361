import t from "tap";
import { parseMessages } from "./messages-input.ts";

t.test("documents", (t) => {
  const text = { type: "text", text: "who wrote it?" };
  const said = (source: unknown) =>
    parseMessages(undefined, [{ role: "user", content: [{ type: "document", source }, text] }]);
  const rows: readonly (readonly [source: object, content: string])[] = [
    [{ type: "text", media_type: "text/plain", data: "by Ann" }, "by Ann\nwho wrote it?"],
    [{ type: "content", content: "by Ann" }, "by Ann\nwho wrote it?"],
    [
      { type: "content", content: [{ type: "text", text: "by" }, text] },
      "by\nwho wrote it?\nwho wrote it?",
    ],
    [{ type: "base64", media_type: "application/pdf", data: "JVBERi0=" }, "who wrote it?"],
    [{ type: "url", url: "https://example.com/a.pdf" }, "who wrote it?"],
  ];
  for (const [source, content] of rows) {
    t.strictSame(said(source), [{ role: "user", content }], JSON.stringify(source));
  }
  t.throws(() => said(undefined), { status: 400, message: "invalid document source" });
  t.end();
});

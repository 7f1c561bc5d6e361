import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { TRIANGLE, tone } from "../../../../test/fixtures/sounds.ts";
import { tempFolder } from "../../../../test/fixtures/temp-folder.ts";
import { MEDIA_BYTES_MAX } from "../../../core/media.ts";
import { userMessage } from "./user-message.ts";

/** One pixel. */
const GIF = "R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
const SEEING = { takes: ["picture"] } as const;

t.test("paths of pictures in what somebody says", async (t) => {
  const folder = tempFolder(t);
  const file = (name: string): string => path.join(folder, name);
  mkdirSync(file("folder.png"));
  for (const name of ["a.png", "b c.JPG", "it's (1).gif"]) {
    writeFileSync(file(name), Buffer.from(GIF, "base64"));
  }
  const rows: readonly (readonly [text: string, content: string, count: number])[] = [
    ["no picture", "no picture", 0],
    [`what is ${file("a.png")}?`, "what is ?", 1],
    [file("a.png"), "", 1],
    [`${file("a.png")} ${file("b c.JPG")} differ`, "differ", 2],
    [`see '${file("b c.JPG")}'`, "see", 1],
    [`see "${file("it's (1).gif")}"`, "see", 1],
    [`${file("b\\ c.JPG")} there`, "there", 1],
    [`${file("it\\'s\\ \\(1\\).gif")}`, "", 1],
    [pathToFileURL(file("b c.JPG")).href, "", 1],
    [`see /tmp or ${file("a.png")}`, "see /tmp or", 1],
    [`see ${file("none.png")}`, `see ${file("none.png")}`, 0],
    [`see ${file("folder.png")}`, `see ${file("folder.png")}`, 0],
    ["https://example.com/a.png", "https://example.com/a.png", 0],
  ];
  for (const [text, content, count] of rows) {
    const message = await userMessage(text, SEEING);
    t.equal(message.content, content, text);
    t.same(message.images ?? [], new Array(count).fill(GIF), text);
  }
  const blind = { takes: [] };
  t.same(await userMessage(file("a.png"), blind), { role: "user", content: file("a.png") });

  writeFileSync(file("text.png"), "text");
  writeFileSync(file("large.png"), Buffer.alloc(MEDIA_BYTES_MAX + 1));
  await t.rejects(userMessage(file("text.png"), SEEING), { message: /text\.png: .*no format/ });
  await t.rejects(userMessage(file("large.png"), SEEING), { message: /larger than 25 MiB$/ });
});

t.test("paths of sounds, for a model that hears", async (t) => {
  const folder = tempFolder(t);
  const file = (name: string): string => path.join(folder, name);
  const sounds = { "a.wav": tone(440), "b c.MP3": TRIANGLE.mp3, "d.flac": TRIANGLE.flac };
  for (const [name, sound] of Object.entries(sounds)) {
    writeFileSync(file(name), Buffer.from(sound, "base64"));
  }
  writeFileSync(file("e.gif"), Buffer.from(GIF, "base64"));
  const hearing = { takes: ["sound"] } as const;
  const said = `what is '${file("b c.MP3")}' and ${file("a.wav")} and ${file("d.flac")}?`;
  t.same(await userMessage(said, hearing), {
    ...{ role: "user", content: "what is  and  and ?" },
    images: [sounds["b c.MP3"], sounds["a.wav"], sounds["d.flac"]],
  });
  t.same(await userMessage(file("a.wav"), SEEING), { role: "user", content: file("a.wav") });
  t.same(await userMessage(file("e.gif"), hearing), { role: "user", content: file("e.gif") });
  const both = { takes: ["picture", "sound"] } as const;
  const { images } = await userMessage(`${file("e.gif")} ${file("a.wav")}`, both);
  t.same(images, [GIF, sounds["a.wav"]]);
  writeFileSync(file("f.wav"), "RIFF....WAVE");
  await t.rejects(userMessage(file("f.wav"), hearing), { message: /f\.wav: a WAV file cannot be/ });
});

import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { AppError } from "../../../core/errors.ts";
import { PICTURE_BYTES_MAX, problemWithPicture } from "../../../core/picture.ts";
import type { Message, Settings } from "./settings.ts";

/**
 * A picture's path as somebody types it, or as terminals write that of a file that is dropped on them: in quotes, as a file: URL,
 * or with \ before what a shell would read otherwise. A path without quotes begins at a word's beginning and may have spaces.
 */
const PATH = pathPattern(String.raw`\.(?:png|jpe?g|webp|gif|bmp)`);

function pathPattern(end: string): RegExp {
  const quoted = String.raw`'([^'\n]{1,1024}?${end})'|"([^"\n]{1,1024}?${end})"`;
  const bare = String.raw`(?<![\w.~/:])((?:file:\/\/|~|\.{1,2})?\/(?:\\.|[^\\\n]){1,1024}?${end})(?!\w)`;
  return new RegExp(`${quoted}|${bare}`, "gi");
}

/** What somebody says. To a model that sees, the files whose paths are in it are shown in their place. */
export async function userMessage(
  text: string,
  { takesPictures }: Pick<Settings, "takesPictures">,
): Promise<Message> {
  if (!takesPictures) return { role: "user", content: text };
  const images: string[] = [];
  let content = text;
  for (let at = 0; ; ) {
    PATH.lastIndex = at;
    const found = PATH.exec(content);
    if (!found) break;
    const [whole, singly, doubly, bare = ""] = found;
    const file = singly ?? doubly ?? unescaped(bare);
    const picture = await pictureIn(file.replace(/^~(?=\/)/, homedir()));
    // What is no file may hold the path of one: "see /tmp or /tmp/a.png".
    at = picture === undefined ? found.index + 1 : found.index;
    if (picture === undefined) continue;
    console.error(`Added image '${file}'`);
    images.push(picture);
    content = content.slice(0, found.index) + content.slice(found.index + whole.length);
  }
  return { role: "user", content: content.trim(), ...(images.length > 0 && { images }) };
}

function unescaped(written: string): string {
  if (/^file:/i.test(written) && URL.canParse(written)) return fileURLToPath(written);
  return written.replace(/\\(.)/g, "$1");
}

/** In base64; undefined where there is no such file. */
async function pictureIn(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  if (found.size > PICTURE_BYTES_MAX) {
    throw new AppError("USAGE", `${file} is larger than ${PICTURE_BYTES_MAX / 1_024 ** 2} MiB`);
  }
  const picture = await readFile(file, "base64");
  const problem = problemWithPicture(picture);
  if (problem !== undefined) throw new AppError("USAGE", `${file}: ${problem}`);
  return picture;
}

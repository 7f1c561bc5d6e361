import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { AppError } from "../../../core/errors.ts";
import {
  MEDIA_BYTES_MAX,
  type MediumKind,
  mediumKind,
  problemWithMedium,
} from "../../../core/media.ts";
import type { Message, Settings } from "./settings.ts";

const ENDS: Readonly<Record<MediumKind, string>> = {
  picture: "png|jpe?g|webp|gif|bmp",
  sound: "wav|mp3|flac",
};

/**
 * A path of a picture or a sound as somebody types it, or as terminals write that of a file that is dropped on them: in quotes, as
 * a file: URL, or with \ before what a shell would read otherwise. A path without quotes begins at a word's beginning and may have spaces.
 */
function pathPattern(kinds: readonly MediumKind[]): RegExp {
  const end = String.raw`\.(?:${kinds.map((kind) => ENDS[kind]).join("|")})`;
  const quoted = String.raw`'([^'\n]{1,1024}?${end})'|"([^"\n]{1,1024}?${end})"`;
  const bare = String.raw`(?<![\w.~/:])((?:file:\/\/|~|\.{1,2})?\/(?:\\.|[^\\\n]){1,1024}?${end})(?!\w)`;
  return new RegExp(`${quoted}|${bare}`, "gi");
}

/** What somebody says. To a model that sees or hears, the files whose paths are in it are shown in their place. */
export async function userMessage(
  text: string,
  { takes }: Pick<Settings, "takes">,
): Promise<Message> {
  if (takes.length === 0) return { role: "user", content: text };
  const paths = pathPattern(takes);
  const images: string[] = [];
  let content = text;
  for (let at = 0; ; ) {
    paths.lastIndex = at;
    const found = paths.exec(content);
    if (!found) break;
    const [whole, singly, doubly, bare = ""] = found;
    const file = singly ?? doubly ?? unescaped(bare);
    const medium = await mediumIn(file.replace(/^~(?=\/)/, homedir()));
    // What is no file may hold the path of one: "see /tmp or /tmp/a.png".
    at = medium === undefined ? found.index + 1 : found.index;
    if (medium === undefined) continue;
    console.error(`Added ${mediumKind(medium) === "sound" ? "audio" : "image"} '${file}'`);
    images.push(medium);
    content = content.slice(0, found.index) + content.slice(found.index + whole.length);
  }
  return { role: "user", content: content.trim(), ...(images.length > 0 && { images }) };
}

function unescaped(written: string): string {
  if (/^file:/i.test(written) && URL.canParse(written)) return fileURLToPath(written);
  return written.replace(/\\(.)/g, "$1");
}

/** In base64; undefined where there is no such file. */
async function mediumIn(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  if (found.size > MEDIA_BYTES_MAX) {
    throw new AppError("USAGE", `${file} is larger than ${MEDIA_BYTES_MAX / 1_024 ** 2} MiB`);
  }
  const medium = await readFile(file, "base64");
  const problem = problemWithMedium(medium);
  if (problem !== undefined) throw new AppError("USAGE", `${file}: ${problem}`);
  return medium;
}

import t from "tap";
import { TRIANGLE, tone, wav } from "../../test/fixtures/sounds.ts";
import { plainPng } from "../../test/fixtures/vision-projector.ts";
import { WEBP } from "../../test/fixtures/webp.ts";
import {
  MEDIA_BYTES_MAX,
  MEDIA_MAX,
  mediumKind,
  problemWithMedia,
  problemWithMedium,
} from "./media.ts";

t.test("what is a sound", (t) => {
  for (const sound of [tone(440), TRIANGLE.flac, TRIANGLE.mp3]) {
    t.equal(mediumKind(sound), "sound");
    t.equal(problemWithMedium(sound), undefined);
  }
  const other = wav(Buffer.alloc(4), { tag: 2 }).toString("base64");
  t.equal(mediumKind(other), "sound", "a WAV file that cannot be read");
  t.match(problemWithMedium(other), /WAV/);
  for (const picture of [plainPng(1, 2, 3), WEBP.red]) {
    t.equal(mediumKind(picture), "picture");
    t.equal(problemWithMedium(picture), undefined);
  }
  t.equal(mediumKind("aGk="), "picture", "what nobody knows");
  t.match(problemWithMedium("aGk="), /PNG, JPEG, WebP, GIF or BMP/);
  t.end();
});

t.test("how many, and how large", (t) => {
  t.equal(problemWithMedia([]), undefined);
  t.equal(problemWithMedia(Array.from({ length: MEDIA_MAX }, () => "aGk=")), undefined);
  t.match(problemWithMedia(Array.from({ length: MEDIA_MAX + 1 }, () => "")), /too many/);
  const half = Buffer.alloc(MEDIA_BYTES_MAX / 2 + 1).toString("base64");
  t.equal(problemWithMedia([half]), undefined);
  t.match(problemWithMedia([half, half]), /too large.*25 MiB/);
  t.end();
});

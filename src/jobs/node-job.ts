import { z } from "zod";
import { parseManifestDigest } from "../core/digest.ts";
import type { NodeJob } from "../core/jobs.ts";

const TEXT_CHARS_MAX = 2_000;

const schema = z.object({
  kind: z.enum(["copy", "remove"]),
  name: z.string().max(TEXT_CHARS_MAX),
  model: z.string().transform((text, context) => {
    const digest = parseManifestDigest(text);
    if (digest) return digest;
    context.addIssue({ code: "custom", message: "is no digest" });
    return z.NEVER;
  }),
  sizeBytes: z.number().nonnegative(),
  reason: z.string().max(TEXT_CHARS_MAX),
});

/** Undefined of what another version wrote. */
export function parseNodeJob(data: unknown): NodeJob | undefined {
  const parsed = schema.safeParse(data);
  return parsed.success ? parsed.data : undefined;
}

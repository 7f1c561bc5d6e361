import type { ModelRecord } from "../../core/model.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Anthropic's clients ask for models where OpenAI's do, but say so. */
export const VERSION_HEADER = "anthropic-version";

/** All of them are one page (https://docs.anthropic.com/en/api/models-list). */
export function modelPage(entries: readonly (Fields & { readonly id: string })[]): Fields {
  const ids = { first_id: entries[0]?.id ?? null, last_id: entries.at(-1)?.id ?? null };
  return { data: entries, has_more: false, ...ids };
}

/** What we know nothing of is null. */
export function modelEntry(id: string, record: ModelRecord): Fields & { readonly id: string } {
  return {
    type: "model",
    id,
    display_name: id,
    created_at: new Date(record.modifiedAtMs).toISOString(),
    max_input_tokens: record.details.contextLength ?? null,
    max_tokens: null,
    capabilities: null,
    line: null,
    lifecycle: "active",
    deprecated_at: null,
    retires_at: null,
  };
}

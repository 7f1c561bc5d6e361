/** What a checkpoint has beside its weights, as Hugging Face's transformers and PEFT name it. */
const TEXTS: ReadonlySet<string> = new Set([
  "config.json",
  "adapter_config.json",
  "tokenizer.json",
  "tokenizer.model",
  "tokenizer_config.json",
  "added_tokens.json",
  "chat_template.json",
  "chat_template.jinja",
]);

export function isSafetensorsName(name: string): boolean {
  return name.toLowerCase().endsWith(".safetensors");
}

/**
 * Of the names in a folder, those that a model or an adapter is converted from; none where it has no weights. Some makers
 * publish the weights a second time in a form of their own (consolidated.safetensors): those that are not named model* are
 * then left alone.
 */
export function checkpointFiles(names: readonly string[]): readonly string[] {
  const weights = names.filter(isSafetensorsName);
  const models = weights.filter((name) => name.startsWith("model"));
  const chosen = models.length > 0 ? models : weights;
  if (chosen.length === 0) return [];
  return [...chosen, ...names.filter((name) => TEXTS.has(name))].sort();
}

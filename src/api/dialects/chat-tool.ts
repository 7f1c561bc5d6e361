/**
 * A tool as models' templates know it. A field that is not there must not be there as undefined either: templates would show
 * that, but only where the model is, since it does not survive the way to another node.
 */
export function chatTool(
  name: string,
  description: unknown,
  parameters: unknown,
): Readonly<Record<string, unknown>> {
  const given = { name, ...(description === undefined ? {} : { description }), parameters };
  return { type: "function", function: given };
}

/** The same one in every run, so that a run tells the same each time; OLLAMAMAX_SIM_SEED tries another. */
export function seedOfRun(): number {
  const text = process.env["OLLAMAMAX_SIM_SEED"] ?? "1";
  const seed = Number(text);
  if (!Number.isInteger(seed)) throw new Error(`OLLAMAMAX_SIM_SEED is no whole number: ${text}`);
  return seed;
}

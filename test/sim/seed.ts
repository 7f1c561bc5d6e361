/** A new one for each run; OLLAMAMAX_SIM_SEED repeats a run that failed. */
export function seedOfRun(): number {
  const given = process.env["OLLAMAMAX_SIM_SEED"];
  if (given === undefined) return Math.floor(Math.random() * 2 ** 32);
  const seed = Number(given);
  if (!Number.isInteger(seed)) throw new Error(`OLLAMAMAX_SIM_SEED is no whole number: ${given}`);
  return seed;
}

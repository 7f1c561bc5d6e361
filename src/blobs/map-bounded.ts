/** Maps in the order of the items with at most `concurrencyMax` calls at a time; the first failure ends it. */
export async function mapBounded<T, R>(
  items: readonly T[],
  concurrencyMax: number,
  map: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await map(item);
  };
  const workers = Array.from({ length: Math.min(concurrencyMax, items.length) }, worker);
  await Promise.all(workers);
  return results;
}

// For --import, first: a test file that is told to end exits, rather than dying, so that what it has started is ended too.
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.once(signal, () => process.exit(128 + number));
}

/**
 * Aborts when what reads standard output has gone. Without anybody who listens, that error would end the process with a stack
 * trace. Commands that change something go on to their end; nobody sees what they say.
 */
export function brokenOutput(
  streams: readonly NodeJS.WritableStream[] = [process.stdout, process.stderr],
): AbortSignal {
  const gone = new AbortController();
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      gone.abort();
    });
  }
  return gone.signal;
}

/**
 * Aborts when what was written can reach nobody any more: its reader has gone, or its disk is full. Without anybody who listens,
 * that error would end the process with a stack trace. Commands that change something go on to their end; nobody sees what they
 * say. A reader that has gone has all that it wanted; any other error is handed on, once.
 */
export function brokenOutput(
  onLost: (error: Error) => void = failForLost,
  streams: readonly NodeJS.WritableStream[] = [process.stdout, process.stderr],
): AbortSignal {
  const gone = new AbortController();
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && !gone.signal.aborted) onLost(error);
      gone.abort();
    });
  }
  return gone.signal;
}

function failForLost({ message }: Error): void {
  console.error(`ollamamax: what was to be written is lost: ${message}`);
  // The command may have ended well before anybody knew.
  process.once("exit", () => {
    process.exitCode ||= 1;
  });
}

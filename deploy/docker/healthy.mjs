// Exit code 0 when this container's node is ready; otherwise 1 and what is not, for `docker inspect`.
const port = process.env["OLLAMA_API_PORT"] || 11434;
try {
  const response = await fetch(`http://127.0.0.1:${port}/health/ready`, {
    signal: AbortSignal.timeout(4_000),
  });
  if (!response.ok) process.exitCode = 1;
  console.log(await response.text());
} catch (error) {
  console.error(String(error.cause ?? error));
  process.exitCode = 1;
}

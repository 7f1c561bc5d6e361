/** Our child processes parse untrusted files: they get none of our settings, which hold secrets, nor a debugger's or a test's. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !name.startsWith("OLLAMA_") && !name.startsWith("NODE_") && !name.startsWith("TAP"),
  );
  return Object.fromEntries(kept);
}

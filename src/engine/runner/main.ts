import "../../core/remembered-imports.ts";
import { testOnlyGpuBinaries } from "./binary-test.ts";

// The engine decides when a runner ends. A terminal's or a service manager's signals reach the whole group, but a node that
// drains still needs its runners; when the node dies, however it dies, the channel closes.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

testOnlyGpuBinaries();
const { RunnerServer } = await import("./runner-server.ts");
// A node that is gone, and has left a message half sent, is told of by an error before the channel closes.
const server = new RunnerServer((message) =>
  process.send?.(message, (error: Error | null) => {
    if (error) process.kill(process.pid, "SIGKILL");
  }),
);
process.on("message", (message: unknown) => server.receive(message));

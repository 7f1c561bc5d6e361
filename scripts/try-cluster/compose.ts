import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 32 * 1_024 ** 2;

/** docker-compose.cluster.yml under a name of its own: a cluster that is in use beside it keeps its containers and data. */
export class Compose {
  readonly #command: readonly string[];
  readonly #project: string;

  private constructor(command: readonly string[], project: string) {
    this.#command = command;
    this.#project = project;
  }

  /** Today's `docker compose` where it is, else `docker-compose`. */
  static async find(project: string, files: readonly string[]): Promise<Compose> {
    const common = ["--project-name", project, ...files.flatMap((file) => ["--file", file])];
    for (const command of [["docker", "compose"], ["docker-compose"]]) {
      const [program = "", ...args] = command;
      const works = await run(program, [...args, "version"]).then(
        () => true,
        () => false,
      );
      if (works) return new Compose([...command, ...common], project);
    }
    throw new Error(
      "neither `docker compose` nor `docker-compose` works here: install one of them",
    );
  }

  /** Its output goes to the terminal. */
  async show(...args: readonly string[]): Promise<void> {
    const [program = "", ...first] = this.#command;
    const child = spawn(program, [...first, ...args], { stdio: ["ignore", 2, 2] });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${args.join(" ")} ended with code ${code}`);
  }

  async quiet(...args: readonly string[]): Promise<string> {
    const [program = "", ...first] = this.#command;
    const { stdout } = await run(program, [...first, ...args], { maxBuffer: OUTPUT_BYTES_MAX });
    return stdout;
  }

  /** A service's container, also one that has ended. */
  async #container(service: string): Promise<string> {
    const label = (name: string, value: string) => [
      "--filter",
      `label=com.docker.compose.${name}=${value}`,
    ];
    const { stdout } = await run("docker", [
      ...["ps", "--all", "--quiet", "--no-trunc"],
      ...label("project", this.#project),
      ...label("service", service),
    ]);
    return stdout.trim();
  }

  async health(service: string): Promise<string> {
    const container = await this.#container(service);
    if (container === "") return "absent";
    const { stdout } = await run("docker", [
      ...[
        "inspect",
        "--format",
        "{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}",
      ],
      container,
    ]);
    return stdout.trim();
  }

  async kill(service: string): Promise<void> {
    await run("docker", ["kill", await this.#container(service)]);
  }
}

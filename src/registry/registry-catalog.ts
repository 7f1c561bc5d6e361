import type {
  AuditFilter,
  Catalog,
  ModelFilter,
  NodeFilter,
  Page,
  PageRequest,
  ReplicaFilter,
  RequestFilter,
} from "../core/catalog.ts";
import type { Waiting } from "../core/ports.ts";
import type { Sql } from "./connect.ts";
import { RegistryError } from "./errors.ts";
import { changePage } from "./pages/changes.ts";
import { modelPage } from "./pages/models.ts";
import { nodePage } from "./pages/nodes.ts";
import { replicaPage } from "./pages/replicas.ts";
import { requestPage } from "./pages/requests.ts";
import type { Database } from "./pool.ts";
import type { StatementName } from "./statements.ts";

/** The lists of the registry, for people. */
export class RegistryCatalog implements Catalog {
  readonly #database: Database & { ready(): boolean };

  constructor(database: Database & { ready(): boolean }) {
    this.#database = database;
  }

  models = (filter: ModelFilter, page: PageRequest, o: Waiting) =>
    this.#ask("models_page", (sql) => modelPage(sql, filter, page), o);
  nodes = (filter: NodeFilter, page: PageRequest, o: Waiting) =>
    this.#ask("nodes_page", (sql) => nodePage(sql, filter, page), o);
  replicas = (filter: ReplicaFilter, page: PageRequest, o: Waiting) =>
    this.#ask("replicas_page", (sql) => replicaPage(sql, filter, page), o);
  requests = (filter: RequestFilter, page: PageRequest, o: Waiting) =>
    this.#ask("requests_page", (sql) => requestPage(sql, filter, page), o);
  audit = (filter: AuditFilter, page: PageRequest, o: Waiting) =>
    this.#ask("audit_page", (sql) => changePage(sql, filter, page), o);

  async #ask<T>(
    statement: StatementName,
    action: (sql: Sql) => Promise<Page<T>>,
    o: Waiting,
  ): Promise<Page<T>> {
    if (!this.#database.ready()) {
      throw new RegistryError("DB_UNREACHABLE", "the registry has not been reached yet");
    }
    return await this.#database.run(statement, action, o);
  }
}

import path from "node:path";
import { AppError } from "../core/errors.ts";
import type { LegacyModel } from "../core/legacy-model.ts";
import type { Waiting } from "../core/ports.ts";
import { LegacyStore, type StoreSize } from "../legacy/legacy-store.ts";
import { SKIP_REASONS } from "../legacy/object-metadata.ts";
import { connect, disconnect } from "../registry/connect.ts";
import { toRegistryError } from "../registry/errors.ts";
import { importLegacyRows, type LegacyOutcome, tryLegacyRows } from "../registry/legacy-import.ts";
import { checkSchema, migrate } from "../registry/migrate.ts";
import { tellModelsChanged } from "./cached-catalog.ts";
import { openCommandDatabase } from "./command-database.ts";
import type { Config } from "./config/config.ts";
import { type SkipLine, SkipReport } from "./skip-report.ts";

export interface LegacyImportOptions {
  readonly folder: string;
  /** Unset: beside the folder. */
  readonly reportFile: string | undefined;
  readonly dryRun: boolean;
}

export interface LegacyImported {
  readonly entries: number;
  /** In a dry run: would be. */
  readonly imported: number;
  /** The registry has them already, the same. */
  readonly present: number;
  readonly skipped: number;
  readonly replicas: number;
  readonly dryRun: boolean;
  /** Count of each reason; replicas on unknown nodes are here too, and no skipped entries. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly firstSkipped: readonly SkipLine[];
  readonly reportFile: string;
  /** False: the nodes' cache was not told, and they may show the lists of before for a minute. */
  readonly cacheTold: boolean;
}

export interface LegacyProgress {
  readonly doneEntries: number;
  readonly doneBytes: number;
  readonly total: StoreSize;
}

const REPORT_SUFFIX = ".import-report.ndjson";
/** What the registry says of an entry, beside the reasons that lie in the entry itself. */
export const REASONS: Readonly<Record<string, string>> = {
  ...SKIP_REASONS,
  NAME_TAKEN: "the registry has another model under this name, which stays",
  REFUSED: "the database refused the row",
  UNKNOWN_NODE: "a replica only: no node has this name or peer id",
};

/**
 * Takes the old store's models into the registry, batch by batch, each in a transaction of its own. What is there already is
 * left alone, so a run that was killed is simply started again.
 */
export async function importLevelDb(
  config: Config,
  options: LegacyImportOptions,
  o: Waiting & { readonly onProgress: (progress: LegacyProgress) => void },
): Promise<LegacyImported> {
  const folder = path.resolve(options.folder);
  await using store = await LegacyStore.open({ folder }, o);
  const total = await store.size(o);
  await using target = await openTarget(config, options.dryRun);
  await using report = await SkipReport.create(options.reportFile ?? folder + REPORT_SUFFIX);
  try {
    const sum = await takeOver(store, target.write, report, { ...o, total });
    const hasChanged = !options.dryRun && sum.imported > 0;
    const cacheTold = !hasChanged || (await tellModelsChanged(config));
    const result = {
      ...{ entries: total.entries, ...sum, dryRun: options.dryRun, cacheTold },
      reasons: Object.fromEntries(report.counts),
    };
    await report.end(result);
    return { ...result, firstSkipped: report.first, reportFile: report.file };
  } catch (error) {
    throw target.toError(error);
  }
}

type Write = (models: readonly LegacyModel[]) => Promise<LegacyOutcome>;

interface Target extends AsyncDisposable {
  readonly write: Write;
  readonly toError: (error: unknown) => unknown;
}

/** Where the models go, with the schema of today; a dry run makes do with what is there. */
async function openTarget(config: Config, dryRun: boolean): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const database = await openCommandDatabase(config, dryRun ? "refuse" : "create").catch(
    (error: unknown) => {
      if (dryRun && error instanceof AppError && error.code === "NO_DATABASE") return undefined;
      throw error;
    },
  );
  if (!database) return { ...NO_DATABASE, [Symbol.asyncDispose]: async () => {} };
  const { options } = stack.use(database);
  const sql = connect({ ...options, connectionsMax: 1, statementTimeoutMs: 0 });
  stack.defer(() => disconnect(sql));
  try {
    await (dryRun ? checkSchema(sql) : migrate(sql));
  } catch (error) {
    throw toRegistryError(error, options);
  }
  const owned = stack.move();
  return {
    write: (models) => (dryRun ? tryLegacyRows(sql, models) : importLegacyRows(sql, models)),
    toError: (error) => toRegistryError(error, options),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A dry run before the first node has ever run: nothing is there yet. */
const NO_DATABASE = {
  write: async (models: readonly LegacyModel[]): Promise<LegacyOutcome> => ({
    ...{ imported: models.length, present: 0, replicas: 0 },
    refused: models.flatMap(({ key, replicas }) =>
      replicas.map(({ node }) => ({ key, reason: "UNKNOWN_NODE" as const, detail: node })),
    ),
  }),
  toError: (error: unknown): unknown => error,
};

async function takeOver(
  store: LegacyStore,
  write: Write,
  report: SkipReport,
  o: Waiting & {
    readonly onProgress: (progress: LegacyProgress) => void;
    readonly total: StoreSize;
  },
) {
  const sum = { imported: 0, present: 0, skipped: 0, replicas: 0 };
  let doneEntries = 0;
  let doneBytes = 0;
  for await (const batch of store.batches(o)) {
    const outcome = await write(batch.models);
    await report.add([...batch.skipped, ...outcome.refused]);
    sum.imported += outcome.imported;
    sum.present += outcome.present;
    sum.replicas += outcome.replicas;
    sum.skipped += batch.skipped.length + batch.models.length - outcome.imported - outcome.present;
    doneEntries += batch.models.length + batch.skipped.length;
    doneBytes += batch.sizeBytes;
    o.onProgress({ doneEntries, doneBytes, total: o.total });
  }
  return sum;
}

/** The slice of pino that components use: fields first, then a constant text. */
export interface Logger {
  child(fields: Readonly<Record<string, unknown>>): Logger;
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

/** For tests and for programs that have nobody to tell. */
export const silentLog: Logger = {
  child: () => silentLog,
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};

import process from 'node:process';
import { pino } from 'pino';
import type { Logger } from 'pino';

/** What a program is started with, and how it ends. */
export interface Program {
  env: NodeJS.ProcessEnv;
  logger: Logger;
  /** Aborts when the process is asked to stop. */
  signal: AbortSignal;
  /** The environment variable; throws when it is not set. */
  required: (name: string) => string;
}

/** Runs a program until it ends; the process exits with 0, or with 1 when it failed. */
export function runMain(main: (program: Program) => Promise<void>): void {
  const { env } = process;
  const logger = pino({ level: env.LOG_LEVEL ?? 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime });
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      logger.info({ signal: name }, 'Stopping');
      stop.abort();
    });
  }
  const required = (name: string): string => {
    const value = env[name];
    if (!value) throw new Error(`Environment variable ${name} is not set`);
    return value;
  };
  main({ env, logger, signal: stop.signal, required }).then(
    () => process.exit(0),
    (error: unknown) => {
      logger.fatal({ err: error }, 'Program failed');
      process.exit(1);
    },
  );
}

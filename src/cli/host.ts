import type { Output } from './terminal.ts';

/** A file of the dashboard's page. */
export interface Asset {
  type: string;
  text: string;
}
/** All of them by their paths. */
export type Assets = Readonly<Record<string, Asset>>;

/** What the command line is given by the machine that it runs on; only src/cmd/cli.ts makes it of a process. */
export interface Host {
  stdout: Output;
  stderr: Output;
  /** Aborts when the user presses Ctrl-C. */
  signal: AbortSignal;
  now: () => Date;
  /** The program that kubectl exec is asked of. */
  kubectl: string;
  version: string;
  /** Environment of the programs that a command starts. */
  env: Readonly<Record<string, string | undefined>>;
  /** The files of the page, where they are no part of the program. */
  page?: Assets;
  /** What this machine is, and who asks. */
  system: { platform: string; arch: string; uid: number | undefined };
}

import type { Output } from './terminal.ts';

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
  /** What this machine is, and who asks. */
  system: { platform: string; arch: string; uid: number | undefined };
}

import type { Recipe, secretNames } from '../api/buildrun.ts';
import type { Proxies } from '../image/download/connect.ts';
import type { Programs } from './programs.ts';

/** A Secret of the recipe, by what it is for. */
export type SecretRole = (typeof secretNames)[keyof typeof secretNames];

/** The values of a Secret, by its keys; undefined when it is not there. */
export type ReadSecretOf = (role: SecretRole) => Promise<Record<string, string> | undefined>;

/** What a build needs of the world. */
export interface BuilderPorts {
  /** A directory of its own, on a disk with room for the tree twice. */
  work: string;
  programs: Programs;
  /** Of this machine. */
  architecture: string;
  /** Paths of programs. */
  tools: Tools;
  readSecret: ReadSecretOf;
  /** Directory of pipes to a container whose root becomes the tree when programs of the tree run; undefined on one's own machine. */
  sandbox?: string | undefined;
  /** File with the name servers that packages are fetched with. */
  resolvConf: string;
  proxies: Proxies | undefined;
  /** Followable by a person. */
  progress: BuildLog;
  signal: AbortSignal;
}

export interface Tools {
  crane: string;
  syft: string;
  cosign: string;
}

export interface Step {
  number: number;
  of: number;
  name: string;
  /** What it does, in a few words. */
  what: string;
}

export interface BuildLog {
  begin(step: Step): void;
  end(step: Step, milliseconds: number): void;
  /** What a program says, or a step. */
  line(text: string): void;
}

/** A step over the tree. */
export interface TreeStep {
  root: string;
  recipe: Recipe;
  ports: BuilderPorts;
}

/** The architecture of a process as images name it. */
export const architectureOf = (arch: string): string => (arch === 'x64' ? 'amd64' : arch);

/** Where programs of a tree run in the tree. */
export interface Chroot {
  /** Runs a program of the tree there, as root. Nothing that it has started runs any more when this resolves or rejects. */
  run(command: readonly string[]): Promise<void>;
}

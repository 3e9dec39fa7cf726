import { z } from 'zod';
import { literalDefaults } from '../../api/osimage.ts';
import type { LiteralDefaults } from '../../api/osimage.ts';
import { signalNames, volumePath } from '../../api/kubernetes/podfields.ts';

/** As dockerd reads a list: a text is a list of one. */
const list = z.union([z.array(z.string()), z.string().transform((text) => [text])]).nullish();

/** The part `config` of an image's configuration: what is taken of it. Health checks, ports and labels are not, as in Kubernetes. */
export const runConfig = z.object({
  Entrypoint: list,
  Cmd: list,
  Env: z.array(z.string()).nullish(),
  WorkingDir: z.string().nullish(),
  User: z.string().nullish(),
  StopSignal: z.string().nullish(),
  Volumes: z.record(z.string(), z.unknown()).nullish(),
});
export type RunConfig = z.output<typeof runConfig>;

/** Reads it as other runtimes do. Undefined when it says nothing; the error of the schema when it cannot be defaults. */
export function defaultsOf(of: RunConfig): LiteralDefaults | z.ZodError | undefined {
  const made = {
    ...(of.Entrypoint?.length && { command: of.Entrypoint.map(literal) }),
    ...(of.Cmd?.length && { args: of.Cmd.map(literal) }),
    ...(of.Env?.length && { env: variables(of.Env) }),
    ...(of.WorkingDir && { workingDir: absolute(of.WorkingDir) }),
    ...(of.User && userOf(of.User)),
    ...(of.StopSignal && { stopSignal: signalOf(of.StopSignal) }),
    ...volumesOf(of.Volumes ?? {}),
  };
  if (Object.keys(made).length === 0) return undefined;
  const checked = literalDefaults.safeParse(made);
  return checked.success ? checked.data : checked.error;
}

/** Of two of a name the last counts, as it does for a process. What has no value, or no name, is no variable. */
function variables(texts: readonly string[]): { name: string; value: string }[] {
  const pairs = texts.filter((text) => text.indexOf('=') > 0);
  const values = new Map(pairs.map((text) => [text.split('=', 1)[0] ?? '', text.slice(text.indexOf('=') + 1)]));
  return [...values].map(([name, value]) => ({ name, value: literal(value) }));
}

/** Kubernetes would put variables in place of `$(NAME)`; in an image it is no more than text. */
const literal = (text: string): string => text.replace(/\$(?=[$(])/g, '$$$$');

/** A path without a slash in front starts from the root, as for podman and the builders of images. */
function absolute(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** `:group` is a group of root, and `user:` a user with the group that it has. */
function userOf(text: string): { user?: string } {
  const [user = '', group = ''] = text.trim().split(':');
  if (user === '' && group === '') return {};
  return { user: `${user || '0'}${group && `:${group}`}` };
}

/** `QUIT`, `sigquit` and `3` are SIGQUIT. */
function signalOf(text: string): string {
  const signal = text.trim().toUpperCase();
  const number = /^\d+$/.test(signal) ? Number(signal) : undefined;
  if (number === undefined) return signal.startsWith('SIG') ? signal : `SIG${signal}`;
  return number >= 34 ? `SIGRTMIN+${number - 34}`.replace('+0', '') : `SIG${signalNames[number - 1] ?? number}`;
}

const mostVolumes = 64;
const isVolume = (path: string): boolean => volumePath.safeParse(path).success;

function volumesOf(volumes: Record<string, unknown>): { volumes?: string[] } {
  const paths = [...new Set(Object.keys(volumes).map(absolute))].filter(isVolume).sort().slice(0, mostVolumes);
  return paths.length > 0 ? { volumes: paths } : {};
}

import { readFile } from 'node:fs/promises';
import { load } from 'js-yaml';
import { z } from 'zod';
import { errorCode } from '../../system/errors.ts';
import { checkValues, explain, mostYamlValues } from '../untrusted.ts';

const mirror = z
  .string()
  .regex(/^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/, 'must be an http(s) URL without query and credentials');
const configuration = z.strictObject({
  /** By the registry's host as references have it; `*` is for those that are not named. */
  registries: z.record(z.string(), z.strictObject({ mirrors: z.array(mirror).max(8) })),
});

/**
 * The mirrors of a registry, in the order in which they are to be asked. The file is read again each time, so that a change is
 * in force at once. A file that is not there is no mirror; one that is not valid is reported to `warn`, and is none either.
 */
export async function readMirrors(file: string, registry: string, warn: (message: string) => void): Promise<string[]> {
  try {
    const text = await readFile(file, 'utf8');
    const value = load(text);
    checkValues(value, mostYamlValues);
    const parsed = configuration.safeParse(value);
    if (!parsed.success) throw new Error(explain(parsed.error));
    const { registries } = parsed.data;
    return (registries[registry] ?? registries['*'])?.mirrors ?? [];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    const why = error instanceof Error ? error.message : String(error);
    warn(`No mirrors are used, as ${file} is not valid: ${why}; correct the ConfigMap monoroot-registries`);
    return [];
  }
}

import { readFile, readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { DesiredImage } from '../../api/nodestore.ts';
import { errorCode } from '../../system/errors.ts';
import { FetchError } from '../failure.ts';
import { parsePolicy, ruleFor } from './policy.ts';
import type { Rule } from './policy.ts';

/**
 * What the policy in a file says about a source; undefined when it says nothing, or there is no policy. The file is read again
 * each time, so that a change is in force at once. It is alone in its directory, which is a ConfigMap: one without that key is a
 * mistake, and no leave to do without signatures. Throws SignaturePolicyInvalid.
 */
export async function readRule(file: string, source: DesiredImage['source']): Promise<Rule | undefined> {
  try {
    const text = await readPolicy(file);
    return text === undefined ? undefined : ruleFor(source, parsePolicy(text));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `The policy of signatures is not valid, so nothing is fetched: ${why}; correct the ConfigMap monoroot-signatures`;
    throw new FetchError('SignaturePolicyInvalid', message, { cause: error });
  }
}

async function readPolicy(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  const names = await readdir(dirname(file)).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  // The kubelet has names of its own for what is in force.
  const others = names.filter((name) => !name.startsWith('..'));
  if (others.length > 0) throw new Error(`it has ${others.join(', ')} but no ${basename(file)}`);
  return undefined;
}

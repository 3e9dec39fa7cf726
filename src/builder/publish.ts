import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { secretNames } from '../api/buildrun.ts';
import type { PublishAnswer, Recipe } from '../api/buildrun.ts';
import { productionReference, testingReference } from '../api/images.ts';
import { inWork } from './build.ts';
import { because, BuildError } from './failure.ts';
import type { BuilderPorts } from './ports.ts';
import { FailedProgram } from './programs.ts';
import { packageListReference, repositoryOf, tagOf } from './references.ts';
import { withRegistry } from './registry.ts';
import type { TargetRegistry } from './registry.ts';
import { createSteps } from './steps.ts';

/** From the testing repository to the production repository. */

export type PublishSuccess = Extract<PublishAnswer, { reference: string }>;

/**
 * Copies an image by its digest, with the list of its packages, and signs it. The tag comes last: who finds it finds the
 * rest, too. Twice does what once does. Throws.
 */
export async function publish(recipe: Recipe, digest: string, ports: BuilderPorts): Promise<PublishSuccess> {
  const testing = testingReference(recipe.build, recipe);
  const reference = productionReference(recipe.build, recipe);
  const signed = recipe.build.signKeyRef !== undefined;
  const steps = createSteps(signed ? 3 : 2, ports.progress);
  return inWork(ports, (inner) =>
    withRegistry(recipe.build, inner, async (registry) => {
      const target = `${repositoryOf(reference)}@${digest}`;
      await steps.run('copy', `${testing}@${digest} to ${reference}`, async () => {
        await refuseAnother(registry, reference, digest);
        await registry.copy(`${repositoryOf(testing)}@${digest}`, target);
        await copyPackageList(registry, testing, reference, digest);
      });
      if (signed) await steps.run('sign', target, () => sign(registry, target, inner));
      await steps.run('tag', reference, async () => {
        await refuseAnother(registry, reference, digest);
        await registry.tag(target, tagOf(reference));
        await refuseAnother(registry, reference, digest);
      });
      return { reference, signed };
    }),
  );
}

async function refuseAnother(registry: TargetRegistry, reference: string, digest: string): Promise<void> {
  const there = await registry.digestOf(reference);
  if (there === undefined || there === digest) return;
  const message = `${reference} is ${there} already, and not ${digest}; what is published is never replaced: create another version, or delete that one from the registry`;
  throw new BuildError('AlreadyPublished', message);
}

async function copyPackageList(
  registry: TargetRegistry,
  testing: string,
  production: string,
  digest: string,
): Promise<void> {
  const from = packageListReference(testing, digest);
  if ((await registry.digestOf(from)) === undefined) return;
  await registry.copy(from, packageListReference(production, digest));
}

/** Without the public log of transparency, and without asking anybody but the registry. */
const offline = ['--tlog-upload=false', '--use-signing-config=false'];

async function sign(registry: TargetRegistry, target: string, ports: BuilderPorts): Promise<void> {
  const { work, programs, tools, readSecret, progress } = ports;
  const secret = await readSecret(secretNames.sign);
  const { 'cosign.key': key, 'cosign.password': password = '' } = secret ?? {};
  if (key === undefined) {
    const message =
      'The Secret of source.build.signKeyRef has no key cosign.key; make one with cosign generate-key-pair';
    throw new BuildError('SecretMissing', message);
  }
  // The password lets no one do anything without the key, so both are in memory or on the disk of the Pod only.
  const keyFile = join(work, 'cosign.key');
  const publicFile = join(work, 'cosign.pub');
  await writeFile(keyFile, key, { mode: 0o600 });
  // A line break at the end is what `echo` and editors add.
  const env = { ...registry.env, COSIGN_PASSWORD: password.replace(/\r?\n$/, '') };
  const http = registry.plainHTTP ? ['--allow-http-registry'] : [];
  const publicKey = await programs
    .read([tools.cosign, 'public-key', '--key', keyFile], { env })
    .catch(
      because(
        'SignFailed',
        'The key to sign with cannot be used',
        'check cosign.key and cosign.password in the Secret of source.build.signKeyRef',
      ),
    );
  await writeFile(publicFile, publicKey);
  const verified = programs.read(
    [tools.cosign, 'verify', '--key', publicFile, '--insecure-ignore-tlog', ...http, target],
    { env, quiet: true },
  );
  if (await verified.then(() => true, refusedOnly)) {
    progress.line('It has a signature of this key already');
    return;
  }
  await programs
    .run([tools.cosign, 'sign', '--yes', '--key', keyFile, ...offline, ...http, target], { env })
    .catch(because('SignFailed', `${target} cannot be signed`, 'look at the log of the publication'));
}

function refusedOnly(error: unknown): false {
  if (error instanceof FailedProgram && !error.missing) return false;
  throw error as Error;
}

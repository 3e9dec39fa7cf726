import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { binaryDirectory } from '../../test/fixtures/binaries.ts';
import { makeTree, recipeOf, whyNoBuilding, workshop, useRegistry } from '../../test/fixtures/builder.ts';
import { fetchImage } from '../agent/fetch/fetch.ts';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { whyNoUnpacking } from '../../test/fixtures/agent/environment.ts';
import { failure, signal } from '../../test/fixtures/agent/fetching.ts';
import { desiredImage } from '../../test/fixtures/agent/desired.ts';
import { fetchPorts } from '../../test/fixtures/agent/images.ts';
import { pushImage } from './build.ts';
import { makeImage } from './image.ts';
import { packTree } from './pack.ts';
import { publish } from './publish.ts';

const unable = whyNoBuilding() ?? whyNoUnpacking();
const title = 'what is published';

describe.skipIf(unable)(unable ? `${title} (skipped: ${unable})` : title, { timeout: 120_000 }, () => {
  const registry = useRegistry();

  test.each([
    ['and signed is stored by an agent whose policy wants that', true],
    ['and not signed is not, for all that refers to it', false],
  ])('%s', async (_name, sign) => {
    const bin = binaryDirectory();
    const keys = temporaryDirectory();
    const env = { COSIGN_PASSWORD: 'geheim' };
    execFileSync(join(bin, 'cosign'), ['generate-key-pair'], { cwd: keys, env, stdio: 'ignore' });
    const read = (name: string) => readFileSync(join(keys, name), 'utf8');
    const build = { repository: `${registry.host}/os`, ...(sign && { signKeyRef: { name: 'sign' } }) };
    const recipe = recipeOf(build, { os: sign ? 'signed' : 'unsigned' });
    const { ports } = workshop({ sign: { 'cosign.key': read('cosign.key'), 'cosign.password': 'geheim\n' } });
    const packed = await packTree(makeTree(temporaryDirectory()), join(ports.work, 'layer'), 0, ports.signal);
    const image = await makeImage(recipe, undefined, packed, ports.work);
    await pushImage(recipe, image, { text: '{"spdx":1}', packages: 0 }, { ...ports, work: temporaryDirectory() });
    const { digest } = image.manifest;
    const { reference } = await publish(recipe, digest, ports);

    const policyFile = join(keys, 'policy.yaml');
    const production = { prefix: `${registry.host}/os/production`, keys: [read('cosign.pub')] };
    writeFileSync(policyFile, JSON.stringify({ repositories: [production] }));
    const node = await fetchPorts({
      registries: { mirrorsFile: '/nonexistent', warn: () => undefined },
      signatures: { policyFile },
    });
    const wanted = (at: string) => {
      const oci = { reference: at, digest, plainHTTP: true };
      return desiredImage('v1', { os: recipe.os, version: recipe.version, digest, source: { oci } });
    };
    if (sign) expect(await fetchImage(wanted(reference), node, signal)).toMatchObject({ digest });
    else expect((await failure(wanted(reference), node)).reason).toBe('SignatureMissing');
    // The node that verifies it gets it before it is signed.
    const testing = await fetchPorts({ ...node, paths: (await fetchPorts()).paths });
    expect(await fetchImage(wanted(`${registry.host}/os/testing/${recipe.os}:v1`), testing, signal)).toMatchObject({
      digest,
    });
  });
});

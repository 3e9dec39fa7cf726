import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answers, borders } from '../../../test/fixtures/agent/borders.ts';
import type { Border, Serve } from '../../../test/fixtures/agent/borders.ts';
import { mutations } from '../../../test/fixtures/agent/corpus/mutations.ts';
import { launchBorders } from '../../../test/fixtures/launch-borders.ts';
import { whyNoContainers } from '../../../test/fixtures/scaffold.ts';
import { wrongArguments } from '../options.ts';
import { dice } from '../../../test/fixtures/agent/random.ts';

/**
 * Fuzzes what strangers send, for as long as it is let: hack/fuzz [SECONDS [BORDER ...]]. Prints the seed of each finding, with which
 * it is there again in a test: see src/image/fuzz.test.ts, which does the same for some seconds.
 */

const serve: Serve = async (answer) => {
  const server = createServer((request, response) => {
    const { status, headers, body } = answer();
    const own = `http://${request.headers.host ?? ''}`;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value.replace('ORIGIN', own));
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const [seconds = '60', ...names] = process.argv.slice(2);
const whyNot = whyNoContainers();
if (whyNot !== undefined) console.log(`users, environment: left out: ${whyNot}`);
const launch = whyNot === undefined ? launchBorders() : undefined;
const all: Record<string, Border> = { ...borders, answers: answers(serve), corpus: mutations, ...launch?.borders };
const chosen = Object.entries(all).filter(([name]) => names.length === 0 || names.includes(name));
const unknown = names.filter((name) => !Object.hasOwn(all, name));
if (unknown.length > 0) {
  wrongArguments(
    { name: 'hack/fuzz', does: '' },
    `there is no border ${unknown.join(', ')}; there are ${Object.keys(all).join(', ')}`,
  );
}

let findings = 0;
for (const [name, border] of chosen) {
  const end = performance.now() + (Number(seconds) * 1000) / chosen.length;
  // Others than those of the test, and others each time.
  let seed = Math.floor(Math.random() * 2 ** 31);
  let probes = 0;
  for (; performance.now() < end; probes++, seed++) {
    const directory = await mkdtemp(join(tmpdir(), 'monoroot-fuzz-'));
    try {
      await border.probe(dice(seed), directory);
    } catch (error) {
      findings++;
      console.log(`${name}: seed ${seed}: ${String(error).slice(0, 500)}`);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  console.log(`${name}: ${probes} probes`);
}
await launch?.close();
console.log(`${findings} findings`);
process.exitCode = findings > 0 ? 1 : 0;

// Prints a log with the places of its stack traces in the sources instead of in the bundles:
//   kubectl -n monoroot-system logs deploy/monoroot-operator | hack/stack
// The programs read no source maps themselves: a parsed map takes 85 MiB of a process. The bundles of `npm run build` at the
// commit of the image have the same places as those in it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readOptions, wrongArguments } from './lib/options.ts';
import { createDecoder } from './lib/stack/decode.ts';

const about = {
  name: 'hack/stack',
  does: 'Prints a log with the places of its stack traces in the sources. It reads the log from standard input.',
};
const options = readOptions(about, { dist: { type: 'string', default: join(import.meta.dirname, '../dist') } });
if (!existsSync(options.dist)) wrongArguments(about, `there are no bundles in ${options.dist}; run npm run build`);

const decode = createDecoder((program) => {
  const path = join(options.dist, `${program}.js.map`);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
});
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${decode(line)}\n`);
}

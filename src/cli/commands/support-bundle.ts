import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { defineCommand, exitCodes } from '../command.ts';
import { collect } from '../support/collect.ts';
import { tarOf } from '../support/tar.ts';
import { mebibytes } from '../terminal.ts';

/** Everything for whoever looks for a fault from afar. */
export const supportBundle = defineCommand({
  name: ['support-bundle'],
  summary: 'Write objects, events and logs of Monoroot into an archive, without secrets',
  options: {
    file: {
      type: 'string',
      short: 'f',
      value: 'FILE',
      help: 'where it is written to; monoroot-support-<time>.tar.gz by default',
    },
  },
  description: `It has the objects of Monoroot, nodes, Pods, events, the logs of the operator and the agents, and the findings of \`check\`. It never reads a Secret or a
ConfigMap, nor the log of a container. Values of variables, commands, scripts, ends of logs in messages, credentials in URLs and foreign
annotations are left out. What you may not read is listed in missing.txt. Look at it before you send it.`,
  examples: ['kubectl monoroot support-bundle', 'kubectl monoroot support-bundle -f /tmp/monoroot.tar.gz'],
  async run({ cluster, now, out, version }, { values }) {
    const time = now();
    const file = values.file ?? `monoroot-support-${time.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}.tar.gz`;
    const files = await collect(cluster(), time, version);
    const bytes = await promisify(gzip)(tarOf(files, time));
    await writeFile(file, bytes, { mode: 0o600 });
    out.line(`${file}: ${files.length} files, ${mebibytes(bytes.length)}`);
    return exitCodes.done;
  },
});

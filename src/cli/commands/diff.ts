import { readFile } from 'node:fs/promises';
import { fixedImage } from '../../api/meta.ts';
import { nodeStores, osImages } from '../../kube/kinds.ts';
import { CommandError, UsageError, defineCommand, exitCodes, reportOutput } from '../command.ts';
import type { Cluster } from '../cluster.ts';
import type { Context } from '../command.ts';
import { chooseAgents } from '../diff/agents.ts';
import type { Agent } from '../diff/agents.ts';
import { askAgent } from '../diff/ask.ts';
import { compareImages } from '../diff/compare.ts';
import type { Comparison } from '../diff/compare.ts';
import { LostOutput, readInspection } from '../diff/inspection.ts';
import { differs, renderJson, renderText } from '../diff/render.ts';
import type { Parts } from '../diff/render.ts';
import { renderVulnerabilities, vulnerabilityChanges } from '../diff/vulnerabilities.ts';
import type { VulnerabilityChange } from '../diff/vulnerabilities.ts';
import { imageNameOf } from '../names.ts';
import { isStructured, structured } from '../output.ts';
import { readReport } from '../packages/report.ts';
import { findSystemNamespace, podsOf } from '../system.ts';

const attempts = 3;

/** How two images differ, from what nodes have stored of them. */
export const diff = defineCommand({
  name: ['diff'],
  summary: 'Packages and files that differ between two images',
  positionals: ['IMAGE', 'IMAGE'],
  completes: [['Image']],
  options: {
    files: { type: 'boolean', help: 'only files, and all of them' },
    packages: { type: 'boolean', help: 'only packages' },
    cve: {
      type: 'string',
      value: 'FILE',
      multiple: true,
      help: 'known vulnerabilities of packages that changed, by a report of grype or trivy (JSON), or OpenVEX; may be given several times',
    },
    'system-namespace': {
      type: 'string',
      value: 'NAME',
      help: 'namespace of the agents; by default the one in which the operator is found',
    },
    ...reportOutput,
  },
  description: `An IMAGE is <os>:<version>, and must be on at least one node: its agent is asked, with kubectl exec, what the image holds.
Files that changed with their package are only counted, unless --files is given. --cve takes what a scanner wrote of one of the images, or of both: a version that was
not scanned has a weakness when it is earlier than the version that fixes it. Statements of OpenVEX (not_affected, fixed) take weaknesses away. Nothing is asked of a
network.
The exit code is 0 when nothing differs, 1 when something does, 2 when that could not be found out.`,
  examples: [
    'kubectl monoroot diff debian-12:v35 debian-12:v36',
    'kubectl monoroot diff debian-12:v35 debian-12:v36 --packages -o json',
    'grype registry.example.com/os/debian-12:v35 -o json >v35.json; kubectl monoroot diff debian-12:v35 debian-12:v36 --packages --cve v35.json',
  ],
  async run(context, { values, positionals }) {
    const [before = '', after = ''] = positionals.map(imageNameOf);
    for (const image of [before, after]) {
      if (!fixedImage.safeParse(image).success) throw new UsageError(`${image} is no image: it must be <os>:<version>`);
    }
    const parts = partsOf(values);
    const reports = await Promise.all((values.cve ?? []).map(async (file) => readReport(file, await read(file))));
    const namespace = values['system-namespace'] ?? (await findSystemNamespace(context.cluster().client));
    const comparison = await compare(context, before, after, namespace);
    const weak = reports.length === 0 ? undefined : vulnerabilityChanges(comparison.packages, reports);
    const lines = isStructured(values.output)
      ? [structured(values.output, { ...renderJson(comparison, parts), ...(weak && { vulnerabilities: weak }) })]
      : [...renderText(comparison, parts, context.out), ...weakLines(weak, context)];
    for (const line of lines) context.out.line(line);
    return differs(comparison, parts) ? exitCodes.no : exitCodes.done;
  },
});

const partsOf = ({ files, packages }: { files?: boolean; packages?: boolean }): Parts => ({
  packages: packages === true || files !== true,
  files: files === true ? 'all' : packages === true ? 'none' : 'unexplained',
});

const weakLines = (weak: readonly VulnerabilityChange[] | undefined, { out }: Context): string[] =>
  weak ? ['', ...renderVulnerabilities(weak, out)] : [];

const read = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });

async function compare(context: Context, before: string, after: string, namespace: string): Promise<Comparison> {
  const cluster = context.cluster();
  const agents = chooseAgents(before, after, await readFleet(cluster, namespace));
  const ports = { ...context, kubectlOptions: cluster.kubectlOptions, namespace };
  const read = (agent: Agent, image: string) => readInspection(askAgent(agent, image, ports));
  for (let attempt = 1; ; attempt++) {
    try {
      const sides = await Promise.all([read(agents.before, before), read(agents.after, after)]);
      return await compareImages(...sides);
    } catch (error) {
      // kubectl may lose the end of an output (kubernetes issue 124571).
      if (!(error instanceof LostOutput)) throw error;
      if (attempt === attempts)
        throw new CommandError(`${error.message}, ${attempts} times; try again`, { cause: error });
    }
  }
}

async function readFleet({ client }: Cluster, namespace: string) {
  const [images, stores, agents] = await Promise.all([
    client.list(osImages),
    client.list(nodeStores),
    podsOf(client, namespace, 'agent'),
  ]);
  return { osImages: images, nodeStores: stores, pods: agents };
}

import { defineCommand, exitCodes, reportOutput, UsageError } from '../command.ts';
import { parseObjectRef } from '../names.ts';
import { isStructured, structured } from '../output.ts';
import { findObject, readScene } from '../scene/scene.ts';
import { explain } from '../why/explain.ts';
import { renderExplanation } from '../why/render.ts';

/** Why an object is as it is. */
export const why = defineCommand({
  name: ['why'],
  summary: 'Why an object is as it is: the cause, what happens next, what to type',
  positionals: ['KIND/NAME', '[NAME]'],
  completes: [['HostedContainer', 'ImageDistribution', 'OSImage', 'NodeStore']],
  options: { ...reportOutput },
  description: `Follows what the operator and the agents wrote, from what was asked for to the one cause: from a HostedContainer to its image,
the distribution of that, and the node that cannot store it. KIND is hc, imgdist, osi or node; a bare name is looked for in all kinds,
HostedContainers first. The exit code is 0 when nothing is wrong, 1 when something is on its way or a person must act.`,
  examples: [
    'kubectl monoroot why hctr/shop -n shops',
    'kubectl monoroot why debian-12:v36',
    'kubectl monoroot why imgdist debian-12',
  ],
  async run({ cluster, now, out }, { values, positionals }) {
    const ref = parseObjectRef(positionals);
    if (!ref) throw new UsageError(`${positionals.join(' ')} names no kind of Monoroot; take hc, imgdist, osi or node`);
    const { client, namespace } = cluster();
    const scene = await readScene(client, namespaceFor(ref.kind, namespace));
    const explanation = explain(findObject(scene, ref, namespace), scene, now());
    if (isStructured(values.output)) out.line(structured(values.output, explanation));
    else for (const line of renderExplanation(explanation, out)) out.line(line);
    return explanation.standing === 'Well' ? exitCodes.done : exitCodes.no;
  },
});

/** Of an image or a node, all containers count; a container is looked for in one namespace, as its reader may have rights there only. */
const namespaceFor = (kind: string | undefined, namespace: string) =>
  kind === undefined || kind === 'HostedContainer' ? namespace : undefined;

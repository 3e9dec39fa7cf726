import { UsageError, defineCommand, exitCodes, reportOutput, watchOption } from '../command.ts';
import { isStructured, structured } from '../output.ts';
import { parseObjectRef } from '../names.ts';
import { findObject, labelOf, readScene } from '../scene/scene.ts';
import type { MonorootObject, Scene } from '../scene/scene.ts';
import { isTrue } from '../../runtime/conditions.ts';
import { renderFleet } from '../fleet/render.ts';
import { summarizeFleet } from '../fleet/summarize.ts';
import { printable, table } from '../terminal.ts';
import { showWatching } from '../watch.ts';
import { explain } from '../why/explain.ts';
import { renderExplanation } from '../why/render.ts';

const mostTroubles = 10;

/** How everything is, or one object. */
export const status = defineCommand({
  name: ['status'],
  summary: 'How the fleet is and who needs you; or how one object is',
  positionals: ['[KIND/NAME]', '[NAME]'],
  completes: [['HostedContainer', 'ImageDistribution', 'OSImage', 'NodeStore']],
  options: {
    os: { type: 'string', value: 'NAME', help: 'only this operating system' },
    ...reportOutput,
    ...watchOption,
  },
  description: `Without an argument it is \`fleet\`, and below it each object that only a person can help. With one it is what \`why\` says, and the conditions.
The exit code is 1 when something needs a person.`,
  examples: [
    'kubectl monoroot status',
    'kubectl monoroot status hctr/shop -n shops -w',
    'kubectl monoroot status imgdist/debian-12',
  ],
  async run(context, { values, positionals }) {
    const { client, namespace } = context.cluster();
    const ref = positionals.length === 0 ? undefined : parseObjectRef(positionals);
    if (positionals.length > 0 && !ref)
      throw new UsageError(`${positionals.join(' ')} names no kind of Monoroot; take hc, imgdist, osi or node`);
    const read = async () => {
      const isOfNamespace = ref !== undefined && (ref.kind === undefined || ref.kind === 'HostedContainer');
      const scene = await readScene(client, isOfNamespace ? namespace : values.namespace);
      const now = context.now();
      const isFormat = isStructured(values.output) ? values.output : undefined;
      if (!ref) {
        const fleet = summarizeFleet(scene, now).filter(({ os }) => values.os === undefined || os === values.os);
        const troubles = troublesOf(scene);
        const lines = isFormat
          ? [structured(isFormat, { fleet, troubles })]
          : [...renderFleet(fleet, context.out), ...troubleLines(troubles, scene, context)];
        return { lines, isWell: troubles.length === 0 };
      }
      const object = findObject(scene, ref, namespace);
      const explanation = explain(object, scene, now);
      const lines = isFormat
        ? [structured(isFormat, { ...explanation, conditions: object.status?.conditions ?? [] })]
        : [...renderExplanation(explanation, context.out), '', ...conditionLines(object)];
      return { lines, isWell: explanation.standing !== 'Person' };
    };
    const { isWell } = await showWatching(context, values.watch, read);
    return isWell ? exitCodes.done : exitCodes.no;
  },
});

interface Trouble {
  object: string;
  namespace?: string | undefined;
  reason: string;
  message: string;
}

function troublesOf({ distributions, osImages, nodeStores, containers }: Scene): Trouble[] {
  const all: readonly MonorootObject[] = [...distributions, ...osImages, ...nodeStores, ...containers];
  return all.flatMap((object) => {
    const stalled = object.status?.conditions?.find(({ type }) => type === 'Stalled');
    if (!stalled || !isTrue(object.status?.conditions, 'Stalled')) return [];
    const { namespace } = object.metadata;
    return [{ object: labelOf(object), namespace, reason: stalled.reason, message: printable(stalled.message) }];
  });
}

function troubleLines(
  troubles: readonly Trouble[],
  { unseen }: Scene,
  { out }: { out: { paint: (style: 'red', text: string) => string } },
): string[] {
  const rows = troubles
    .slice(0, mostTroubles)
    .map(({ object, namespace, reason }) => [
      `  ${object}`,
      out.paint('red', reason),
      `kubectl monoroot why ${object}${namespace === undefined ? '' : ` -n ${namespace}`}`,
    ]);
  const more = troubles.length > mostTroubles ? [`  and ${troubles.length - mostTroubles} more`] : [];
  return [
    ...(troubles.length === 0
      ? []
      : [
          '',
          `${troubles.length} ${troubles.length === 1 ? 'object needs' : 'objects need'} you:`,
          ...table(rows),
          ...more,
        ]),
    ...(unseen.length === 0 ? [] : ['', `You may not list ${unseen.join(', ')}: what they would tell is missing.`]),
  ];
}

const conditionLines = ({ status: of }: MonorootObject) =>
  table([
    ['CONDITION', 'STATUS', 'SINCE', 'REASON'],
    ...(of?.conditions ?? []).map(({ type, status: value, lastTransitionTime, reason }) => [
      type,
      value,
      lastTransitionTime,
      reason,
    ]),
  ]);

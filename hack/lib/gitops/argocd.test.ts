import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { reasons as hostedContainer } from '../../../src/controllers/hostedcontainer/reasons.ts';
import { reasons as imageDistribution } from '../../../src/controllers/imagedistribution/reasons.ts';
import { reasons as osImage } from '../../../src/controllers/osimage/reasons.ts';
import { kstatus } from '../../../src/runtime/conditions.ts';

// The scripts of contrib/argocd in Lua 5.1, whose language Argo CD's interpreter has.

const contrib = join(import.meta.dirname, '../../../contrib/argocd');
type Value = string | number | boolean | null | readonly Value[] | { [key: string]: Value };

/** The value as Lua writes it. */
function literal(value: Value): string {
  if (value === null) return 'nil';
  if (typeof value === 'string') return `"${value.replaceAll(/[\\"\n]/g, (it) => (it === '\n' ? '\\n' : `\\${it}`))}"`;
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `{${value.map(literal).join(', ')}}`;
  return `{${Object.entries(value)
    .map(([key, it]) => `[${literal(key)}] = ${literal(it)}`)
    .join(', ')}}`;
}

/** Runs a script of Argo CD on an object; gives what `expression` says of its `result`, line by line. */
function lua(script: string, object: Value, expression: string): string {
  const program = `obj = ${literal(object)}\nlocal result = (function()\n${script}\nend)()\n${expression}`;
  return execFileSync('lua5.1', ['-'], { input: program, encoding: 'utf8' }).trimEnd();
}

const health = readFileSync(join(contrib, 'health.lua'), 'utf8');
const judge = (object: Value): [string, string] => {
  const [status = '', message = ''] = lua(health, object, 'print(result.status) print(result.message)').split('\n');
  return [status, message];
};
const metadata = { name: 'shop', generation: 4 };
const message = 'A "word" of it';
/** An object in the state that a reason of Ready names, as the operator writes it. */
const object = (reason: string, status: 'True' | 'False', progress: 'Done' | 'Going' | 'Failed'): Value => {
  const ready = { type: 'Ready', status, reason, message };
  const conditions = [ready, ...kstatus(ready, progress)].map(({ type, status: is, reason: why, message: text }) => ({
    type,
    status: is,
    reason: why,
    message: text,
  }));
  return { metadata, status: { observedGeneration: 4, conditions } };
};

describe('the health of an object', () => {
  const all = Object.entries({ ...hostedContainer, ...imageDistribution, ...osImage });
  const ofEnd = (end: string) => all.filter(([, it]) => it === end).map(([reason]) => reason);

  test('that waits for a person is Degraded, whatever the reason', () => {
    for (const reason of ofEnd('Person'))
      expect(judge(object(reason, 'False', 'Failed'))).toEqual(['Degraded', `${reason}: ${message}`]);
  });

  test('that a person wants to wait is Suspended', () => {
    for (const reason of ofEnd('Wanted')) {
      // Only an image that nothing stores is not Ready then.
      const ready = reason === 'NotDistributed' ? 'False' : 'True';
      expect(judge(object(reason, ready, 'Done'))).toEqual(['Suspended', `${reason}: ${message}`]);
    }
  });

  test('that is being worked on is Progressing, but Degraded when what was good has stopped by itself', () => {
    const stopped = ['NodeUnreachable', 'Restarting'];
    const judged = ofEnd('Waiting').map((reason) => [reason, judge(object(reason, 'False', 'Going'))[0]]);
    expect(judged.filter(([, it]) => it !== 'Progressing')).toEqual(
      ofEnd('Waiting')
        .filter((it) => stopped.includes(it))
        .map((it) => [it, 'Degraded']),
    );
  });

  test('that has what it asks for is Healthy', () => {
    for (const reason of ofEnd('Done'))
      expect(judge(object(reason, 'True', 'Done'))).toEqual(['Healthy', `${reason}: ${message}`]);
  });

  test('whose newest spec no one has looked at is Progressing', () => {
    expect(judge({ metadata })[0]).toBe('Progressing');
    expect(judge({ metadata, status: {} })[0]).toBe('Progressing');
    const old = object('Running', 'True', 'Done') as { status: Record<string, Value> };
    expect(judge({ metadata, status: { ...old.status, observedGeneration: 3 } })[0]).toBe('Progressing');
  });
});

interface Actions {
  'discovery.lua': string;
  definitions: { name: string; 'action.lua': string }[];
}
const actions = (kind: string) => load(readFileSync(join(contrib, `${kind}-actions.yaml`), 'utf8')) as Actions;

/** The actions of a kind that may be done with the object, sorted. */
function offered(kind: string, of: Value): string[] {
  const list = 'for name, it in pairs(result) do if not it.disabled then print(name) end end';
  return lua(actions(kind)['discovery.lua'], of, list)
    .split('\n')
    .filter((it) => it !== '')
    .sort();
}

/** What an action makes of one field. */
function done(kind: string, name: string, of: Value, field: string): string {
  const action = actions(kind).definitions.find((it) => it.name === name);
  if (!action) throw new Error(`There is no action ${name}`);
  return lua(action['action.lua'], of, `print(result.${field})`);
}

describe('an action', () => {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
  const failed = { conditions: [{ type: 'Upgraded', status: 'False', reason: 'FailedBefore', message }] };
  const halted = { conditions: [{ type: 'RolloutHalted', status: 'True', reason: 'TooManyFailures', message }] };
  const moving = (existing: Value) => ({ activate: { existingContainers: existing } });

  test('is offered where it makes sense', () => {
    expect(offered('hostedcontainer', { spec: {} })).toEqual(['restart', 'suspend']);
    expect(offered('hostedcontainer', { spec: { suspend: true } })).toEqual(['resume']);
    expect(offered('hostedcontainer', { spec: {}, status: failed })).toEqual(['restart', 'retry', 'suspend']);
    expect(offered('imagedistribution', { spec: {} })).toEqual([]);
    expect(offered('imagedistribution', { spec: moving({}) })).toEqual(['pause']);
    expect(offered('imagedistribution', { spec: moving({ paused: true }) })).toEqual(['resume']);
    expect(offered('imagedistribution', { spec: moving({}), status: halted })).toEqual(['pause', 'retry']);
  });

  test('changes its own field', () => {
    expect(done('hostedcontainer', 'restart', { spec: {} }, 'spec.restartToken')).toMatch(time);
    expect(done('hostedcontainer', 'retry', { spec: {} }, 'spec.upgrade.retryToken')).toMatch(time);
    expect(
      done('hostedcontainer', 'retry', { spec: { upgrade: { maxRestarts: 5 } } }, 'spec.upgrade.maxRestarts'),
    ).toBe('5');
    expect(done('hostedcontainer', 'suspend', { spec: {} }, 'spec.suspend')).toBe('true');
    expect(done('hostedcontainer', 'resume', { spec: { suspend: true } }, 'spec.suspend')).toBe('false');
    const path = 'spec.activate.existingContainers';
    expect(done('imagedistribution', 'pause', { spec: moving({}) }, `${path}.paused`)).toBe('true');
    expect(done('imagedistribution', 'resume', { spec: moving({ paused: true }) }, `${path}.paused`)).toBe('false');
    expect(done('imagedistribution', 'retry', { spec: moving({}) }, `${path}.retryToken`)).toMatch(time);
  });
});

import { describe, expect, test } from 'vitest';
import { distribution, nodeStore, stored } from '../../../../test/fixtures/builders.ts';
import {
  digest,
  layout,
  reference,
  done,
  built,
  external,
  tested,
  job,
  exited,
  answers,
  ran,
  plan,
  condition,
  message,
  did,
} from '../../../../test/fixtures/image-life.ts';
import type { Observed } from '../plan.ts';

describe('a publication', () => {
  test('follows the build at once when nothing is to be tested', () => {
    const it = plan(built(), ran('build', 'Complete', answers({ digest, bundleBytes: 1, packages: 1 })));
    expect(did(it)).toEqual(['create ConfigMap', 'create Job publish-os.v1']);
    expect([condition(it, 'Published'), condition(it, 'Ready')]).toEqual(['Unknown/Publishing', 'False/Publishing']);
  });

  test('whose Job somebody deletes a second time waits for the next one', () => {
    const first = { ...job('publish'), metadata: { ...job('publish').metadata, uid: 'a' } };
    const { publication } = plan(built({ build: done.build }), { deletedByOthers: [first] }).status;
    const second = { ...first, metadata: { ...first.metadata, uid: 'b' } };
    const it = plan(built({ build: done.build, publication }), { deletedByOthers: [second] });
    expect([did(it), it.requeueAfterSeconds]).toEqual([[], 10]);
    expect(it.status.publication?.interruption).toMatchObject({ count: 2, reason: 'Deleted' });
  });

  test('waits for the test', () => {
    const it = plan(tested({ build: done.build }));
    expect([condition(it, 'Published'), it.status.publication]).toEqual(['False/WaitingForVerification', undefined]);
  });

  test('is of the digest that was tested', () => {
    const { actions } = plan(tested({ build: done.build, verification: done.passed }));
    const args = actions.flatMap((a) => (a.type === 'CreateJob' ? (a.job.spec.template.spec.containers[0]?.args ?? []) : [])); // prettier-ignore
    expect(args).toEqual(['publish', digest]);
  });

  test.each<[string, Partial<Observed>, string, RegExp]>([
    ['runs', ran('publish', undefined, { phase: 'Running' }), 'Unknown/Publishing', /logs -f job\/publish-os\.v1/],
    [
      'is done',
      ran('publish', 'Complete', answers({ reference, signed: true })),
      'True/Published',
      /production\/os:v1, signed/,
    ],
    [
      'fails as the builder says',
      ran('publish', 'Failed', answers({ reason: 'SignFailed', message: 'no key' })),
      'False/SignFailed',
      /no key[^]*monoroot\.dev\/retry/,
    ],
    ['dies', ran('publish', 'Failed', exited(1, 'boom')), 'False/PublishFailed', /exit code 1[^]*boom/],
  ])('that %s', (_name, o, expected, text) => {
    const jobs = [job('build', 'Complete'), ...(o.jobs ?? [])];
    const it = plan(built({ build: done.build }), { ...o, jobs });
    expect(condition(it, 'Published')).toBe(expected);
    expect(message(it, 'Published')).toMatch(text);
    expect(did(it)).toEqual([]);
  });

  test('is what lets it be Ready', () => {
    const stores = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { layout })])];
    const o = { stores, distributions: [distribution('os:v1')] };
    expect(condition(plan(built({ build: done.build }), o), 'Ready')).toBe('False/Publishing');
    expect(condition(plan(built({ build: done.build, publication: done.publication }), o), 'Ready')).toBe(
      'True/Stored',
    );
  });

  test('of what others push is theirs', () => {
    expect(condition(plan(external()), 'Published')).toBe('True/ExternalSource');
  });
});

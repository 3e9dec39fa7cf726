import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { EventNotice } from './events.ts';
import { runAnnouncedPlan, runPlan } from './plan.ts';
import type { OnFailure, Plan, PlannedAction, PlanRun } from './plan.ts';

interface Observed {
  text: string;
  answers: string[];
  failed: string[];
}
interface Action extends PlannedAction {
  type: string;
}
type TestRun = PlanRun<Observed, string, Action, string>;

const started: EventNotice = { type: 'Normal', reason: 'Started', note: 'It runs' };
const planOf = (plan: Partial<Plan<string, Action, string>>): Plan<string, Action, string> => ({
  actions: [],
  status: 'new',
  events: [],
  ...plan,
});
const actions = (...types: string[]): Action[] => types.map((type) => ({ type }));

/** Runs a plan whose actions fail with these errors; gives all that came of it, in order. */
async function run(
  plan: TestRun['plan'],
  errors: Record<string, Error> = {},
  rest: Partial<TestRun> = {},
): Promise<{ log: string[]; result: unknown; thrown: unknown }> {
  const log: string[] = [];
  let thrown: unknown;
  const result = await runPlan<Observed, string, Action, string>({
    observed: { text: 'seen', answers: [], failed: [] },
    plan,
    act: ({ type }) => {
      log.push(type);
      const error = errors[type];
      return error ? Promise.reject(error) : Promise.resolve();
    },
    status: 'old',
    write: (status) => Promise.resolve(void log.push(`write ${status}`)),
    record: ({ reason }) => void log.push(`event ${reason}`),
    logger: pino({ level: 'silent' }),
    signal: new AbortController().signal,
    ...rest,
  }).catch((error: unknown) => {
    thrown = error;
    return undefined;
  });
  return { log, result, thrown };
}

const broken = new Error('broken');
const other = new Error('other');

test('acts, then writes the status, then records the events, and says when to plan again', async () => {
  const plan = planOf({ actions: actions('a', 'b'), events: [started], requeueAfterSeconds: 7 });
  expect(await run(() => plan)).toEqual({
    log: ['a', 'b', 'write new', 'event Started'],
    result: { requeueAfterSeconds: 7 },
    thrown: undefined,
  });
});

test('writes no status and records no event when the status is the same', async () => {
  expect((await run(() => planOf({ status: 'old', events: [started] }))).log).toEqual([]);
});

describe('a plan that asks', () => {
  const asking: TestRun['plan'] = ({ answers }) =>
    answers.length < 2
      ? planOf({ queries: [`query ${answers.length}`], status: 'void', actions: actions('void') })
      : planOf({ status: answers.join(' '), actions: actions('a') });

  test('is made again with the answers, and only the last one counts', async () => {
    const answer: TestRun['answer'] = (observed, queries) =>
      Promise.resolve({ ...observed, answers: [...observed.answers, ...queries.map((query) => `answer to ${query}`)] });
    expect((await run(asking, {}, { answer })).log).toEqual(['a', 'write answer to query 0 answer to query 1']);
  });

  test('for the same again and again is an error', async () => {
    const answer: TestRun['answer'] = (observed) => Promise.resolve(observed);
    const { log, thrown } = await run(asking, {}, { answer });
    expect(log).toEqual([]);
    expect(String(thrown)).toMatch('again and again: ["query 0"]');
  });
});

describe('an action that fails', () => {
  const three = () => planOf({ actions: actions('a', 'b', 'c'), requeueAfterSeconds: 60 });
  const policy = (it: OnFailure) => ({ onFailure: () => it });

  test('stops the rest; the status is written, and the failure is retried', async () => {
    expect(await run(three, { b: broken })).toMatchObject({ log: ['a', 'b', 'write new'], thrown: broken });
  });

  test('lets the rest go on where that does not depend on it; the first failure is thrown', async () => {
    const { log, thrown } = await run(three, { a: broken, b: other }, policy('Continue'));
    expect(log).toEqual(['a', 'b', 'c', 'write new']);
    expect(thrown).toBe(broken);
  });

  test('is only reported when it would be refused again', async () => {
    const it = await run(three, { a: broken }, policy('Report'));
    expect(it).toMatchObject({ log: ['a', 'b', 'c', 'write new'], result: { requeueAfterSeconds: 60 } });
    expect(it.thrown).toBeUndefined();
  });

  test('can ask for another run soon', async () => {
    const it = await run(three, { a: broken }, policy({ requeueAfterSeconds: 1 }));
    expect(it).toMatchObject({ log: ['a', 'b', 'c', 'write new'], result: { requeueAfterSeconds: 1 } });
  });

  test('abandons the run when what it was planned from is no more', async () => {
    expect(await run(three, { b: broken }, policy('Abandon'))).toMatchObject({ log: ['a', 'b'], thrown: broken });
  });

  test('abandons the run when the process stops', async () => {
    const stop = new AbortController();
    const act: TestRun['act'] = () => {
      stop.abort();
      return Promise.reject(broken);
    };
    expect(await run(three, {}, { act, signal: stop.signal, ...policy('Continue') })).toMatchObject({
      log: [],
      thrown: broken,
    });
  });

  test('keeps a status from being written that tells of it as done', async () => {
    const plan = planOf({ actions: [{ type: 'a', required: true }, ...actions('b')], events: [started] });
    expect(await run(() => plan, { a: broken })).toMatchObject({ log: ['a'], thrown: broken });
    expect((await run(() => plan, { b: broken })).log).toEqual(['a', 'b', 'write new', 'event Started']);
  });

  test('is in the status of the plan that is made again', async () => {
    const plan: TestRun['plan'] = ({ failed }) =>
      failed.length > 0 ? planOf({ status: failed.join(), requeueAfterSeconds: 5 }) : three();
    const withFailures: TestRun['withFailures'] = (observed, failures) => ({
      ...observed,
      failed: failures.map(({ action, policy: its }) => `${action.type} ${JSON.stringify(its)}`),
    });
    const { log, result } = await run(plan, { a: broken }, { withFailures, ...policy('Report') });
    expect(log).toEqual(['a', 'b', 'c', 'write a "Report"']);
    expect(result).toEqual({ requeueAfterSeconds: 5 });
  });
});

test('the process stops between two actions: no status tells of what was not done', async () => {
  const stop = new AbortController();
  const log: string[] = [];
  const act: TestRun['act'] = ({ type }) => {
    log.push(type);
    stop.abort(other);
    return Promise.resolve();
  };
  const it = await run(() => planOf({ actions: actions('a', 'b') }), {}, { act, signal: stop.signal });
  expect([log, it.log, it.thrown]).toEqual([['a'], [], other]);
});

test('actions that do not depend on each other are done at the same time', async () => {
  let [now, most] = [0, 0];
  const act: TestRun['act'] = async () => {
    most = Math.max(most, ++now);
    await Promise.resolve();
    now -= 1;
  };
  await run(() => planOf({ actions: actions('a', 'b', 'c', 'd', 'e') }), {}, { act, parallelActions: 3 });
  expect(most).toBe(3);
});

describe('a plan whose status announces what is done', () => {
  /** Runs such a plan; gives all that came of it, in order. */
  async function announce(errors: Record<string, Error> = {}, writeFailure?: Error, old = 'old') {
    const log: string[] = [];
    const act = ({ type }: Action) => {
      log.push(type);
      return errors[type] ? Promise.reject(errors[type]) : Promise.resolve();
    };
    const plan = planOf({
      actions: [
        { type: 'needs', announced: true },
        { type: 'frees', announced: false },
      ],
      events: [started],
      requeueAfterSeconds: 9,
    });
    const end = await runAnnouncedPlan<string, string, Action, string>({
      observed: 'seen',
      plan: () => plan,
      act,
      onFailure: () => 'Continue',
      status: old,
      write: (status) => {
        log.push(`write ${status}`);
        return writeFailure ? Promise.reject(writeFailure) : Promise.resolve();
      },
      record: ({ reason }) => void log.push(`event ${reason}`),
      isRefused: (error) => error === broken,
      logger: pino({ level: 'silent' }),
      signal: new AbortController().signal,
    }).catch((error: unknown) => error);
    return { log, end };
  }

  test('writes it before anything is done', async () => {
    const { log, end } = await announce();
    expect(log).toEqual(['write new', 'event Started', 'needs', 'frees']);
    expect(end).toEqual({ requeueAfterSeconds: 9 });
  });

  test('does all when the status is there already', async () => {
    expect((await announce({}, undefined, 'new')).log).toEqual(['needs', 'frees']);
  });

  test('does only what needs no announcement when the status is refused, and throws that', async () => {
    expect(await announce({ frees: other }, broken)).toEqual({ log: ['write new', 'frees'], end: broken });
  });

  test('does nothing when the status was not written for another reason', async () => {
    expect(await announce({}, other)).toEqual({ log: ['write new'], end: other });
  });

  test('does the rest when one action fails, and throws what failed first', async () => {
    expect(await announce({ needs: broken, frees: other })).toEqual({
      log: ['write new', 'event Started', 'needs', 'frees'],
      end: broken,
    });
  });
});

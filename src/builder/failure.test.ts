import { expect, test } from 'vitest';
import { buildAnswer } from '../api/buildrun.ts';
import { FetchError } from '../image/failure.ts';
import { BuildError, because, failureAnswer, toBuildError } from './failure.ts';
import { FailedProgram } from './programs.ts';

const thrown = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

test('an answer has as many last lines as a termination message can hold, whatever is in them', () => {
  for (const line of ['short', 'ä'.repeat(400), '"\\\u0001'.repeat(100), 'x'.repeat(5000)]) {
    const lines = Array.from({ length: 20 }, (_, i) => `${line}${i}`);
    const answer = failureAnswer(new BuildError('CommandFailed', `It failed: ${'y'.repeat(200)}`, { lines }));
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(4096);
    expect(buildAnswer.safeParse(answer).success).toBe(true);
    expect(answer.message).toMatch(/^It failed: y+\n/);
  }
});

test('the last line is the last one of the answer', () => {
  expect(failureAnswer(new BuildError('PackFailed', 'No.', { lines: ['a', 'b'] }))).toEqual({
    reason: 'PackFailed',
    message: 'No.\na\nb',
  });
});

test('a full disk is reported as such, whichever program met it', () => {
  const lines = ['tar: x: Cannot write: No space left on device', 'exiting'];
  const error = thrown(() =>
    because('PackFailed', 'The tree cannot be packed', 'look')(new FailedProgram('tar', 'ended with 2', lines)),
  );
  expect(toBuildError(error)).toMatchObject({ reason: 'NoSpace', lines });
});

test('a program that is not there is named', () => {
  const error = thrown(() => because('PackFailed', 'No', 'look')(new FailedProgram('zstd', 'is not there', [], true)));
  expect(error).toMatchObject({ reason: 'ProgramMissing', message: expect.stringContaining('zstd') as unknown });
});

test('what the agent knows of downloads keeps its reason; what no one foresaw has one, too', () => {
  expect(toBuildError(new FetchError('DigestMismatch', 'x'))).toMatchObject({ reason: 'DigestMismatch', message: 'x' });
  expect(toBuildError(new Error('x'))).toMatchObject({ reason: 'BuildFailed', message: 'x' });
  expect(toBuildError(Object.assign(new Error('x'), { code: 'ENOSPC' }))).toMatchObject({ reason: 'NoSpace' });
});

import { expect, test } from 'vitest';
import { apiErrorFrom } from './status.ts';

test('a refusal with a Status object becomes an error with all that it says', () => {
  const body = JSON.stringify({
    kind: 'Status',
    code: 429,
    reason: 'TooManyRequests',
    message: 'slow down',
    details: { retryAfterSeconds: 3, causes: [{ field: 'spec' }] },
  });
  const expected = { code: 429, reason: 'TooManyRequests', message: 'slow down', causes: [{ field: 'spec' }] };
  expect(apiErrorFrom(429, body)).toMatchObject({ ...expected, retryAfterSeconds: 3 });
  expect(apiErrorFrom(429, body, '9')).toMatchObject({ ...expected, retryAfterSeconds: 9 });
});

test.each(['<html>Bad Gateway</html>', '', 'null', '{"a":1}'])(
  'a refusal that says %s still becomes an error',
  (body) => {
    expect(apiErrorFrom(502, body, 'Wed, 21 Oct 2026 07:28:00 GMT')).toMatchObject({
      code: 502,
      reason: 'Unknown',
      message: `The API server answered 502: ${body}`,
      retryAfterSeconds: undefined,
    });
  },
);

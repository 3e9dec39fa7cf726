import type { Finding, Verification } from '../state.ts';

/** How a verification ended. */
export interface VerificationResult {
  publishTime: string;
  time: number;
  /** All of the image was read. */
  content: boolean;
  finding: Finding | undefined;
}

/** What is remembered after a verification. */
export function afterVerification(before: Verification | undefined, result: VerificationResult): Verification {
  const { publishTime, time, content } = result;
  const known = before?.publishTime === publishTime ? before : undefined;
  const contentTime = content ? time : known?.contentTime;
  // That a read killed an agent stands until a read does not.
  const contentRetryTime = content ? undefined : known?.contentRetryTime;
  return {
    publishTime,
    time,
    ...(contentTime !== undefined && { contentTime }),
    ...(contentRetryTime !== undefined && { contentRetryTime }),
    finding: findingAfter(known, result),
  };
}

function findingAfter(known: Verification | undefined, { content, finding }: VerificationResult): Finding | undefined {
  if (finding?.kind === 'changed') return finding;
  // What was found stands until a look at everything finds nothing.
  if (known?.finding?.kind === 'changed' && (finding ?? !content)) return known.finding;
  return finding ?? (content || known?.contentRetryTime === undefined ? undefined : known.finding);
}
